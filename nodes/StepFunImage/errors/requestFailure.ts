import { matchesCode, MODEL_ERRORS, SERVICE_ERRORS } from '../catalogue/errorCodes';

/** Whether a failed request was charged. */
export type Charge = 'no' | 'maybe' | 'yes';

/**
 * The ways in which a request can fail, whether a retry can help, and whether it was charged. The node never repeats a
 * request whose response arrived whole, whatever is wrong with the response, because it was charged.
 */
const FAILURE_KINDS = {
	/** The server responded with an error status or a redirect. */
	status: { retryable: true, charge: 'no' },
	/** The connection failed, or broke before the response began. */
	connection: { retryable: true, charge: 'maybe' },
	/** n8n's protection of the internal network blocked the request. */
	blocked: { retryable: false, charge: 'no' },
	timeout: { retryable: true, charge: 'maybe' },
	/** The response broke off: the image was made and charged, but did not arrive. */
	truncated: { retryable: true, charge: 'yes' },
	/** The response does not match its Content-Encoding, which a retry would not change. */
	badCompression: { retryable: false, charge: 'yes' },
	/** A page counts as free, because it comes from a proxy or a login in front of the service. */
	invalidJson: { retryable: false, charge: 'maybe' },
	noBalance: { retryable: false, charge: 'no' },
	noImage: { retryable: false, charge: 'yes' },
	/** The image was made, but moderation withheld it. */
	contentFiltered: { retryable: false, charge: 'yes' },
	notAnImage: { retryable: false, charge: 'yes' },
	tooLarge: { retryable: false, charge: 'maybe' },
	/** The image was made, but could not be downloaded from its link. */
	download: { retryable: false, charge: 'yes' },
	/** The image to edit could not be downloaded; nothing was sent to the service. */
	inputDownload: { retryable: true, charge: 'no' },
	storage: { retryable: false, charge: 'yes' },
} satisfies Record<string, { retryable: boolean; charge: Charge }>;

export type FailureKind = keyof typeof FAILURE_KINDS;

/** Statuses of temporary problems. 400, 401, 402, 404 and 451 would come again. */
const RETRYABLE_STATUSES = new Set([
	408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530,
]);

/** Statuses of a server that is down, or of the proxy in front of it. Those from 520 on are Cloudflare's. */
const UNAVAILABLE_STATUSES = new Set([502, 503, 521, 522, 523, 530]);

/** Statuses of a proxy that did not reach the server. */
const UNREACHED_STATUSES = new Set([521, 522, 523, 530]);

/** Statuses of a proxy that stopped waiting for the server, which may still finish the image. */
const PROXY_TIMEOUT_STATUSES = new Set([504, 520, 524]);

/**
 * Statuses of a server that lacks the endpoint. Frameworks send 405 for a path that accepts only other methods, and relays
 * send 501 for one without code.
 */
const NOT_FOUND_STATUSES = new Set([404, 405, 501]);

/** Node.js's codes for a connection that cannot be established, such as an unknown host or a bad certificate. */
const IMPOSSIBLE_CODES =
	/^(ENOTFOUND|ERR_INVALID_\w+|ERR_TLS_\w+|ERR_SSL_WRONG_VERSION_NUMBER|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+)$/;

/** Node.js's codes for a connection that may be established later, and texts that show this where the code does not. */
const UNREACHABLE_CODES = /^(ECONNREFUSED|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN)$/;
const UNREACHABLE_TEXT = /^connect |before secure TLS connection|CONNECT response/;

/** Codes for responses that will come again: a loop of redirects, or something that is not HTTP. */
const LASTING_CODES = /^(ERR_FR_TOO_MANY_REDIRECTS|HPE_\w+)$/;

/**
 * The status that a response stands for, by its own status and its codes. `undefined` for a status 200 whose codes do not
 * show that no image was made, that is, that the request was refused and not charged.
 */
export function statusMeant(status: number, codes: string[] = []): number | undefined {
	const possible = SERVICE_ERRORS.filter(({ within }) => within?.includes(status) ?? true);
	const error = possible.find((each) => codes.some((code) => matchesCode(each, code)));
	if (error) return error.status;
	if (NOT_FOUND_STATUSES.has(status)) return 404;
	if (status !== 200) return status;
	return codes.map(Number).find((code) => code >= 400 && code < 500);
}

export interface FailureDetails {
	/** The service's own message, as far as it could be read. */
	text?: string;
	/** The beginning of a response without an image. */
	beginning?: string;
	/** The HTTP status of a failure of kind `status`, or what a 200 stands for, and the service's own codes for it. */
	status?: number;
	errorCodes?: string[];
	/** Whether a failure of kind `status` came with a web page instead of the response of an API. */
	isPage?: boolean;
	/** Whether the service names what a failure of kind `status` has cost. */
	isCharged?: boolean;
	/** The wait that `Retry-After` requested. */
	retryAfterMs?: number;
	/** The target of a redirect. */
	location?: string;
	/** Node.js's code for a failed connection. */
	code?: string;
	/** The limit that a `timeout` exceeded, such as `120 seconds`. */
	limit?: string;
	/** The seed of an image that moderation withheld: the server's, or else the one that was sent. */
	seed?: number;
	/** The ID in the response, that of a task that the server started instead, and the `X-Trace-Id` header. */
	id?: string;
	taskId?: string;
	traceId?: string;
	/** The link to an image that could not be downloaded or stored, or the text in place of a link. */
	url?: string;
	/** The links to the other images of the same response, separated by commas. */
	otherUrls?: string;
	/** Why a download failed; absent if the execution was canceled. */
	reason?: RequestFailure;
	/** How many times the request was sent, and whether a try before the last one was charged. */
	tries?: number;
	earlierCharge?: Charge;
	/** Whether a gateway failed after the server behind it had responded. */
	isFromGateway?: boolean;
	/** Whether the service had so much time before its response that it may have made the image. */
	isLate?: boolean;
	/** Set to retry a failure that is not retryable by its kind and status. */
	retryable?: boolean;
	/** Set if the request was not sent, or not sent again, because the account kept failing in this way for too long. */
	wasNotSent?: boolean;
}

/**
 * A failed request. Its texts are as the server sent them and may contain secrets. messages.ts redacts them, and turns
 * the failure into a message.
 */
export class RequestFailure extends Error {
	constructor(
		readonly kind: FailureKind,
		readonly details: FailureDetails = {},
	) {
		super(kind);
		this.name = 'RequestFailure';
	}

	/** Whether sending the same request again can help. */
	get retryable(): boolean {
		const { code = '', reason, retryable, wasNotSent } = this.details;
		if (wasNotSent) return false;
		if (retryable) return true;
		if (this.kind === 'status') return RETRYABLE_STATUSES.has(this.meantStatus ?? 0);
		if (this.kind === 'connection') {
			return !IMPOSSIBLE_CODES.test(code) && !LASTING_CODES.test(code);
		}
		if (this.kind === 'inputDownload') return reason?.retryable === true;
		return FAILURE_KINDS[this.kind].retryable;
	}

	/** Whether the failed request was charged. */
	get charge(): Charge {
		const { status = 0, text = '', wasNotSent, isCharged, isFromGateway, isLate } = this.details;
		if (wasNotSent || this.wasNeverConnected) return 'no';
		if (isCharged) return 'yes';
		if (PROXY_TIMEOUT_STATUSES.has(status) || isFromGateway) return 'maybe';
		// Some proxies respond with these statuses when they stop waiting: LiteLLM with 408, Heroku's router with 503.
		const mayBeProxy = status === 408 || (status >= 500 && !UNREACHED_STATUSES.has(status));
		if (isLate && mayBeProxy) return 'maybe';
		if (this.kind === 'invalidJson' && text.startsWith('<')) return 'no';
		return FAILURE_KINDS[this.kind].charge;
	}

	/** Whether the connection was never established, so that nothing was sent. */
	get wasNeverConnected(): boolean {
		const { code = '', text = '' } = this.details;
		if (this.kind !== 'connection') return false;
		const isOfCode = IMPOSSIBLE_CODES.test(code) || UNREACHABLE_CODES.test(code);
		return isOfCode || UNREACHABLE_TEXT.test(text);
	}

	/** The wait that `Retry-After` requested: from the service, or from the host of the input image. */
	get retryAfterMs(): number | undefined {
		const { retryAfterMs, reason } = this.details;
		return retryAfterMs ?? reason?.retryAfterMs;
	}

	/** The status that says what happened: services report some failures with another one. */
	get meantStatus(): number | undefined {
		const { status, errorCodes } = this.details;
		return status && statusMeant(status, errorCodes);
	}

	/** Whether the service rejected the request because of a rate limit. */
	get isThrottled(): boolean {
		return this.meantStatus === 429;
	}

	/** Whether the server lacks the model. OpenVINO Model Server calls its models MediaPipe graphs. */
	get isUnknownModel(): boolean {
		const { status, errorCodes = [], text = '' } = this.details;
		if (this.meantStatus !== 404) return false;
		const hasCode = errorCodes.some((code) => MODEL_ERRORS.some((each) => matchesCode(each, code)));
		return hasCode || (status === 404 && /model|mediapipe/i.test(text));
	}

	/** Whether the service seems to be down, so that other requests would fail too. */
	get isUnavailable(): boolean {
		const { status = 0 } = this.details;
		return this.retryable && (UNAVAILABLE_STATUSES.has(status) || this.wasNeverConnected);
	}

	/** Whether moderation refused the request (451) or withheld the image. */
	get isModerated(): boolean {
		return this.kind === 'contentFiltered' || this.meantStatus === 451;
	}

	/** The HTTP status of the service's response, if there was one. */
	get httpStatus(): number | undefined {
		if (this.kind === 'status') return this.details.status;
		if (this.kind === 'download') return this.details.reason?.httpStatus;
		// The status of an input image's download comes from another host, not from the service.
		const withoutResponse = ['connection', 'blocked', 'timeout', 'storage', 'inputDownload'];
		return withoutResponse.includes(this.kind) || this.details.wasNotSent ? undefined : 200;
	}

	/** A copy of the failure with more details. */
	with(more: FailureDetails): RequestFailure {
		return new RequestFailure(this.kind, { ...this.details, ...more });
	}
}
