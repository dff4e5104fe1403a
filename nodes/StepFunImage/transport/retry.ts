import { RequestFailure } from '../errors/requestFailure';
import { wait } from './wait';

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 30_000;

/** The time that pacing goes by; tests give another one. It is monotonic: a clock that is set back delays nothing. */
export interface Clock {
	/** Milliseconds since some moment. */
	now(): number;
	/** Rejects when the signal ends it. */
	sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = { now: () => performance.now(), sleep: wait };

/** How often, and for how long, a request is sent. */
export interface RetryPolicy {
	/** Sendings at most, the first included. Being told to slow down costs none. */
	maxTries: number;
	/** From the first sending to giving up, in milliseconds. */
	maxElapsedMs: number;
	/** How often a request may be sent again although the last one may have been charged. */
	maxPaidRetries: number;
}

export interface RetryOptions {
	policy: RetryPolicy;
	/** Ends the waiting. */
	signal: AbortSignal;
	clock?: Clock;
	/** Is told of each failure, and of the wait before the next try in milliseconds, if there is one. */
	onFailure?: (failure: RequestFailure, tries: number, delayMs: number | undefined) => void;
}

/** One try. */
export interface Attempt {
	/** From 1 on. */
	number: number;
	/** Why the one before failed. */
	previous?: RequestFailure;
	/** Says that the request leaves now; waiting for its turn before does not count as time. */
	onStart(): void;
	/** Whether a failure of this try is the end: nothing will be sent again. */
	isFinal(failure: RequestFailure): boolean;
}

/**
 * Repeats a request until it succeeds, cannot succeed, or the policy ends it.
 *
 * @param send sends once; after being told to slow down it is called again at once, since the rate limiter in it waits
 * @returns what `send` returned, and how often it was called
 * @throws the last RequestFailure with the number of tries, or whatever else `send` or the signal threw
 */
export async function retry<T>(
	send: (attempt: Attempt) => Promise<T>,
	{ policy, signal, clock = systemClock, onFailure }: RetryOptions,
): Promise<{ result: T; tries: number }> {
	let startedAt: number | undefined;
	/** Failures and possibly paid failures of the tries before the present one. */
	let failures = 0;
	let paid = 0;
	let previous: RequestFailure | undefined;

	const onStart = () => {
		startedAt ??= clock.now();
	};
	const delayAfter = (failure: RequestFailure) =>
		failure.isThrottled ? 0 : (failure.details.retryAfterMs ?? backoffDelay(failures + 1));
	const isFinalAfter = (failure: RequestFailure, delayMs: number) =>
		!failure.retryable ||
		(!failure.isThrottled && failures + 1 >= policy.maxTries) ||
		(failure.charge !== 'no' && paid + 1 > policy.maxPaidRetries) ||
		clock.now() - (startedAt ?? clock.now()) + delayMs > policy.maxElapsedMs;

	for (let tries = 1; ; tries++) {
		try {
			const result = await send({
				number: tries,
				previous,
				onStart,
				isFinal: (failure) => isFinalAfter(failure, delayAfter(failure)),
			});
			return { result, tries };
		} catch (error) {
			if (!(error instanceof RequestFailure)) throw error as Error;
			const delay = delayAfter(error);
			const isFinal = isFinalAfter(error, delay);
			onFailure?.(error, tries, isFinal ? undefined : delay);
			if (isFinal) throw error.with({ tries: error.details.wasNotSent ? tries - 1 : tries });
			previous = error;
			if (!error.isThrottled) failures++;
			if (error.charge !== 'no') paid++;
			if (delay > 0) await clock.sleep(delay, signal);
		}
	}
}

/**
 * How long to wait before the next try: exponential, with jitter so that items that failed together
 * do not come back together, and with a ceiling.
 *
 * @param failures how many failures came before, at least 1
 * @param random a number from 0 to 1
 * @returns milliseconds
 */
export function backoffDelay(failures: number, random = Math.random()): number {
	const ceiling = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
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
export function parseRetryAfter(value: unknown, now = Date.now()): number | undefined {
	if (typeof value !== 'string' || value.trim() === '') return undefined;
	const seconds = Number(value);
	const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - now;
	return wait > 0 ? wait : undefined;
}
