export type Currency = 'cny' | 'usd';

interface Service {
	name: string;
	baseUrl: string;
	description: string;
	/** The currency of the price per image. Absent for subscriptions, which do not charge by the image. */
	currency?: Currency;
}

/**
 * The services that offer StepFun's image API. Source: StepFun's platform documentation, Chinese (platform.stepfun.com)
 * and international (platform.stepfun.ai), read between June and September 2026.
 */
export const SERVICES: readonly Service[] = [
	{
		name: 'StepFun China',
		baseUrl: 'https://api.stepfun.com/v1',
		description: 'Pay as you go, key from platform.stepfun.com',
		currency: 'cny',
	},
	{
		name: 'StepFun International',
		baseUrl: 'https://api.stepfun.ai/v1',
		description: 'Pay as you go, key from platform.stepfun.ai',
		currency: 'usd',
	},
	{
		name: 'Step Plan China',
		baseUrl: 'https://api.stepfun.com/step_plan/v1',
		description: 'Subscription, key from platform.stepfun.com',
	},
	{
		name: 'Step Plan International',
		baseUrl: 'https://api.stepfun.ai/step_plan/v1',
		description: 'Subscription, key from platform.stepfun.ai',
	},
];

/** The path of the list of models, on every server that has one. */
export const MODELS_PATH = '/models';

/** The value of the credential's Service field for a gateway or the user's own server. */
export const CUSTOM_SERVICE = 'custom';

/** Whether an address belongs to StepFun itself, so that StepFun's announcements apply. */
export function isStepFunHost(url: string): boolean {
	return SERVICES.some((service) => new URL(service.baseUrl).host === hostOf(url));
}

/** The currency in which a Base URL charges by the image; `undefined` for a subscription, or if it is not known. */
export function currencyOf(url: string): Currency | undefined {
	return SERVICES.find(({ baseUrl }) => baseUrl === url)?.currency;
}

/** The currency of the balance at a Base URL; `undefined` where the server's documentation does not name it. */
export function balanceCurrencyOf(url: string): Currency | undefined {
	return hostOf(url) === 'api.stepfun.com' ? 'cny' : undefined;
}

/** Whether a text is an absolute HTTP or HTTPS address. */
export function isWebAddress(text: string): boolean {
	return /^https?:\/\/./i.test(text) && URL.canParse(text);
}

/**
 * The absolute address of a result; `undefined` for a text that is no link. A link may leave out the scheme or the host
 * of the API's own server.
 */
export function resolveLink(link: string, baseUrl: string): string | undefined {
	const address = link.trim();
	if (isWebAddress(address)) return address;
	if (!address.startsWith('/') || !URL.canParse(address, baseUrl)) return undefined;
	// Behind a proxy, a server does not know the part of its path that the proxy removes.
	const [, prefix, version] = /^(.+)(\/[^/]+)\/*$/.exec(new URL(baseUrl).pathname) ?? [];
	const path = address.startsWith(`${version}/`) ? prefix + address : address;
	return new URL(path, baseUrl).href;
}

/** The host of an address, with its port; the text itself if it is not an address. */
export function hostOf(url: string): string {
	return URL.canParse(url) ? new URL(url).host : url;
}

/** Decodes a part of an address; the text itself if its encoding is invalid. */
export function decodeUrl(part: string): string {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}
