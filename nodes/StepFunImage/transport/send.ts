import type {
	IDataObject,
	IExecuteFunctions,
	IHttpRequestMethods,
	IHttpRequestOptions,
	IN8nHttpFullResponse,
} from 'n8n-workflow';

import { RequestFailure } from '../errors/requestFailure';
import { CREDENTIAL_TYPE, type Credential } from './credential';
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

/** What goes to the API with the key. */
export interface ApiRequest {
	method: IHttpRequestMethods;
	/** The operation's path behind the Base URL, such as `/images/generations`. */
	path: string;
	/** What is sent as JSON. */
	json?: Record<string, unknown>;
	/** What is sent as multipart/form-data. */
	form?: Form;
}

/** An error page tells enough in its beginning. */
const MAX_ERROR_BYTES = 16 * 1024;
/** The status is known; its words are worth no longer wait. */
const MAX_ERROR_BODY_MS = 2_000;
/** What n8n's protection against requests into the internal network says, of a redirect after other words. */
const BLOCKED = /The request was blocked because/;

/** What Node.js calls a body that is not what its Content-Encoding says; one that breaks off is Z_BUF_ERROR. */
const BAD_COMPRESSION = /^(Z_DATA_ERROR|ERR__ERROR_FORMAT|ZSTD_error_)/;

const TOO_MANY_REDIRECTS = /Maximum number of redirects/;

/** `withTimeout` keeps the time, since n8n's own timeout ends with the answer's first byte. */
const NO_TIMEOUT = 0;

/**
 * Sends a request with the credential's key. Every status is an answer, and the body is a stream.
 *
 * @param signal ends the exchange, also while the body arrives
 * @param progress is told what an upload waits for
 */
export async function sendWithKey(
	functions: IExecuteFunctions,
	credential: Credential,
	{ method, path, json, form }: ApiRequest,
	signal: AbortSignal,
	progress: Progress,
): Promise<IN8nHttpFullResponse> {
	// n8n's helper takes its abort signal from the context it is called on, and no other; this one knows the timeout as
	// well.
	const context = Object.create(functions, {
		getExecutionCancelSignal: { value: () => signal },
	}) as IExecuteFunctions;
	const upload = form && (await openUpload(form, progress, signal));
	const options: IHttpRequestOptions = {
		method,
		url: `${credential.baseUrl}${path}${credential.query}`,
		headers: { Accept: 'application/json' },
		...(upload
			? // n8n declares the type of the form-data package; its helper takes the native one as well.
				{ body: upload.body as unknown as IHttpRequestOptions['body'] }
			: { body: json as IDataObject | undefined, json: true }),
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
			// Read for this item already; without it n8n would read the credential of the first item.
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

/** An upload that the server has answered serves no purpose once the answer is here. */
function endWithAnswer(upload: Upload, { statusCode, body }: IN8nHttpFullResponse): void {
	if (statusCode >= 400) upload.hold();
	(body as ByteStream).once('close', upload.close);
}

/**
 * Opens a download without the key, from whatever host.
 *
 * @param signal ends the download, also while the body arrives
 * @throws RequestFailure of kind `status` for an answer that is no success
 */
export async function openDownload(
	functions: IExecuteFunctions,
	url: string,
	signal: AbortSignal,
	ignoreSslIssues: boolean,
): Promise<ByteStream> {
	const response = (await functions.helpers.httpRequest({
		url,
		method: 'GET',
		encoding: 'stream',
		returnFullResponse: true,
		ignoreHttpStatusErrors: true,
		skipSslCertificateValidation: ignoreSslIssues,
		timeout: NO_TIMEOUT,
		abortSignal: signal,
	})) as IN8nHttpFullResponse;
	await assertOk(response);
	return response.body as ByteStream;
}

/**
 * Runs a task that uses the network within limits, and turns what breaks it into a RequestFailure.
 *
 * @throws RequestFailure, what the task wanted to be thrown when it waits too long, or the signal's reason
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
 * The bytes of a body; what breaks it becomes a failure of the connection, not of who reads it.
 *
 * @param progress is told of each piece, and whether the server is waited for or who reads the pieces
 * @param toReaderTimeout the error when who reads them takes too long
 */
export async function* readChunks(
	stream: ByteStream,
	progress: Progress,
	toReaderTimeout: ToTimeoutError = toServerTimeout,
): AsyncGenerator<Buffer> {
	try {
		for await (const chunk of stream) {
			progress.onAlive();
			progress.waitFor(toReaderTimeout);
			yield chunk as Buffer;
			progress.waitFor(toServerTimeout);
		}
	} catch (error) {
		throw toRequestFailure(error);
	} finally {
		progress.waitFor(toReaderTimeout);
	}
}

/**
 * A body as a whole.
 *
 * @param maxBytes a body that is larger is refused before it is here
 * @param tooLarge what is said then
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

/** The failure behind what n8n's request helper, or a stream, threw. */
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
	// A stream that ends before its end says so in these ways.
	if (/aborted|premature/i.test(text) || code === 'ERR_STREAM_PREMATURE_CLOSE') {
		return new RequestFailure('truncated', {
			text: 'The connection broke while the answer was arriving',
		});
	}
	return new RequestFailure('connection', { code, text });
}

/**
 * Lets an answer pass that is a success, and makes a failure of every other. A body that does not end is not waited
 * for.
 *
 * @throws RequestFailure of kind `status` with the service's own words
 */
export async function assertOk(response: IN8nHttpFullResponse): Promise<void> {
	const { statusCode: status, headers } = response;
	if (status >= 200 && status < 300) return;
	throw new RequestFailure('status', {
		status,
		text: errorText(await readBeginning(response.body as ByteStream)),
		// The server's clock may differ from the one here.
		retryAfterMs: parseRetryAfter(headers['retry-after'], timeOf(headers.date)),
		location: headerText(headers.location),
		traceId: headerText(headers['x-trace-id']),
		// Portkey 1.15 as npm installs it fails over answers that it should pass on (Portkey-AI/gateway, issue 1389).
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
		// The status is known; a broken error text is no reason to lose it.
	} finally {
		pause.catch(() => undefined);
		timer.abort();
		stream.destroy();
	}
	return Buffer.concat(chunks).toString('utf8').slice(0, MAX_ERROR_BYTES);
}

/** The time that a header tells; undefined if there is none. */
function timeOf(header: unknown): number | undefined {
	const time = Date.parse(headerText(header) ?? '');
	return Number.isNaN(time) ? undefined : time;
}

/** A header's text, if it has any. */
export function headerText(header: unknown): string | undefined {
	return typeof header === 'string' && header !== '' ? header : undefined;
}
