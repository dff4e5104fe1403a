import type { IExecuteFunctions, IN8nHttpFullResponse } from 'n8n-workflow';

import { RequestFailure } from '../errors/requestFailure';
import { readError } from './errorText';
import { toRequestFailure } from './networkFailure';
import {
	toServerTimeout,
	toStorageTimeout,
	type Progress,
	type ToTimeoutError,
} from './timeLimits';

/** The kind of stream that n8n's helpers return and accept. */
export type ByteStream = Awaited<ReturnType<IExecuteFunctions['helpers']['getBinaryStream']>>;

/** The beginning of an error page is enough. */
const MAX_ERROR_BYTES = 16 * 1024;
/** The text of an error is not worth a longer wait, because the status is already known. */
const MAX_ERROR_BODY_MS = 2_000;
/** A larger number in `Retry-After` is not a wait of 31 years, but a time in seconds since 1970. */
const MIN_UNIX_TIME = 1e9;

/**
 * Reads a body in chunks, and turns the stream's errors into RequestFailures. A chunk is valid only until the next one
 * is requested.
 *
 * @param progress learns of each chunk, and whether the wait is for the server or for the consumer
 * @param toReaderTimeout creates the error for a consumer that takes too long
 */
export async function* readChunks(
	stream: ByteStream,
	progress: Progress,
	toReaderTimeout: ToTimeoutError = toStorageTimeout,
): AsyncGenerator<Buffer> {
	try {
		for await (const chunk of stream as AsyncIterable<Buffer>) {
			progress.onActivity();
			progress.setTimeoutError(toReaderTimeout);
			yield chunk;
			progress.setTimeoutError(toServerTimeout);
			// Otherwise, other bytes share the memory.
			if (chunk.length === chunk.buffer.byteLength) freeMemory(chunk.buffer);
		}
	} catch (error) {
		throw toRequestFailure(error);
	} finally {
		progress.setTimeoutError(toReaderTimeout);
	}
}

/**
 * Frees memory that is no longer needed; buffers in it become empty. V8 would free it later. For each 64 MB that wait
 * for this, it collects n8n's whole heap, which takes longer than all that the node does with the images.
 */
export function freeMemory(memory: ArrayBufferLike): void {
	// Node.js 20 has no `transfer`.
	(memory as { transfer?: (length: number) => ArrayBuffer }).transfer?.(0);
}

/** Reads a whole body. Throws a RequestFailure of kind `tooLarge`, with that text, if it exceeds `maxBytes`. */
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
		parts.push(Buffer.from(chunk));
	}
	return Buffer.concat(parts);
}

/** Throws a RequestFailure of kind `status` for a status other than 2xx, without waiting for an endless body. */
export async function assertOk(response: IN8nHttpFullResponse): Promise<void> {
	const { statusCode: status } = response;
	if (status >= 200 && status < 300) return;
	throw toStatusFailure(response, await readBeginning(response.body as ByteStream));
}

/**
 * The failure for a response with a status other than 2xx.
 *
 * @param body only its beginning counts
 */
export function toStatusFailure(
	{ statusCode: status, headers }: Pick<IN8nHttpFullResponse, 'statusCode' | 'headers'>,
	body: string,
): RequestFailure {
	const beginning = body.slice(0, MAX_ERROR_BYTES);
	return new RequestFailure('status', {
		status,
		...readError(beginning),
		// xAI charges images that its moderation withholds.
		isCharged: /cost_in_usd_ticks\W+[1-9]/.test(beginning),
		retryAfterMs: retryAfterIn(headers),
		location: headerText(headers.location),
		traceId: headerText(headers['x-trace-id']),
		// As npm installs it, Portkey 1.15 fails on responses that it should pass on (Portkey-AI/gateway, issue 1389).
		isFromGateway: headers['x-portkey-gateway-exception'] === 'true',
	});
}

async function readBeginning(stream: ByteStream): Promise<string> {
	let body = Buffer.alloc(0);
	const stop = () => stream.destroy();
	AbortSignal.timeout(MAX_ERROR_BODY_MS).addEventListener('abort', stop);
	try {
		for await (const chunk of stream) {
			body = Buffer.concat([body, chunk as Buffer]);
			if (body.length >= MAX_ERROR_BYTES) break;
		}
	} catch {
		// The status is known, even if the error's text breaks off.
	} finally {
		stop();
	}
	return body.toString('utf8');
}

/** The text of a header; `undefined` if it is missing or empty. */
export function headerText(header: unknown): string | undefined {
	return typeof header === 'string' && header !== '' ? header : undefined;
}

/**
 * The wait that the headers of a response request, by a `Retry-After` in either of its forms (RFC 9110, 10.2.3).
 *
 * @returns milliseconds to wait. `undefined` if the header is absent, unreadable or not in the future: servers that
 * round down send 0 while they are still busy.
 */
export function retryAfterIn(headers: IN8nHttpFullResponse['headers']): number | undefined {
	const value = headers['retry-after'];
	if (typeof value !== 'string' || value.trim() === '') return undefined;
	// The server's clock may differ from the local one.
	const now = Date.parse(String(headers.date)) || Date.now();
	const seconds = Number(value);
	const milliseconds = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value);
	const wait = seconds < MIN_UNIX_TIME ? milliseconds : milliseconds - now;
	return wait > 0 ? wait : undefined;
}
