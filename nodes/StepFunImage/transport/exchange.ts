import type {
	IExecutePaginationFunctions,
	IHttpRequestOptions,
	IN8nHttpFullResponse,
} from 'n8n-workflow';

import { failureError, failureOf, type Failure } from '../errors/failure';
import { makeBody } from '../request/body';
import type { ImageRequest } from '../request/prepareRequest';
import { readAnswer, type Answer } from '../response/answer';
import { baseFileName } from '../response/fileName';
import { storeImage, type ByteStream, type StoredImage } from '../response/image';
import { retryAfter } from './retry';

/** An error page tells enough in its beginning. */
const MAX_ERROR_BYTES = 16 * 1024;

/** The abort signal keeps the time, since n8n's own timeout ends with the answer's first byte. */
const NO_TIMEOUT = 0;

export interface Exchange {
	answer: Answer;
	image?: StoredImage;
	traceId?: string;
}

/**
 * Sends an item's request once and reads the answer, an image straight into n8n's binary store.
 *
 * @param context the item's execution context
 * @param request what to send
 * @param signal ends the exchange early, when the execution is cancelled
 * @throws a failure, or the signal's reason
 */
export async function exchange(
	context: IExecutePaginationFunctions,
	request: ImageRequest,
	signal: AbortSignal,
): Promise<Exchange> {
	const body = await makeBody(context, request.fields, request.inputImage);
	return await timed(request, signal, async (timedSignal) => {
		const response = await sendWithKey(context, { ...request.options, ...body }, timedSignal);
		const traceId = asText(response.headers['x-trace-id']);
		try {
			await refuseErrorStatus(response);
			const stream = response.body as ByteStream;
			const { answer, image } = await readAnswer(
				received(stream),
				async (bytes) =>
					await storeImage(context, bytes, stream, baseFileName(request, context.getItemIndex())),
			);
			if (answer.finishReason === 'content_filtered') {
				throw failureError({ kind: 'filtered', seed: answer.seed, id: answer.id });
			}
			if (!image && !(answer.url && isWebAddress(answer.url))) {
				throw failureError({ kind: 'noImage', text: answer.error ?? '', id: answer.id });
			}
			return { answer, image, traceId };
		} catch (error) {
			throw failureError({ ...(failureOf(error) ?? networkFailure(error)), traceId });
		}
	});
}

/**
 * Fetches the image behind an answer's URL, without the key, into n8n's binary store.
 *
 * @param context the item's execution context
 * @param request the item's request
 * @param url the image's address
 * @param signal ends the download early
 * @throws a failure, or the signal's reason
 */
export async function downloadImage(
	context: IExecutePaginationFunctions,
	request: ImageRequest,
	url: string,
	signal: AbortSignal,
): Promise<StoredImage> {
	return await timed(request, signal, async (timedSignal) => {
		const { proxy, skipSslCertificateValidation } = request.options;
		const response = (await context.helpers.httpRequest({
			url,
			method: 'GET',
			encoding: 'stream',
			returnFullResponse: true,
			ignoreHttpStatusErrors: true,
			timeout: NO_TIMEOUT,
			abortSignal: timedSignal,
			proxy,
			skipSslCertificateValidation,
		})) as IN8nHttpFullResponse;
		await refuseErrorStatus(response);
		const stream = response.body as ByteStream;
		return await storeImage(
			context,
			received(stream),
			stream,
			baseFileName(request, context.getItemIndex()),
		);
	});
}

async function sendWithKey(
	context: IExecutePaginationFunctions,
	options: IHttpRequestOptions,
	signal: AbortSignal,
): Promise<IN8nHttpFullResponse> {
	// n8n's helper takes its abort signal from the context it is called on, and no other; this one
	// knows the timeout as well, also while the body arrives.
	const timedContext = Object.create(context, {
		getExecutionCancelSignal: { value: () => signal },
	}) as IExecutePaginationFunctions;
	return (await context.helpers.httpRequestWithAuthentication.call(timedContext, 'stepFunApi', {
		...options,
		timeout: NO_TIMEOUT,
		returnFullResponse: true,
	})) as IN8nHttpFullResponse;
}

async function timed<T>(
	request: ImageRequest,
	signal: AbortSignal,
	task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
	const { timeoutMs } = request.patience;
	const timeout = AbortSignal.timeout(timeoutMs);
	try {
		return await task(AbortSignal.any([signal, timeout]));
	} catch (error) {
		signal.throwIfAborted();
		if (timeout.aborted) throw failureError({ kind: 'timeout', seconds: timeoutMs / 1000 });
		throw failureError(failureOf(error) ?? networkFailure(error));
	}
}

/** The bytes of a body; what breaks it becomes a failure of the connection, not of who reads it. */
async function* received(stream: ByteStream): AsyncGenerator<Buffer> {
	try {
		for await (const chunk of stream) yield chunk as Buffer;
	} catch (error) {
		throw failureError(networkFailure(error));
	}
}

/** What n8n's request helper, or a stream, threw. */
function networkFailure(error: unknown): Failure {
	const thrown = error as {
		message?: string;
		code?: string;
		cause?: { code?: string; message?: string };
	};
	const code = thrown.cause?.code ?? thrown.code;
	const text = thrown.cause?.message ?? thrown.message ?? String(error);
	if (code === 'ECONNABORTED' || code === 'ETIMEDOUT') return { kind: 'connection', code, text };
	// A stream that ends before its end says so in these ways.
	if (/aborted|premature/i.test(text) || code === 'ERR_STREAM_PREMATURE_CLOSE') {
		return { kind: 'cutOff', text: 'The connection broke while the answer arrived' };
	}
	return { kind: 'connection', code, text };
}

async function refuseErrorStatus(response: IN8nHttpFullResponse): Promise<void> {
	const { statusCode: status, headers } = response;
	if (status >= 200 && status < 300) return;
	throw failureError({
		kind: 'status',
		status,
		text: errorText(await readBeginning(response.body as ByteStream)),
		retryAfterMs: retryAfter(headers['retry-after']),
		location: asText(headers.location),
	});
}

async function readBeginning(stream: ByteStream): Promise<string> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	try {
		for await (const chunk of stream) {
			chunks.push(chunk as Buffer);
			bytes += (chunk as Buffer).length;
			if (bytes >= MAX_ERROR_BYTES) break;
		}
	} catch {
		// The status is known; a broken error text is no reason to lose it.
	}
	return Buffer.concat(chunks).toString('utf8').slice(0, MAX_ERROR_BYTES);
}

/** The service's own words out of an error body, which may be JSON of several shapes, HTML or empty. */
function errorText(body: string): string {
	const words = wordsOf(body).replace(/\s+/g, ' ').trim();
	return words.length > 300 ? `${words.slice(0, 300)}…` : words;
}

function wordsOf(body: string): string {
	try {
		const parsed = JSON.parse(body) as {
			error?: string | { message?: unknown };
			message?: unknown;
			detail?: unknown;
		} | null;
		const message =
			(typeof parsed?.error === 'object' ? parsed.error?.message : parsed?.error) ??
			parsed?.message ??
			parsed?.detail ??
			body;
		return typeof message === 'string' ? message : JSON.stringify(message);
	} catch {
		const title = /<title[^>]*>([^<]*)<\/title>/i.exec(body)?.[1];
		return title ?? body.replace(/<(style|script)[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
	}
}

function asText(header: unknown): string | undefined {
	return typeof header === 'string' && header !== '' ? header : undefined;
}

function isWebAddress(url: string): boolean {
	return /^https?:\/\//i.test(url) && URL.canParse(url);
}
