import type { Failure } from '../errors/failure';

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/** Statuses that pass: the server is busy or broken for now. 400, 401, 402, 404 and 451 do not. */
const PASSING_STATUSES = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Whether sending the same request again can help.
 *
 * An answer that arrived whole is never asked for again, whatever is wrong with it: it was charged.
 * An answer that broke off was charged too, but there is no other way to get its image.
 */
export function isPassing(failure: Failure): boolean {
	switch (failure.kind) {
		case 'status':
			return PASSING_STATUSES.has(failure.status);
		case 'connection':
			return failure.lasting !== true;
		case 'timeout':
		case 'cutOff':
			return true;
		case 'inputDownload':
			return isPassing(failure.reason);
		default:
			return false;
	}
}

/** Whether the service said that the account is too fast. */
export function isTooFast(failure: Failure): boolean {
	return failure.kind === 'status' && failure.status === 429;
}

/**
 * How long to wait before the next try: exponential, with jitter so that items that failed together
 * do not come back together, and with a ceiling.
 *
 * @param failures how many failures came before, at least 1
 * @param random a number from 0 to 1
 * @returns milliseconds
 */
export function backoff(failures: number, random = Math.random()): number {
	const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
	return ceiling * (0.5 + random / 2);
}

/**
 * Reads a `Retry-After` header in either of its forms (RFC 9110, 10.2.3).
 *
 * @param value seconds, or an HTTP date
 * @param now the present, in milliseconds since 1970
 * @returns milliseconds to wait, or `undefined` when the header is absent, unreadable or says "now": servers that round
 * down say so while they are still busy
 */
export function retryAfter(value: unknown, now = Date.now()): number | undefined {
	if (typeof value !== 'string' || value.trim() === '') return undefined;
	const seconds = Number(value);
	const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - now;
	return wait > 0 ? wait : undefined;
}
