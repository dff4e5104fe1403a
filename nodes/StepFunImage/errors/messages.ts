import { findModel, type Operation } from '../catalogue/models';
import { isStepFunHost } from '../catalogue/services';
import type { FailureDetails, FailureKind, RequestFailure } from './requestFailure';

/** What a message needs to know of the request that failed. */
export interface FailedRequest {
	/** The API's address, without the path of the operation. */
	baseUrl: string;
	/** The operation's path, such as `/images/generations`. */
	path: string;
	/** Absent when the account was asked for its balance, so that there is no image that might have been charged. */
	image?: { operation: Operation; model: string; hasInputImage: boolean };
}

/** What the user reads of a failure. */
export interface Message {
	/** What happened, in one line; an AI agent sees nothing else. */
	message: string;
	/** How to go on. */
	description: string;
}

interface Facts extends FailedRequest {
	failure: RequestFailure;
	details: FailureDetails;
	/** The server's words behind a colon, or nothing. */
	said: string;
	host: string;
}

type Text = string | ((facts: Facts) => string);

/** `forBalance` replaces what is said when the account's balance was asked for. */
interface Entry {
	message: Text;
	description: Text;
	forBalance?: Partial<Record<keyof Message, Text>>;
}

/** StepFun's words for an image that it could not take in, most often because of its size. */
const IMAGE_NOT_RECEIVED = '消息获取失败';

const BLOCKED_ADVICE =
	'This n8n does not send requests to internal addresses. If you need this one, ask the administrator of n8n to allow it in N8N_SSRF_ALLOWED_HOSTNAMES or N8N_SSRF_ALLOWED_IP_RANGES.';

const PAUSE_NOTICE =
	'StepFun announced that its hosted image endpoints pause from 2026-10-10 for a system upgrade, so the endpoint may be out of service. Until it is back, you can use another image server: choose Custom as Service in the credential, and enter its Base URL and API Format.';

/** What holds for StepFun's own services alone, and what for servers of other people. */
const byService =
	(forStepFun: string, forOthers: string) =>
	({ baseUrl }: Facts) =>
		isStepFunHost(baseUrl) ? forStepFun : forOthers;

const SUPPORT_ADVICE = byService('send the IDs to StepFun', "check the server's log");

const pauseNotice = ({ baseUrl }: Facts) => (isStepFunHost(baseUrl) ? ` ${PAUSE_NOTICE}` : '');

const BY_KIND: Record<Exclude<FailureKind, 'status'>, Entry> = {
	connection: {
		message: ({ host, said }) => `The connection to ${host} failed${said}`,
		description: ({ failure }) =>
			`Check Service and Base URL in the StepFun API credential, and that this n8n can reach the address. ${
				failure.wasNeverConnected
					? 'The request was not sent, so nothing was charged.'
					: 'If the connection broke after the request was sent, the image may have been charged.'
			}`,
		forBalance: {
			description:
				'Check Service and Base URL in the StepFun API credential, and that this n8n can reach the address.',
		},
	},
	blocked: {
		message: ({ host, said }) => `n8n refuses to open ${host}${said}`,
		description: BLOCKED_ADVICE,
	},
	timeout: {
		message: ({ details }) =>
			`The service did not answer completely within ${details.seconds} seconds`,
		description:
			"Raise 'Timeout (Seconds)' under Options, or use fewer steps or a smaller input image. The image may have been charged.",
		forBalance: {
			description:
				'Run this item again later. If it happens each time, look for a proxy between n8n and the service that holds the answer back.',
		},
	},
	truncated: {
		message: ({ details }) => `The image was made, but did not arrive completely: ${details.text}`,
		description:
			'The connection broke while the answer was arriving; the image has been charged. Run this item again. If it happens often, look for a proxy between n8n and the service that limits time or size.',
		forBalance: {
			message: ({ details }) => `The balance did not arrive completely: ${details.text}`,
			description:
				'Run this item again. If it happens often, look for a proxy between n8n and the service that limits time or size.',
		},
	},
	badCompression: {
		message: ({ said }) => `The answer arrived, but could not be decompressed${said}`,
		description:
			'It is not compressed as its Content-Encoding says, and the image has been charged. Look for a proxy between n8n and the service that changes answers.',
		forBalance: {
			description:
				'It is not compressed as its Content-Encoding says. Look for a proxy between n8n and the service that changes answers.',
		},
	},
	invalidJson: {
		message: ({ details }) =>
			`The server answered, but not as an image API${quote(readable(details.text))}`,
		description:
			'The answer is not JSON. Check the Base URL in the StepFun API credential; it usually ends in /v1. The answer may also come from a proxy or a login page in between.',
	},
	noBalance: {
		message: ({ details }) =>
			`The server's answer contains no balance${quote(readable(details.text))}`,
		description:
			'Its field balance is missing or is not a number. Not every region and server reports the balance; check Service and Base URL in the StepFun API credential.',
	},
	noImage: {
		message: ({ said }) => `The service answered without an image${said}`,
		description: (facts) =>
			`It reported success, so the image may have been charged. Run this item again; if it happens each time, ${SUPPORT_ADVICE(facts)}.`,
	},
	contentFiltered: {
		message: 'The image was made, but stopped by moderation (content_filtered)',
		description: ({ image }) =>
			`Change the prompt${image?.hasInputImage ? ' or the input image' : ''} and run this item again. The image has been charged; the same request would be stopped again.`,
	},
	notAnImage: {
		message: ({ details }) =>
			`The answer contains something that is not an image${quote(readable(details.text))}`,
		description: (facts) =>
			`The service reported success, so the image may have been charged. Run this item again; if it happens each time, ${SUPPORT_ADVICE(facts)}.`,
	},
	tooLarge: {
		message: ({ details }) => details.text ?? '',
		description:
			'The node stopped reading to protect this n8n. Check that the Base URL in the StepFun API credential is the address of an image API.',
	},
	download: {
		message: ({ details }) =>
			`The image was made, but could not be downloaded: ${explainDownload(details)}`,
		description: ({ details }) =>
			`The image has been charged and is still at ${details.url} for as long as the link is valid. ${
				details.reason?.kind === 'blocked'
					? BLOCKED_ADVICE
					: "Fetch it with an HTTP Request node without credentials, or set Output to 'Image URL' and download later."
			}`,
	},
	inputDownload: {
		message: ({ details }) =>
			`The image behind 'Image URL' could not be downloaded: ${explainDownload(details)}`,
		description: ({ details }) =>
			`${
				details.reason?.kind === 'blocked'
					? BLOCKED_ADVICE
					: `Check that ${details.url} opens without a login and that this n8n can reach it.`
			} Nothing was sent to the image service for this item.`,
	},
	storage: {
		message: ({ said }) => `The image arrived, but n8n could not store it${said}`,
		description: ({ details }) =>
			`Check the free space and the settings of n8n's binary data storage. The image has been charged.${
				details.url ? ` It is still at ${details.url} for as long as the link is valid.` : ''
			}`,
	},
};

const BY_STATUS: Record<number, Entry> = {
	400: {
		message: ({ said }) => `The service refused the request${said}`,
		description:
			'Check the fields that the message names, and that the model exists and may be used with this key.',
		forBalance: { description: 'Check Service and Base URL in the StepFun API credential.' },
	},
	401: {
		message: ({ said }) => `The API key was not accepted${said}`,
		description: byService(
			'Check the API Key in the StepFun API credential, and that Service is the platform that issued it: keys of platform.stepfun.com and platform.stepfun.ai are not interchangeable.',
			'Check the API Key and the Headers in the StepFun API credential.',
		),
	},
	402: {
		message: ({ said }) => `The account's balance is used up${said}`,
		description: byService(
			"Top up the account on StepFun's platform, then run the remaining items again.",
			"Top up the account with the server's provider, then run the remaining items again.",
		),
	},
	403: {
		message: ({ said }) => `This key may not use the model or the endpoint${said}`,
		description: byService(
			'Check on the platform what the key and the account are allowed to use.',
			'Check what this key may use on the server.',
		),
		forBalance: { message: ({ said }) => `This key may not use the endpoint${said}` },
	},
	404: {
		message: ({ path, baseUrl, said }) => `There is no ${path} at ${baseUrl}${said}`,
		description: (facts) =>
			`Check Service and Base URL in the StepFun API credential; the Base URL usually ends in /v1.${pauseNotice(facts)}`,
		forBalance: {
			description: (facts) =>
				`Not every region and server reports the balance. Check Service and Base URL in the StepFun API credential; the Base URL usually ends in /v1.${pauseNotice(facts)}`,
		},
	},
	408: {
		message: ({ said }) => `The service took too long and gave up${said}`,
		description: 'Run this item again later, or use fewer steps.',
		forBalance: { description: 'Run this item again later.' },
	},
	413: {
		message: ({ said }) =>
			`The image is too large for the server, or for a proxy in front of it${said}`,
		description:
			"Resize the image before this node, for example with n8n's Edit Image node, or raise the limit of the proxy (client_max_body_size in nginx).",
	},
	429: {
		message: ({ said }) =>
			`Too many requests: the account's limit was still reached after waiting${said}`,
		description:
			"Lower 'Concurrent Requests' or set 'Requests per Minute' in the StepFun API credential to what your tier allows, raise 'Give Up After (Seconds)' under Options, or check whether other programs use the same account.",
		forBalance: {
			description:
				"Lower 'Concurrent Requests' or set 'Requests per Minute' in the StepFun API credential to what your tier allows, or check whether other programs use the same account.",
		},
	},
	451: {
		message: ({ said }) => `Moderation refused the request${said}`,
		description: ({ image }) =>
			`Change the prompt${image?.hasInputImage ? ' or the input image' : ''}. The same request would be refused again, so the node does not repeat it.`,
	},
	503: {
		message: ({ said }) => `The service is overloaded or out of service${said}`,
		description: (facts) => `Run this item again later.${pauseNotice(facts)}`,
	},
};
BY_STATUS[504] = BY_STATUS[524] = {
	...BY_STATUS[408],
	description:
		'Run this item again later, or use fewer steps. A proxy may have stopped waiting while the image was made, so the image may have been charged; if the proxy is your own, raise its limit (proxy_read_timeout in nginx).',
};

/** StepFun's 400 for an image that did not reach its model, whose own words do not tell why. */
const IMAGE_TOO_LARGE: Entry = {
	message: ({ said }) =>
		`The service could not process the input image, most likely because it is too large${said}`,
	description: ({ image }) => {
		const maxSide =
			image && findModel(image.model)?.operations[image.operation]?.inputImage?.maxSide;
		return `Resize the image before this node, for example with n8n's Edit Image node${maxSide ? `; ${image.model} takes at most ${maxSide} × ${maxSide} pixels` : ''}.`;
	},
};

const REDIRECT: Entry = {
	message: ({ details }) => `The server redirects to another address${quote(details.location)}`,
	description:
		'The node does not follow redirects, so that the key stays with the address you entered. If the new address is right, enter it as Base URL in the StepFun API credential.',
};

const SERVER_FAILED: Entry = {
	message: ({ details, said }) => `The service failed with status ${details.status}${said}`,
	description: 'Run this item again later.',
};

const REFUSED: Entry = {
	message: ({ details, said }) =>
		`The service refused the request with status ${details.status}${said}`,
	description: 'Check the Base URL in the StepFun API credential and the fields of the node.',
};

/**
 * What the user reads of a failed request. Texts of the server are in it as they came; the caller redacts secrets.
 *
 * @param request what had been asked for
 * @param failure what went wrong
 */
export function explainFailure(request: FailedRequest, failure: RequestFailure): Message {
	const { details } = failure;
	const facts: Facts = {
		...request,
		failure,
		details,
		said: quote(details.text),
		host: hostOf(request.baseUrl),
	};
	const entry = failure.kind === 'status' ? entryOfStatus(facts) : BY_KIND[failure.kind];
	const { message, description } = { ...entry, ...(request.image ? {} : entry.forBalance) };
	const fill = (text: Text) => (typeof text === 'string' ? text : text(facts));
	return {
		message: fill(message),
		description: [fill(description), ...references(details)]
			.filter((part) => part !== '')
			.join(' '),
	};
}

function entryOfStatus({ details: { status = 0, text = '' }, image }: Facts): Entry {
	if (status === 400 && image?.hasInputImage && text.includes(IMAGE_NOT_RECEIVED)) {
		return IMAGE_TOO_LARGE;
	}
	if (BY_STATUS[status]) return BY_STATUS[status];
	if (status >= 300 && status < 400) return REDIRECT;
	return status >= 500 ? SERVER_FAILED : REFUSED;
}

/** Why a download failed, in half a sentence: here the API's own meanings of a status do not apply. */
function explainDownload({ url = '', reason }: FailureDetails): string {
	if (!reason) return hostOf(url);
	const { status, seconds, text = '' } = reason.details;
	const said = quote(text);
	const texts: Partial<Record<FailureKind, string>> = {
		status: `${hostOf(url)} answered with status ${status}${said}`,
		connection: `the connection to ${hostOf(url)} failed${said}`,
		blocked: `n8n refuses to open ${hostOf(url)}${said}`,
		timeout: `${hostOf(url)} did not send all of it within ${seconds} seconds`,
		badCompression: `what ${hostOf(url)} sent could not be decompressed${said}`,
		notAnImage: `what ${hostOf(url)} sent is not an image${quote(readable(text))}`,
	};
	return texts[reason.kind] ?? text;
}

/** What StepFun's support asks for. */
function references({ tries = 1, traceId, id }: FailureDetails): string[] {
	return [
		tries > 1 ? `Tried ${tries} times.` : '',
		traceId ? `Trace ID: ${traceId}.` : '',
		id ? `Request ID: ${id}.` : '',
	];
}

function quote(text = ''): string {
	return text === '' ? '' : `: ${text}`;
}

/** A text that may be HTML, without its tags and not too long. */
function readable(text = ''): string {
	const words = text
		.slice(0, 4_000)
		.replace(/<[^<>]*>/g, ' ')
		.replace(/\s+/g, ' ')
		.trim();
	return words.length > 120 ? `${words.slice(0, 120)}…` : words;
}

function hostOf(url: string): string {
	return URL.canParse(url) ? new URL(url).host : url;
}
