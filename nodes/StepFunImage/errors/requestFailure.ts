/** What a failed request may have cost: nothing, perhaps an image, or an image for certain. */
export type Charge = 'no' | 'maybe' | 'yes';

/**
 * The ways in which a request goes wrong, whether sending it again can help, and what it cost. A whole answer is
 * never asked for again, whatever is wrong with it, because it was charged.
 */
const FAILURE_KINDS = {
	/** The server answered with a status that is no success. */
	status: { retryable: true, charge: 'no' },
	/** There was no connection, or it broke before the answer began. */
	connection: { retryable: true, charge: 'maybe' },
	/** n8n's protection of the internal network did not let the request out. */
	blocked: { retryable: false, charge: 'no' },
	timeout: { retryable: true, charge: 'maybe' },
	/** The answer broke off: the image was made, and charged, and did not arrive. */
	truncated: { retryable: true, charge: 'yes' },
	/** The answer is not compressed as it says, and would not be the next time. */
	badCompression: { retryable: false, charge: 'yes' },
	invalidJson: { retryable: false, charge: 'no' },
	/** JSON, but no account. */
	noBalance: { retryable: false, charge: 'no' },
	noImage: { retryable: false, charge: 'yes' },
	/** The image was made and stopped by moderation. */
	contentFiltered: { retryable: false, charge: 'yes' },
	notAnImage: { retryable: false, charge: 'yes' },
	tooLarge: { retryable: false, charge: 'maybe' },
	/** The image exists behind its link, but could not be fetched. */
	download: { retryable: false, charge: 'yes' },
	/** The image to edit could not be fetched; nothing was sent to the service. */
	inputDownload: { retryable: true, charge: 'no' },
	/** n8n could not keep the image that arrived. */
	storage: { retryable: false, charge: 'yes' },
} satisfies Record<string, { retryable: boolean; charge: Charge }>;

export type FailureKind = keyof typeof FAILURE_KINDS;

/** Statuses of a server, or of the proxy before it, that is out of service altogether; those from 520 on are Cloudflare's. */
const UNAVAILABLE_STATUSES = new Set([502, 503, 521, 522, 523]);

/** Statuses of a proxy that heard nothing, or nothing sensible, of a server which may go on with the image. */
const UNHEARD_STATUSES = new Set([504, 520, 524]);

/** Statuses that pass: the server is busy or broken for now. 400, 401, 402, 404 and 451 do not. */
const RETRYABLE_STATUSES = new Set([
	408,
	425,
	429,
	500,
	529,
	...UNAVAILABLE_STATUSES,
	...UNHEARD_STATUSES,
]);

/** What Node.js calls a connection that never came about, so that nothing was sent. */
const NEVER_CONNECTED = new Set([
	'ECONNREFUSED',
	'ENOTFOUND',
	'EAI_AGAIN',
	'EHOSTUNREACH',
	'ENETUNREACH',
	'EHOSTDOWN',
]);
/** What it says of others, whose codes also stand for a connection that broke later. */
const NEVER_CONNECTED_TEXT = /^connect |before secure TLS connection/;

/** Codes of connections that fail in the same way at the next try: a host without an address, a bad certificate. */
const LASTING_CODES =
	/^(ENOTFOUND|ERR_INVALID_\w+|ERR_TLS_\w+|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|ERR_FR_TOO_MANY_REDIRECTS)$/;

/** What is known of a failure beside its kind. */
export interface FailureDetails {
	/** The service's own words, or what could be read of them. */
	text?: string;
	/** The HTTP status, of kind `status`. */
	status?: number;
	/** What `Retry-After` asked for, in milliseconds. */
	retryAfterMs?: number;
	/** Where the server wanted to send the request instead. */
	location?: string;
	/** Node.js's code of a broken connection. */
	code?: string;
	/** The limit that a `timeout` passed. */
	seconds?: number;
	/** The seed of an image that moderation stopped. */
	seed?: number;
	/** The ID of the answer, where there was one. */
	id?: string;
	/** The answer's `X-Trace-Id` header, which StepFun's support asks for. */
	traceId?: string;
	/** The link to an image that could not be fetched or kept. */
	url?: string;
	/** Why a download failed. */
	reason?: RequestFailure;
	/** How often the request was sent. */
	tries?: number;
	/** Set on the answer of a gateway that failed behind a server which had done its work. */
	isFromGateway?: boolean;
	/** Set where a failure that lasts as a rule is worth one more try. */
	mayPass?: boolean;
	/** Set on a request that was never sent, since the account had been failing in this way for too long. */
	wasNotSent?: boolean;
}

/**
 * A failed request. It is made once, where it happens, and becomes words once, in messages.ts; until then its texts
 * are as the server sent them, secrets included.
 */
export class RequestFailure extends Error {
	readonly kind: FailureKind;

	readonly details: FailureDetails;

	constructor(kind: FailureKind, details: FailureDetails = {}) {
		super(kind);
		this.name = 'RequestFailure';
		this.kind = kind;
		this.details = details;
	}

	/** Whether sending the same request again can help. */
	get retryable(): boolean {
		const { status, code, reason, mayPass, wasNotSent } = this.details;
		if (wasNotSent) return false;
		if (mayPass) return true;
		if (this.kind === 'status') return RETRYABLE_STATUSES.has(status ?? 0);
		if (this.kind === 'connection') return !LASTING_CODES.test(code ?? '');
		if (this.kind === 'inputDownload') return reason?.retryable === true;
		return FAILURE_KINDS[this.kind].retryable;
	}

	/** What the failed request may have cost. */
	get charge(): Charge {
		const { status, wasNotSent, isFromGateway } = this.details;
		if (wasNotSent) return 'no';
		if (this.kind === 'status' && (UNHEARD_STATUSES.has(status ?? 0) || isFromGateway)) {
			return 'maybe';
		}
		if (this.wasNeverConnected) return 'no';
		return FAILURE_KINDS[this.kind].charge;
	}

	/** Whether there was no connection at all, so that nothing was sent. */
	get wasNeverConnected(): boolean {
		const { code = '', text = '' } = this.details;
		return (
			this.kind === 'connection' && (NEVER_CONNECTED.has(code) || NEVER_CONNECTED_TEXT.test(text))
		);
	}

	/** Whether the service said that the account is too fast. */
	get isThrottled(): boolean {
		return this.kind === 'status' && this.details.status === 429;
	}

	/** Whether the service seems to be down for everybody, rather than this request to be bad luck. */
	get isUnavailable(): boolean {
		const { status } = this.details;
		return (
			(this.kind === 'status' && UNAVAILABLE_STATUSES.has(status ?? 0)) ||
			(this.wasNeverConnected && this.retryable)
		);
	}

	/** Whether moderation stopped the request, before an image was made (451) or after. */
	get isModerated(): boolean {
		return (
			this.kind === 'contentFiltered' || (this.kind === 'status' && this.details.status === 451)
		);
	}

	/** The HTTP status that tells of it, if the service answered at all. */
	get httpStatus(): number | undefined {
		if (this.kind === 'status') return this.details.status;
		if (this.kind === 'download') return this.details.reason?.httpStatus;
		// Of an input image the service was not asked: what another host said is no status of its own.
		const unanswered = ['connection', 'blocked', 'timeout', 'storage', 'inputDownload'];
		return unanswered.includes(this.kind) ? undefined : 200;
	}

	/** The same failure with more known of it. */
	with(more: FailureDetails): RequestFailure {
		return new RequestFailure(this.kind, { ...this.details, ...more });
	}
}
