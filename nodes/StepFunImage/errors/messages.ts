import { findModel, type Operation } from '../catalogue/models';
import { hostOf, isStepFunHost } from '../catalogue/services';
import { RequestFailure, type FailureDetails, type FailureKind } from './requestFailure';
import { truncate } from './truncate';

/** Removes a credential's secrets from texts that are shown. */
export interface Redactor {
	/** For texts from a server. */
	text(text: string): string;
	/**
	 * For links, and texts of the node that contain links. It keeps the values of custom headers, because a link may
	 * contain the name of an organization, for example, and would not work without it.
	 */
	link(link: string): string;
}

/** The details of a failure that are links. */
const LINKS = ['url', 'otherUrls'] satisfies Array<keyof FailureDetails> as string[];

/** The details of a failed request that its message needs. */
export interface FailedRequest {
	/** The API's address, without the path of the operation, and what removes the secrets from the message. */
	credential: { baseUrl: string; redactor: Redactor };
	/** The operation's path, such as `/images/generations`. */
	path: string;
	/** Absent for a request for the account's balance, which never costs an image. */
	image?: { operation: Operation; model: string; hasInputImage: boolean };
}

interface Facts extends FailedRequest {
	failure: RequestFailure;
	details: FailureDetails;
	baseUrl: string;
	host: string;
}

type Text = string | ((facts: Facts) => string);

interface Entry {
	message: Text;
	/** What follows the message after a colon; the server's own text unless an entry says otherwise. */
	quoted?(details: FailureDetails): string | undefined;
	description: Text;
}

/** StepFun's message for an image that it could not process, in most cases because of its size. */
const IMAGE_NOT_RECEIVED = '消息获取失败';

const BLOCKED_ADVICE =
	'This n8n does not send requests to internal addresses. If you need this one, ask the administrator of n8n to allow it in N8N_SSRF_ALLOWED_HOSTNAMES or N8N_SSRF_ALLOWED_IP_RANGES.';

const PAUSE_NOTICE =
	'StepFun announced a pause of its hosted image endpoints from 2026-10-10 for a system upgrade, so the endpoint may be out of service. Until it is back, you can use another image server: choose Custom as Service in the credential, and enter its Base URL and API Format. The documentation of this node lists such servers.';

/** A text for StepFun's own services, and one for all other servers. */
const byService =
	(forStepFun: string, forOthers: string) =>
	({ baseUrl }: Facts) =>
		isStepFunHost(baseUrl) ? forStepFun : forOthers;

/** Chooses between a text for an image and one for the account's balance. */
const byRequest =
	(forImage: string, forBalance: string) =>
	({ image }: Facts) =>
		image ? forImage : forBalance;

/** Why a connection failed, by patterns of Node.js's code or text. `{host}` stands for the server's host. */
const CONNECTION_ADVICE = {
	'ENOTFOUND|EAI_AGAIN':
		"n8n cannot find the host {host}. Check Service and Base URL in the StepFun API credential, and n8n's connection to the network.",
	ECONNREFUSED:
		'{host} refuses the connection. Check that the server is running, and the port in the Base URL in the StepFun API credential. If n8n runs in Docker, localhost is its own container.',
	'ETIMEDOUT|ECONNABORTED|EHOSTUNREACH|ENETUNREACH':
		'{host} does not respond. Check Service and Base URL in the StepFun API credential, and that this n8n can reach the server.',
	'CERT|SELF_SIGNED|UNABLE_TO_VERIFY':
		"The SSL certificate of {host} cannot be verified. Turn on 'Ignore SSL Issues (Insecure)' in the StepFun API credential if the server is your own.",
	'EPROTO|ERR_SSL|wrong version number':
		'{host} does not support HTTPS. Try the Base URL with http://.',
	HPE_: '{host} responds, but not with valid HTTP. Check Service and Base URL in the StepFun API credential, and whether a proxy in between changes responses.',
	'socket hang up|(read|write) (ECONNRESET|EPIPE)':
		'{host} closed the connection without a response. The server may have crashed or run out of memory, or a proxy in between may limit the time or the size of requests. If the server is your own, check its log.',
	'': 'Check Service and Base URL in the StepFun API credential, and that this n8n can reach the address.',
};

const BASE64_ADVICE =
	'Send { "response_format": "b64_json" } in \'Additional Body Fields\' to get the image itself, if the server supports it.';

const SUPPORT_ADVICE = byService('send the IDs to StepFun', "check the server's log");

const pauseNotice = ({ baseUrl, image }: Facts) =>
	image && isStepFunHost(baseUrl) ? ` ${PAUSE_NOTICE}` : '';

const chargeNotice = ({ failure, details, image }: Facts) => {
	if (!image || failure.charge !== 'maybe') return '';
	const start = details.isLate ? 'The response came late, so the image' : 'The image';
	return ` ${start} may have been charged.`;
};

const BY_KIND: Record<Exclude<FailureKind, 'status'>, Entry> = {
	connection: {
		message: ({ host }) => `The connection to ${host} failed`,
		description: ({ failure, details: { code, text, earlierCharge }, host, image }) => {
			const cause = `${code} ${text}`;
			const [, advice = ''] =
				Object.entries(CONNECTION_ADVICE).find(([each]) => new RegExp(each).test(cause)) ?? [];
			const charge = !failure.wasNeverConnected
				? ' If the connection broke after the request was sent, the image may have been charged.'
				: earlierCharge
					? ''
					: ' The request was not sent, so nothing was charged.';
			return advice.replace('{host}', host) + (image ? charge : '');
		},
	},
	blocked: { message: ({ host }) => `n8n refuses to open ${host}`, description: BLOCKED_ADVICE },
	timeout: {
		message: ({ details }) => `The service did not finish its response within ${details.limit}`,
		description: byRequest(
			"Raise 'Timeout (Seconds)' under Options, or use fewer steps or a smaller input image. The image may have been charged.",
			'Try again later. If it happens each time, check whether a proxy between n8n and the service delays the response.',
		),
	},
	truncated: {
		message: byRequest(
			'The image was made, but did not arrive completely',
			'The response did not arrive completely',
		),
		description: ({ image }) =>
			`${image ? 'The response is incomplete, and the image has been charged. ' : ''}Try again. If it happens often, check whether a proxy between n8n and the service limits the time or the size of responses.`,
	},
	badCompression: {
		message: 'The response arrived, but could not be decompressed',
		description: ({ image }) =>
			`The response does not match its Content-Encoding.${image ? ' The image has been charged.' : ''} Check whether a proxy between n8n and the service changes responses.`,
	},
	invalidJson: {
		message: 'The server responded, but not as an image API',
		quoted: readable,
		description: (facts) =>
			`The response is ${facts.details.text ? 'not JSON' : 'empty'}. Check Service and Base URL in the StepFun API credential; the Base URL usually ends in /v1. The response may also come from a proxy or a login page in between.${chargeNotice(facts)}`,
	},
	noBalance: {
		message: "The server's response contains no balance",
		quoted: readable,
		description:
			"The field 'balance' is missing or is not a number. Not every region and server reports the balance; check Service and Base URL in the StepFun API credential.",
	},
	noImage: {
		message: ({ details: { taskId } }) =>
			taskId === undefined
				? 'The service responded without an image'
				: 'The service started a task instead of returning an image',
		description: (facts) => {
			const { taskId, beginning, url } = facts.details;
			if (taskId !== undefined) {
				return 'The image may have been charged. The node does not wait for tasks: get the result with HTTP Request nodes, or use a model or server that returns the image.';
			}
			// Some servers return the name of a file on their own disk.
			const advice = url
				? BASE64_ADVICE
				: `Try again; if it happens each time, ${SUPPORT_ADVICE(facts)}.`;
			return `The response is ${beginning}. The service reported success, so the image may have been charged. ${advice}`;
		},
	},
	contentFiltered: {
		message: 'The image was made, but stopped by moderation (content_filtered)',
		description: ({ image }) =>
			`Change the prompt${image?.hasInputImage ? ' or the input image' : ''} and try again. The image has been charged; the same request would be stopped again.`,
	},
	notAnImage: {
		message: 'The response contains something that is not an image',
		quoted: readable,
		description: (facts) =>
			`The service reported success, so the image may have been charged. Try again; if it happens each time, ${SUPPORT_ADVICE(facts)}.`,
	},
	tooLarge: {
		message: ({ details }) => details.text ?? '',
		quoted: () => undefined,
		description:
			'The node stopped reading to protect this n8n. The image may have been charged. Check Service and Base URL in the StepFun API credential.',
	},
	download: {
		message: 'The image was made, but could not be downloaded',
		quoted: explainDownload,
		description: ({ details }) =>
			`The image has been charged and is still at ${placeOf(details)}. ${downloadAdvice(details)}`,
	},
	inputDownload: {
		message: "The image at 'Image URL' could not be downloaded",
		quoted: explainDownload,
		description: ({ details: { reason, url, earlierCharge } }) => {
			const access = `Check that ${url} opens without a login and that this n8n can reach it.`;
			const charge = earlierCharge ? '' : ' Nothing was sent to the image service for this image.';
			return (reason?.kind === 'blocked' ? BLOCKED_ADVICE : access) + charge;
		},
	},
	storage: {
		message: 'The image arrived, but n8n could not store it',
		description: ({ details }) =>
			`Check the free space and the settings of n8n's binary data storage. The image has been charged.${
				details.url ? ` It is still at ${placeOf(details)}.` : ''
			}`,
	},
};

/** What to know first about the endpoints that a server may lack. */
const OPTIONAL_ENDPOINTS: Record<string, string> = {
	'/accounts': 'Not every region and server reports the balance. ',
	'/images/edits': 'Not every server can edit images. ',
};

const BY_STATUS: Record<number, Entry> = {
	400: {
		message: 'The service refused the request',
		description: ({ image }) =>
			image
				? `Correct the field that the message names.${image.hasInputImage ? ' If it names the image, save it as PNG or JPEG before this node.' : ''} If it names the model, choose one from the list in 'Model', and check that this key may use it.`
				: 'Check Service and Base URL in the StepFun API credential.',
	},
	401: {
		message: 'The API key was not accepted',
		description: byService(
			'Check the API Key in the StepFun API credential, and that Service is the platform that issued it: keys of platform.stepfun.com and platform.stepfun.ai are not interchangeable.',
			'Check the API Key and the Headers in the StepFun API credential.',
		),
	},
	402: {
		message: "The account's balance is used up",
		description: byService(
			"Top up the account on StepFun's platform, then run the workflow with the remaining items.",
			"Top up the account with the server's provider, then run the workflow with the remaining items.",
		),
	},
	403: {
		message: ({ image }) => `This key may not use ${image ? 'the model or ' : ''}the endpoint`,
		description: byService(
			'Check on the platform what the key and the account are allowed to use.',
			'Check what this key may use on the server.',
		),
	},
	404: {
		message: ({ path, baseUrl }) => `There is no ${path} at ${baseUrl}`,
		description: (facts) =>
			`${OPTIONAL_ENDPOINTS[facts.path] ?? ''}Check Service and Base URL in the StepFun API credential; the Base URL usually ends in /v1.${pauseNotice(facts)}`,
	},
	407: {
		message: 'The proxy that n8n uses requires a login',
		description: "Check the user name and the password in n8n's HTTP_PROXY and HTTPS_PROXY.",
	},
	408: {
		message: 'The service took too long and gave up',
		description: (facts) =>
			`Try again later${facts.image ? ', or use fewer steps' : ''}.${chargeNotice(facts)}`,
	},
	413: {
		message: 'The image is too large for the server, or for a proxy in front of it',
		description:
			"Resize the image before this node, for example with n8n's Edit Image node, or raise the limit of the proxy (client_max_body_size in nginx).",
	},
	415: {
		message: 'The server does not accept the format of the request',
		description: ({ image }) =>
			image?.operation === 'edit'
				? "Edit sends the image in a form (multipart/form-data), and this server edits in another way. If it takes the image as a field of Generate, send it there in 'Additional Body Fields'. Otherwise, use another server."
				: 'Check Base URL and API Format in the StepFun API credential.',
	},
	429: {
		message: 'Too many requests: the account is at its limit',
		description: ({ image }) =>
			`Lower 'Concurrent Requests' or set 'Requests per Minute' in the StepFun API credential to what your tier allows,${image ? " raise 'Give Up After (Seconds)' under Options," : ''} or check whether other programs use the same account.`,
	},
	451: {
		message: 'Moderation refused the request',
		description: ({ failure, image }) =>
			`Change the prompt${image?.hasInputImage ? ' or the input image' : ''}.${failure.charge === 'yes' ? ' The image was made and has been charged.' : ''} The same request would be refused again, so the node does not repeat it.`,
	},
	503: {
		message: 'The service is overloaded or out of service',
		description: (facts) => `Try again later.${chargeNotice(facts)}${pauseNotice(facts)}`,
	},
};
BY_STATUS[504] = BY_STATUS[524] = {
	...BY_STATUS[408],
	description: byRequest(
		'Try again later, or use fewer steps. A proxy may have stopped waiting while the image was made, so the image may have been charged; if the proxy is your own, raise its limit (proxy_read_timeout in nginx).',
		'Try again later.',
	),
};

// FastAPI's status for fields that it refuses.
BY_STATUS[422] = BY_STATUS[400];

/** The error of a server that has the endpoint, but not the model. */
const UNKNOWN_MODEL: Entry = {
	message: ({ image }) => `The server does not have the model ${truncate(image?.model ?? '')}`,
	description: (facts) =>
		`Choose one of the server's models in 'Model', or select 'By ID' and enter its ID.${pauseNotice(facts)}`,
};

/** StepFun's 400 for an image that it could not process. StepFun's own message does not give the reason. */
const IMAGE_TOO_LARGE: Entry = {
	message: 'The service could not process the input image, most likely because it is too large',
	description: ({ image }) => {
		const maxSide =
			image && findModel(image.model)?.operations[image.operation]?.inputImage?.maxSide;
		return `Resize the image before this node, or save it as PNG or JPEG, for example with n8n's Edit Image node${maxSide ? `; ${image.model} takes at most ${maxSide} × ${maxSide} pixels` : ''}.`;
	},
};

const REDIRECT: Entry = {
	message: 'The server redirects to another address',
	// The address of a login may be very long.
	quoted: ({ location = '' }) => truncate(location),
	description:
		'The node does not follow redirects, so that the key stays with the address you entered. If the new address is right, enter it as Base URL in the StepFun API credential.',
};

/** A 401 or 403 of a proxy, a login or a firewall, which knows nothing of the API key. */
const ACCESS_REFUSED: Entry = {
	message: 'Something in front of the server refused the request',
	description:
		"The response is a web page, not that of an image API. Check Service, Base URL and Headers in the StepFun API credential, and whether the server's proxy or firewall, such as Cloudflare, blocks requests from this n8n.",
};

const SERVER_FAILED: Entry = {
	message: ({ details }) => `The service failed with status ${details.status}`,
	description: (facts) => `Try again later.${chargeNotice(facts)}`,
};

const REFUSED: Entry = {
	message: ({ details }) => `The service refused the request with status ${details.status}`,
	description:
		'Check Service and Base URL in the StepFun API credential, and the fields of the node.',
};

/**
 * Explains a failed request to the user. Failures are redacted only here.
 *
 * @returns `message` says what happened, in one line, and `advice` what to do about it. `references` are the IDs that
 * StepFun's support asks for. `description` is the advice with the tries and the references.
 */
export function explainFailure(request: FailedRequest, received: RequestFailure) {
	const { baseUrl, redactor } = request.credential;
	const failure = redactFailure(received, redactor);
	const { details } = failure;
	const { tries = 1, earlierCharge, wasNotSent, retryAfterMs = 0 } = details;
	const minutes = Math.round(retryAfterMs / 60_000);
	const facts: Facts = { ...request, failure, details, baseUrl, host: hostOf(baseUrl) };
	const fill = (text: Text) => (typeof text === 'string' ? text : text(facts));
	const { message, quoted, description } =
		failure.kind === 'status' ? entryOfStatus(facts) : BY_KIND[failure.kind];
	const happened = fill(message) + quote(quoted ? quoted(details) : details.text);
	// The failure is that of another request, which may have been charged.
	const othersCharge = wasNotSent ? failure.with({ wasNotSent: false }).charge : 'no';
	const again = tries > 0 ? ' again' : '';
	const advice =
		othersCharge === 'no'
			? fill(description)
			: `Try again later. The request was not sent${again}${earlierCharge ? '' : ', so nothing was charged'}.`;
	const references = referencesOf(details);
	const wasCharged = earlierCharge === 'yes' ? 'was' : 'may have been';
	const shown =
		othersCharge === 'yes'
			? `Not sent${again}, because the requests of this account kept failing. The last of them: ${happened}`
			: happened;
	const sentences = [
		advice,
		minutes > 1 && `The service asks to wait ${minutes} minutes.`,
		tries > 1 && `Tried ${tries} times.`,
		earlierCharge && request.image && `An earlier try ${wasCharged} charged.`,
		...references.map((reference) => `${reference}.`),
	];
	// The server's texts are redacted by now, but some messages contain the Base URL, which may contain a password.
	return {
		message: redactor.link(shown),
		advice: redactor.link(advice),
		description: redactor.link(sentences.filter(Boolean).join(' ')),
		references,
	};
}

/** A copy of a failure whose texts contain no secrets. */
function redactFailure(failure: RequestFailure, redactor: Redactor): RequestFailure {
	const entries = Object.entries(failure.details).map(([name, value]: [string, unknown]) => {
		if (value instanceof RequestFailure) return [name, redactFailure(value, redactor)];
		if (typeof value !== 'string') return [name, value];
		return [name, LINKS.includes(name) ? redactor.link(value) : redactor.text(value)];
	});
	return new RequestFailure(failure.kind, Object.fromEntries(entries) as FailureDetails);
}

function entryOfStatus({ failure, details, image }: Facts): Entry {
	const { text = '', isPage } = details;
	const status = failure.meantStatus ?? 0;
	if (status === 400 && image?.hasInputImage && text.includes(IMAGE_NOT_RECEIVED)) {
		return IMAGE_TOO_LARGE;
	}
	if (image && failure.isUnknownModel) return UNKNOWN_MODEL;
	if (isPage && (status === 401 || status === 403)) return ACCESS_REFUSED;
	if (BY_STATUS[status]) return BY_STATUS[status];
	if (details.location && status < 400) return REDIRECT;
	return status >= 500 ? SERVER_FAILED : REFUSED;
}

/** Where a finished image is, as the end of a sentence. */
function placeOf({ url, otherUrls }: FailureDetails): string {
	return `${url} for as long as the link is valid${otherUrls ? `, and the other images of the same response are at ${otherUrls}` : ''}`;
}

/** What to do about a failed download. The API's meanings of statuses do not apply to other hosts. */
function downloadAdvice({ reason }: FailureDetails): string {
	if (reason?.kind === 'blocked') return BLOCKED_ADVICE;
	const status = reason?.details.status;
	if (status === 404) {
		return `The link may have expired, or the server may not offer the file. ${BASE64_ADVICE}`;
	}
	return status === 401 || status === 403
		? `The server of the link refuses access (${status}). The link may have expired, or the server may require a login of its own.`
		: "Fetch the image with an HTTP Request node without credentials, or set Output to 'Image URL' and download it later.";
}

function explainDownload({ url = '', reason }: FailureDetails): string {
	if (!reason) return 'the execution was canceled';
	const { status, limit, text = '' } = reason.details;
	const host = hostOf(url);
	const texts: Partial<Record<FailureKind, string>> = {
		status: `${host} responded with status ${status}${quote(text)}`,
		connection: `the connection to ${host} failed${quote(text)}`,
		blocked: `n8n refuses to open ${host}${quote(text)}`,
		timeout: `${host} did not send the whole file within ${limit}`,
		badCompression: `${host} sent something that could not be decompressed${quote(text)}`,
		notAnImage: `${host} sent something that is not an image${quote(readable(reason.details))}`,
	};
	return texts[reason.kind] ?? text;
}

/** The details that StepFun's support asks for. */
function referencesOf({ traceId, id, taskId }: FailureDetails): string[] {
	const references = { 'Trace ID': traceId, 'Request ID': id, 'Task ID': taskId };
	return Object.entries(references).flatMap(([name, value]) => (value ? `${name}: ${value}` : []));
}

function quote(text = ''): string {
	return text === '' ? '' : `: ${text}`;
}

/** A text that is shortened, and without HTML tags. */
function readable({ text = '' }: FailureDetails): string {
	const words = text.slice(0, 4_000).replace(/<[^<>]*>/g, ' ');
	return truncate(words.replace(/\s+/g, ' ').trim(), 120);
}
