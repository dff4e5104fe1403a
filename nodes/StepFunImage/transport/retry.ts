import { RequestFailure, type Charge } from '../errors/requestFailure';
import { wait } from './wait';

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 30_000;

/** The clock for retries and rate limits, which tests replace. Changes of the system time have no effect on it. */
export interface Clock {
	/** Milliseconds since an arbitrary moment. */
	now(): number;
	/** Rejects if the signal aborts. */
	sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = { now: () => performance.now(), sleep: wait };

/** How many times, and for how long, a request is tried. */
export interface RetryPolicy {
	/** Including the first try. */
	maxTries: number;
	/** The time from the first try until the node gives up. */
	maxElapsedMs: number;
	/** How many retries may follow tries that may have been charged. */
	maxPaidRetries: number;
}

interface RetryOptions {
	policy: RetryPolicy;
	/** Ends the waits between tries. */
	signal: AbortSignal;
	clock?: Clock;
	/** Whether `send` goes through a rate limiter, which does the waiting after a 429. Then such a try does not count. */
	usesRateLimiter?: boolean;
	/** The charges of the same request before this call. */
	earlierCharges?: Charge[];
	/** Called after each failure; `delayMs` is the wait before the next try, `undefined` if there is none. */
	onFailure?: (failure: RequestFailure, tries: number, delayMs: number | undefined) => void;
}

export interface Attempt extends Pick<RetryOptions, 'policy' | 'signal'> {
	/** Starts at 1. */
	number: number;
	/** The last failure so far that may have been charged. */
	lastPaid?: RequestFailure;
	/** Must be called when the request is sent, because the time in the queue before the first try does not count. */
	onStart(): void;
}

/**
 * Repeats a request until it succeeds, fails for good, or the policy ends it.
 *
 * @param send sends the request once
 * @returns the result of `send`, the number of tries, and whether one that failed was charged
 * @throws the last RequestFailure with the number of tries, any other error of `send`, or the signal's reason. If the
 * signal ends the retries after a try that may have been charged, it throws that failure, because the request was sent.
 */
export async function retry<T>(
	send: (attempt: Attempt) => Promise<T>,
	{
		policy,
		signal,
		clock = systemClock,
		usesRateLimiter = true,
		earlierCharges = [],
		onFailure,
	}: RetryOptions,
): Promise<{ result: T; tries: number; earlierCharge?: Charge }> {
	let startedAt: number | undefined;
	const onStart = () => {
		startedAt ??= clock.now();
	};
	/** Counts the failures so far, without 429s. */
	let failures = 0;
	/** Those that may have been charged. */
	const paid: RequestFailure[] = [];
	/** A certain charge counts more than a possible one. */
	const earlierCharge = (before = paid) => {
		const charges = [...earlierCharges, ...before.map(({ charge }) => charge)];
		return charges.includes('yes') ? 'yes' : charges.at(-1);
	};
	let delayMs = 0;

	for (let tries = 1; ; tries++) {
		const lastPaid = paid.at(-1);
		try {
			if (delayMs > 0) await clock.sleep(delayMs, signal);
			const result = await send({ number: tries, lastPaid, onStart, policy, signal });
			return { result, tries, earlierCharge: earlierCharge() };
		} catch (error) {
			if (!(error instanceof RequestFailure)) {
				if (error !== signal.reason || !lastPaid) throw error as Error;
				throw lastPaid.with({ tries: tries - 1, earlierCharge: earlierCharge(paid.slice(0, -1)) });
			}
			const limiterWaits = usesRateLimiter && error.isThrottled;
			const isPaid = error.charge !== 'no';
			if (!limiterWaits) failures++;
			delayMs = limiterWaits ? 0 : (error.retryAfterMs ?? backoffDelay(failures));
			const isFinal =
				!error.retryable ||
				(!limiterWaits && failures >= policy.maxTries) ||
				(isPaid && paid.length >= policy.maxPaidRetries) ||
				clock.now() - (startedAt ?? clock.now()) + delayMs > policy.maxElapsedMs;
			onFailure?.(error, tries, isFinal ? undefined : delayMs);
			const sent = error.details.wasNotSent ? tries - 1 : tries;
			if (isFinal) throw error.with({ tries: sent, earlierCharge: earlierCharge() });
			if (isPaid) paid.push(error);
		}
	}
}

/**
 * The wait before the next try in milliseconds, with jitter so that items that failed together do not retry together.
 *
 * @param failures the number of failures so far, at least 1
 * @param random a number from 0 to 1
 */
export function backoffDelay(failures: number, random = Math.random()): number {
	const ceiling = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
	return ceiling * (0.5 + random / 2);
}
