import type { IN8nHttpFullResponse } from 'n8n-workflow';

import { failureError, failureOf, type Failure } from '../errors/failure';
import type { ByteStream } from '../response/image';
import { retryAfter } from './retry';

/** An error page tells enough in its beginning. */
const MAX_ERROR_BYTES = 16 * 1024;

/** What n8n's protection against requests into the internal network says, of a redirect after other words. */
const BLOCKED = /The request was blocked because/;

const TOO_MANY_REDIRECTS = /Maximum number of redirects/;

/** `timed` keeps the time, since n8n's own timeout ends with the answer's first byte. */
export const NO_TIMEOUT = 0;

/**
 * Runs a task that uses the network, with a limit on its time, and turns what breaks it into a failure.
 *
 * @param timeoutMs the limit
 * @param signal ends the task early
 * @param task gets a signal that knows both
 * @throws a failure, or the signal's reason
 */
export async function timed<T>(
	timeoutMs: number,
	signal: AbortSignal,
	task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
	const timeout = AbortSignal.timeout(timeoutMs);
	const end = AbortSignal.any([signal, timeout]);
	// The task gets a signal of its own. Node keeps one that is made of others while somebody listens to it, so a listener
	// that is left behind would keep its request in memory until the time is up.
	const controller = new AbortController();
	const abort = () => controller.abort(end.reason);
	if (end.aborted) abort();
	end.addEventListener('abort', abort);
	try {
		return await task(controller.signal);
	} catch (error) {
		signal.throwIfAborted();
		if (timeout.aborted) throw failureError({ kind: 'timeout', seconds: timeoutMs / 1000 });
		throw failureError(failureOf(error) ?? networkFailure(error));
	} finally {
		end.removeEventListener('abort', abort);
	}
}

/** The bytes of a body; what breaks it becomes a failure of the connection, not of who reads it. */
export async function* received(stream: ByteStream): AsyncGenerator<Buffer> {
	try {
		for await (const chunk of stream) yield chunk as Buffer;
	} catch (error) {
		throw failureError(networkFailure(error));
	}
}

/** The failure behind what n8n's request helper, or a stream, threw. */
export function networkFailure(error: unknown): Failure {
	const thrown = error as {
		message?: string;
		code?: string;
		cause?: { code?: string; message?: string };
	};
	const code = thrown.cause?.code ?? thrown.code;
	const text = thrown.cause?.message ?? thrown.message ?? String(error);
	if (BLOCKED.test(text)) return { kind: 'blocked', text };
	if (TOO_MANY_REDIRECTS.test(text)) return { kind: 'connection', code, text, lasting: true };
	if (code === 'ECONNABORTED' || code === 'ETIMEDOUT') return { kind: 'connection', code, text };
	// A stream that ends before its end says so in these ways.
	if (/aborted|premature/i.test(text) || code === 'ERR_STREAM_PREMATURE_CLOSE') {
		return { kind: 'cutOff', text: 'The connection broke while the answer arrived' };
	}
	return { kind: 'connection', code, text };
}

/**
 * Lets an answer pass that is a success, and makes a failure of every other.
 *
 * @throws a failure of kind `status` with the service's own words
 */
export async function refuseErrorStatus(response: IN8nHttpFullResponse): Promise<void> {
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

/** A header's text, if it has any. */
export function asText(header: unknown): string | undefined {
	return typeof header === 'string' && header !== '' ? header : undefined;
}
