import type {
	IDataObject,
	IExecuteFunctions,
	IHttpRequestMethods,
	IHttpRequestOptions,
	IN8nHttpFullResponse,
} from 'n8n-workflow';

import { RequestFailure } from '../errors/requestFailure';
import { authorizationHeaders, CREDENTIAL_TYPE, type Credential } from './credential';
import { errorText } from './errorText';
import { parseRetryAfter } from './retry';
import {
	toServerTimeout,
	withinLimits,
	type Progress,
	type Timeouts,
	type ToTimeoutError,
} from './timeLimits';
import { openUpload, type Form, type Upload } from './upload';
import { wait } from './wait';

/** The kind of stream that n8n's helpers give and take. */
export type ByteStream = Awaited<ReturnType<IExecuteFunctions['helpers']['getBinaryStream']>>;

/** A request to the API, which is sent with the key. */
export interface ApiRequest {
	method: IHttpRequestMethods;
	/** The operation's path, relative to the Base URL, such as `/images/generations`. */
	path: string;
	/** The body of a JSON request, or its text. */
	json?: Record<string, unknown> | Buffer;
	/** The body of a multipart/form-data request. */
	form?: Form;
}

/** The beginning of an error page is enough. */
const MAX_ERROR_BYTES = 16 * 1024;
/** The text of an error is not worth a longer wait, because the status is already known. */
const MAX_ERROR_BODY_MS = 2_000;

/** The error of n8n's protection of the internal network. For a redirect, other words precede it. */
const BLOCKED = /The request was blocked because/;

/** Node.js's codes for a body that does not match its Content-Encoding. The code of a truncated body is Z_BUF_ERROR. */
const BAD_COMPRESSION = /^(Z_DATA_ERROR|ERR__ERROR_FORMAT|ZSTD_error_)/;

const TOO_MANY_REDIRECTS = /Maximum number of redirects/;

/** Statuses with which a server may require the key for a result. */
const KEY_REQUIRED_STATUSES = new Set([401, 403]);

/** `withTimeout` limits the time, because n8n's own timeout ends with the first byte of the answer. */
const NO_TIMEOUT = 0;

/**
 * Sends a request with the credential's key. Resolves for every status, with the body as a stream.
 *
 * @param signal aborts the request, even while the body arrives
 * @param progress learns what an upload waits for
 */
export async function sendWithKey(
	functions: IExecuteFunctions,
	credential: Credential,
	{ method, path, json, form }: ApiRequest,
	signal: AbortSignal,
	progress: Progress,
): Promise<IN8nHttpFullResponse> {
	// n8n's helper accepts only the abort signal of the context that it is called on. This signal includes the timeout.
	const context = Object.create(functions, {
		getExecutionCancelSignal: { value: () => signal },
	}) as IExecuteFunctions;
	const upload = form && (await openUpload(form, progress, signal));
	const options: IHttpRequestOptions = {
		method,
		url: `${credential.baseUrl}${path}${credential.query}`,
		headers: {
			Accept: 'application/json',
			...(Buffer.isBuffer(json) ? { 'Content-Type': 'application/json' } : {}),
		},
		...(upload
			? // n8n declares the type of the form-data package, but its helper accepts the native one too.
				{ body: upload.body as unknown as IHttpRequestOptions['body'] }
			: { body: json as IDataObject | Buffer | undefined, json: !Buffer.isBuffer(json) }),
		encoding: 'stream',
		returnFullResponse: true,
		ignoreHttpStatusErrors: true,
		// A redirect could carry the key to another host.
		disableFollowRedirect: true,
		skipSslCertificateValidation: credential.ignoreSslIssues,
		timeout: NO_TIMEOUT,
	};
	try {
		const response = (await functions.helpers.httpRequestWithAuthentication.call(
			context,
			CREDENTIAL_TYPE,
			options,
			// Without this, n8n would read the credential of the first item.
			{
				credentialsDecrypted: { id: '', name: '', type: CREDENTIAL_TYPE, data: credential.fields },
			},
		)) as IN8nHttpFullResponse;
		if (upload) endWithAnswer(upload, response);
		return response;
	} catch (error) {
		upload?.close();
		throw error as Error;
	}
}

/** Ends an upload after the server has answered, because the server does not need the rest. */
function endWithAnswer(upload: Upload, { statusCode, body }: IN8nHttpFullResponse): void {
	if (statusCode >= 400) upload.hold();
	const stream = body as ByteStream & { closed?: boolean };
	if (stream.closed) upload.close();
	else stream.once('close', upload.close);
}

/**
 * Opens a download from any host, without the key.
 *
 * @param signal aborts the download, even while the body arrives
 * @param owner the credential of the server that returned the link. Some servers require the key for their results too.
 * The key is sent only to the same origin, and the request follows no redirect.
 * @throws RequestFailure of kind `status` for an answer with another status than 2xx
 */
export async function openDownload(
	functions: IExecuteFunctions,
	url: string,
	signal: AbortSignal,
	ignoreSslIssues: boolean,
	owner?: Credential,
): Promise<ByteStream> {
	const options: IHttpRequestOptions = {
		url,
		method: 'GET',
		encoding: 'stream',
		returnFullResponse: true,
		ignoreHttpStatusErrors: true,
		skipSslCertificateValidation: ignoreSslIssues,
		timeout: NO_TIMEOUT,
		abortSignal: signal,
	};
	let response = (await functions.helpers.httpRequest(options)) as IN8nHttpFullResponse;
	if (owner && KEY_REQUIRED_STATUSES.has(response.statusCode) && isSameOrigin(url, owner.baseUrl)) {
		(response.body as ByteStream).destroy();
		response = (await functions.helpers.httpRequest({
			...options,
			headers: authorizationHeaders(owner),
			disableFollowRedirect: true,
		})) as IN8nHttpFullResponse;
	}
	await assertOk(response);
	return response.body as ByteStream;
}

function isSameOrigin(one: string, other: string): boolean {
	return new URL(one).origin === new URL(other).origin;
}

/**
 * Runs a task that uses the network with limits on its time, and turns its errors into RequestFailures.
 *
 * @throws RequestFailure, the task's timeout error, or the signal's reason
 */
export async function withTimeout<T>(
	timeouts: Timeouts,
	signal: AbortSignal,
	task: (signal: AbortSignal, progress: Progress) => Promise<T>,
): Promise<T> {
	return await withinLimits(timeouts, signal, toServerTimeout, async (timedSignal, progress) => {
		try {
			return await task(timedSignal, progress);
		} catch (error) {
			throw toRequestFailure(error);
		}
	});
}

/**
 * Reads a body in chunks, and turns the stream's errors into RequestFailures.
 *
 * @param progress learns of each chunk, and whether the wait is for the server or for the consumer
 * @param toReaderTimeout creates the error for a consumer that takes too long
 */
export async function* readChunks(
	stream: ByteStream,
	progress: Progress,
	toReaderTimeout: ToTimeoutError = toServerTimeout,
): AsyncGenerator<Buffer> {
	try {
		for await (const chunk of stream) {
			progress.onActivity();
			progress.setTimeoutError(toReaderTimeout);
			yield chunk as Buffer;
			progress.setTimeoutError(toServerTimeout);
		}
	} catch (error) {
		throw toRequestFailure(error);
	} finally {
		progress.setTimeoutError(toReaderTimeout);
	}
}

/**
 * Reads a whole body.
 *
 * @param maxBytes reading stops when the body exceeds this size
 * @param tooLarge the text of the failure in that case
 * @throws RequestFailure of kind `tooLarge`
 */
export async function readAll(
	chunks: AsyncIterable<Buffer>,
	maxBytes: number,
	tooLarge: string,
): Promise<Buffer> {
	const parts: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of chunks) {
		bytes += chunk.length;
		if (bytes > maxBytes) throw new RequestFailure('tooLarge', { text: tooLarge });
		parts.push(chunk);
	}
	return Buffer.concat(parts);
}

/** Turns an error of n8n's request helper, or of a stream, into a RequestFailure. */
export function toRequestFailure(error: unknown): RequestFailure {
	if (error instanceof RequestFailure) return error;
	const thrown = error as {
		message?: string;
		code?: string;
		cause?: { code?: string; message?: string };
	};
	const code = thrown.cause?.code ?? thrown.code;
	const text = thrown.cause?.message ?? thrown.message ?? String(error);
	if (BLOCKED.test(text)) return new RequestFailure('blocked', { text });
	if (TOO_MANY_REDIRECTS.test(text)) {
		return new RequestFailure('connection', { code: 'ERR_FR_TOO_MANY_REDIRECTS', text });
	}
	if (code === 'ECONNABORTED' || code === 'ETIMEDOUT') {
		return new RequestFailure('connection', { code, text });
	}
	if (BAD_COMPRESSION.test(code ?? '')) return new RequestFailure('badCompression', { text });
	// The different errors for a stream that ends too early.
	if (/aborted|premature/i.test(text) || code === 'ERR_STREAM_PREMATURE_CLOSE') {
		return new RequestFailure('truncated', {
			text: 'The connection broke while the answer was arriving',
		});
	}
	return new RequestFailure('connection', { code, text });
}

/**
 * Throws for an answer with another status than 2xx, without waiting for an endless body.
 *
 * @throws RequestFailure of kind `status` with the service's own message
 */
export async function assertOk(response: IN8nHttpFullResponse): Promise<void> {
	const { statusCode: status, headers } = response;
	if (status >= 200 && status < 300) return;
	throw new RequestFailure('status', {
		status,
		text: errorText(await readBeginning(response.body as ByteStream)),
		// The server's clock may differ from the local one.
		retryAfterMs: parseRetryAfter(headers['retry-after'], timeOf(headers.date)),
		location: headerText(headers.location),
		traceId: headerText(headers['x-trace-id']),
		// As npm installs it, Portkey 1.15 fails on answers that it should pass on (Portkey-AI/gateway, issue 1389).
		isFromGateway: headers['x-portkey-gateway-exception'] === 'true',
	});
}

async function readBeginning(stream: ByteStream): Promise<string> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	const read = async () => {
		for await (const chunk of stream) {
			chunks.push(chunk as Buffer);
			bytes += (chunk as Buffer).length;
			if (bytes >= MAX_ERROR_BYTES) break;
		}
	};
	const timer = new AbortController();
	const pause = wait(MAX_ERROR_BODY_MS, timer.signal);
	try {
		await Promise.race([read(), pause]);
	} catch {
		// The status is known, even if the error's text breaks off.
	} finally {
		pause.catch(() => undefined);
		timer.abort();
		stream.destroy();
	}
	return Buffer.concat(chunks).toString('utf8').slice(0, MAX_ERROR_BYTES);
}

/** Parses the date in a header; `undefined` if there is none. */
function timeOf(header: unknown): number | undefined {
	const time = Date.parse(headerText(header) ?? '');
	return Number.isNaN(time) ? undefined : time;
}

/** The text of a header; `undefined` if it is missing or empty. */
export function headerText(header: unknown): string | undefined {
	return typeof header === 'string' && header !== '' ? header : undefined;
}
