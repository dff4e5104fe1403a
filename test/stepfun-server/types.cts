import type { IncomingHttpHeaders } from 'node:http';

export type Operation = 'generate' | 'edit' | 'image2image';

export type ImageFormat = 'png' | 'jpeg' | 'webp';

/** Spellings of the same JSON value that a client has to read alike. */
export type JsonSpelling =
	| 'compact'
	| 'pretty'
	| 'whitespace'
	| 'escaped-slashes'
	| 'image-first'
	| 'image-last';

/** Selects requests. All given conditions have to hold; an empty one selects every image request. */
export interface FaultCondition {
	/** 1-based number of the image request (POST images/...), counted as they arrive. */
	nth?: number;
	nths?: number[];
	promptIncludes?: string;
	/** End of the request's path, such as `images/edits` or `models`. Without it: image requests only. */
	path?: string;
	/** Chance from 0 to 1, drawn from the seeded random numbers of `faultSeed`. */
	probability?: number;
}

interface StatusFault {
	status: number;
	/** Text of the body; without it StepFun's usual error JSON for this status. */
	body?: string;
	headers?: Record<string, string>;
	/** Value of the Retry-After header: seconds or an HTTP date. */
	retryAfter?: number | string;
}

/** What goes wrong with an API request that was valid. `delayMs` may be added to every one. */
export type Fault = {
	delayMs?: number;
	/** Overrules whether the request counts as charged. By default it does once the picture was made. */
	billed?: boolean;
} & (
	| { delayMs: number }
	| StatusFault
	/** Connection broken: before any response, after the headers, or in a body of unknown length. */
	| { drop: 'before-response' | 'after-headers' | 'mid-body' }
	/** Announces the whole length, sends half of it and closes. */
	| { cutBody: true }
	| { badJson: true }
	/** An HTML page with status 200, as a proxy or a login page sends. */
	| { html: true }
	| { emptyBody: true }
	/** The image field of a filtered response: absent, null, "" or an image. */
	| { contentFiltered: true | 'null' | 'empty' | 'with-image' }
	/** Status 200 with `data: []`. */
	| { noImage: true }
	/** The image field (or the file behind the URL) holds text. */
	| { notAnImage: true }
	/** Never responds. */
	| { hang: true }
	/** Status 307 to this address. */
	| { redirectTo: string }
	/** A body that never ends; with a status its own body. */
	| { endlessBody: true }
	/** Text behind the JSON, which the announced length includes. */
	| { behindJson: string }
	/** JSON that lacks its last brace, and a length that is right all the same. */
	| { withoutLastBrace: true }
	/** A member of a JSON object, as text, that comes before all others. */
	| { firstMember: string }
	/** Sends the body in small pieces for about this long; with a status, its own body. */
	| { dripMs: number }
	/** The link of the response leads to 404 the first time. */
	| { lateLink: true }
);

export interface FaultRule {
	when?: FaultCondition;
	/** How often the rule acts; without it always. */
	times?: number;
	fault: Fault;
}

/** What goes wrong with the download of a result URL. */
export type ResultFault = { delayMs?: number } & (
	| { delayMs: number }
	| StatusFault
	| { drop: 'before-response' | 'after-headers' | 'mid-body' }
	| { cutBody: true }
	| { emptyBody: true }
	| { notAnImage: true }
	| { hang: true }
	| { redirectTo: string }
	/** Added to the true Content-Length: above 0 announces too much, below 0 too little. */
	| { wrongContentLength: number }
	| { contentType: string }
	| { endlessBody: true }
);

export interface ResultFaultRule {
	/** `nth` counts the downloads, 1-based; `path` is the end of the download's path. */
	when?: Pick<FaultCondition, 'nth' | 'nths' | 'path' | 'probability'>;
	times?: number;
	fault: ResultFault;
}

export interface BalanceSettings {
	type?: 'prepaid' | 'postpaid';
	/** What was paid in, in yuan. */
	cash?: number;
	/** What was given as vouchers, in yuan. */
	voucher?: number;
}

export interface StepFunServerOptions {
	/** Port of the API; 0 takes a free one. */
	port?: number;
	/** Port of the result URLs; 0 takes a free one. */
	resultPort?: number;
	keys?: string[];
	/** Ids that are served. Ids StepFun does not document are served without checks of their parameters. */
	models?: string[];
	/** Most image requests in flight per key; over it 429. */
	concurrency?: number;
	/** Fixed window per key that starts with its first request; over it 429 with Retry-After. */
	requestsPer?: { count: number; windowMs: number };
	/** Retry-After of the 429 for `concurrency`; without it the header is absent. */
	retryAfter?: number | string;
	/** Time an image request takes, or a function of its 1-based number. */
	latencyMs?: number | ((nth: number) => number);
	/**
	 * Format of the pictures; `bytes` pads valid pictures to about this size. `quality` is that of JPEG and WebP, 1 to
	 * 100.
	 */
	image?: { format?: ImageFormat; bytes?: number; quality?: number };
	/** `once` draws one picture per size and sends it to every request, which costs no CPU in benchmarks. */
	drawing?: 'each' | 'once';
	faults?: FaultRule[];
	resultFaults?: ResultFaultRule[];
	/** Seed of the random numbers behind `probability`. */
	faultSeed?: number;
	/** Yuan, or how it is made up. Default 100. */
	balance?: number | BalanceSettings;
	/** Yuan per image, by model id. */
	prices?: Record<string, number>;
	/** Milliseconds until a result URL expires. Default: 30 days. */
	urlLifetimeMs?: number;
	jsonSpelling?: JsonSpelling;
	/** Words in the prompt that bring 451. */
	refusedWords?: string[];
	/** Words in the prompt that bring `finish_reason: "content_filtered"`. */
	filteredWords?: string[];
	/** Redirects every API request with 307 to this origin and the same path. */
	alwaysRedirect?: string;
	/** Keeps bodies, uploads and sent pictures in memory. Default true. */
	recordBodies?: boolean;
	/** Called after every API request. */
	onRequest?: (request: RecordedRequest) => void;
}

export interface UploadedFile {
	name: string;
	type: string;
	bytes: Buffer;
}

export interface RecordedRequest {
	method: string;
	path: string;
	headers: IncomingHttpHeaders;
	/** 1-based number among the image requests; absent for the others. */
	nth?: number;
	/** Body of a JSON request. */
	json?: unknown;
	/** Text fields of a multipart request. */
	fields?: Record<string, string>;
	/** The image part of a multipart request, if it was a file. */
	file?: UploadedFile;
	rawBody?: Buffer;
	/** Milliseconds since the epoch. */
	receivedAt: number;
	respondedAt?: number;
	/** Absent if the connection ended without a status line. */
	status?: number;
	/** Message of the error, if the response was one. */
	problem?: string;
	/** Fields that the documentation says nothing about. They were taken and had no effect. */
	unknown?: string[];
	billed: boolean;
	traceId: string;
	/** The client closed the connection before the response was complete. */
	aborted: boolean;
}

export interface RecordedResultRequest {
	method: string;
	path: string;
	headers: IncomingHttpHeaders;
	receivedAt: number;
	respondedAt?: number;
	status?: number;
	/** True if the request carried an Authorization header, which must never happen. */
	hadAuthorization: boolean;
}

export interface BilledImage {
	path: string;
	operation: Operation;
	model: string;
	prompt: string;
	seed: number;
	price: number;
	/** Id of the response: the key of the picture in `images`. */
	id: string;
}

export interface StepFunServer {
	/** Pay-as-you-go base URL, ending in /v1. */
	url: string;
	/** Step Plan base URL, ending in /step_plan/v1. */
	stepPlanUrl: string;
	origin: string;
	resultOrigin: string;
	/** Every API request, in the order of arrival. */
	readonly requests: RecordedRequest[];
	/** Every request to the result origin, in the order of arrival. */
	readonly resultRequests: RecordedResultRequest[];
	/** Every charged image. */
	readonly billed: BilledImage[];
	/** Yuan left. */
	readonly balance: number;
	/** Most image requests that were being worked on at one time. */
	readonly maxInFlight: number;
	/** How many requests were refused with 429, by a limit or by a fault. */
	readonly rejected429: number;
	/** The sent pictures, byte for byte, in the order they were made. Empty without `recordBodies`. */
	readonly sentImages: Buffer[];
	/** The sent pictures by the `id` of the response. Empty without `recordBodies`. */
	readonly images: Map<string, Buffer>;
	/** Replaces the fault plan; the counts of `times` restart, `nth` continues. */
	setFaults(rules: FaultRule[]): void;
	setResultFaults(rules: ResultFaultRule[]): void;
	/** Forgets everything recorded, refills the balance and starts windows, counts and faults again. */
	reset(): void;
	/** Closes both servers and every connection. */
	close(): Promise<void>;
}

/** A response that refuses a request. */
export interface Problem {
	status: number;
	message: string;
	type: string;
}

/** A request that keeps every documented rule, with the defaults filled in. */
export interface CheckedRequest {
	operation: Operation;
	model: string;
	prompt: string;
	/** The `size` text as sent or defaulted; absent where the operation has none. */
	size?: string;
	steps: number;
	cfgScale: number;
	/** The given seed, or the one drawn. */
	seed: number;
	responseFormat: 'b64_json' | 'url';
	textMode: boolean;
	negativePrompt: string;
	sourceWeight?: number;
	/** The input image's bytes. */
	input?: Buffer;
	/** Size of the picture to draw, in pixels. */
	width: number;
	height: number;
	/** What the request holds that the documentation says nothing about. */
	unknown: string[];
}
