export type Currency = 'cny' | 'usd';

interface Service {
	name: string;
	baseUrl: string;
	description: string;
	/** What an image is paid in; subscriptions do not charge by the image. */
	currency?: Currency;
}

/**
 * Where StepFun's image API is served. A key of one region does not work in the other.
 *
 * Source: StepFun's platform documentation, Chinese (platform.stepfun.com) and international
 * (platform.stepfun.ai), read between June and September 2026.
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

/** The credential's choice for a gateway or a server of the user's own. */
export const CUSTOM_SERVICE = 'custom';

/**
 * Whether an address belongs to StepFun itself, so that its announcements apply.
 *
 * @param url an absolute URL
 */
export function isStepFunHost(url: string): boolean {
	return SERVICES.some((service) => new URL(service.baseUrl).host === hostOf(url));
}

/**
 * In which currency an address charges by the image, or `undefined` for a subscription or a server
 * whose prices are not known.
 *
 * @param url the API's base URL
 */
export function currencyOf(url: string): Currency | undefined {
	const service = SERVICES.find(({ baseUrl }) => baseUrl === url);
	return service?.currency;
}

/**
 * In which currency an address counts the account's balance, or `undefined` where that is not known:
 * StepFun's international documentation shows the amounts without a currency.
 *
 * @param url the API's base URL
 */
export function balanceCurrencyOf(url: string): Currency | undefined {
	return hostOf(url) === 'api.stepfun.com' ? 'cny' : undefined;
}

/**
 * Whether a text is an address that a request can be sent to.
 *
 * @param text what somebody entered, or a server said
 */
export function isWebAddress(text: string): boolean {
	return /^https?:\/\/./i.test(text) && URL.canParse(text);
}

/**
 * The address of a result: a link as it came, or one that begins with a host or a path and leaves out the rest.
 *
 * @param link what a server gave as a link
 * @param baseUrl the API's address
 * @returns undefined for what is neither
 */
export function resolveLink(link: string, baseUrl: string): string | undefined {
	const address = link.trim();
	if (isWebAddress(address)) return address;
	return address.startsWith('/') && URL.canParse(address, baseUrl)
		? new URL(address, baseUrl).href
		: undefined;
}

function hostOf(url: string): string | undefined {
	return URL.canParse(url) ? new URL(url).host : undefined;
}
