import { backoffDelay } from '../retry';
import { createStartLog } from './startLog';

/** A cap on `Retry-After`, so that one answer cannot block an account for a day. */
export const MAX_COOLDOWN_MS = 600_000;
/** A limit per minute may allow another request at any time, so the limiter probes at least this often. */
const MAX_BACKOFF_MS = 5_000;
/**
 * The time between the first requests of an account, so that an unexpectedly low limit refuses one of them, not all.
 */
const INITIAL_START_INTERVAL_MS = 10;
/** The time between the requests after one was refused. It grows with the time that a refusal takes. */
const MIN_START_INTERVAL_MS = 20;
/** Some services take long to refuse a request. */
const MAX_START_INTERVAL_MS = 1_000;

/**
 * Decides how long an account waits after refused requests, and how fast it continues. The delays grow, but the account
 * also probes one minute after its oldest request, because most services count per minute.
 */
export function createCooldown(windowMs: number) {
	const recentStarts = createStartLog(windowMs);
	let until = 0;
	let startIntervalMs = INITIAL_START_INTERVAL_MS;
	/** Consecutive refusals. */
	let refusals = 0;
	let lastRefusedAt = 0;
	/** One minute after the oldest request before the first of these refusals. */
	let minuteEndsAt = 0;

	return {
		/** No request starts before this time. */
		until: () => until,

		startIntervalMs: () => startIntervalMs,

		countStart: (at: number) => recentStarts.add(at),

		onAnswered(): void {
			startIntervalMs = 0;
			refusals = 0;
		},

		/**
		 * Counts a refused request.
		 *
		 * @returns whether this is a new event: requests that were in flight together are refused together
		 */
		countRefusal(startedAt: number, now: number): boolean {
			recentStarts.remove(startedAt);
			const roundTripMs = now - startedAt;
			const isNewEvent = startedAt >= lastRefusedAt;
			lastRefusedAt = now;
			if (isNewEvent) refusals++;
			if (isNewEvent && refusals === 1) {
				minuteEndsAt = (recentStarts.oldestSince(now - windowMs) ?? now) + windowMs + roundTripMs;
			}
			if (refusals > 0) {
				// The next request waits for this one to be refused first.
				const interval = Math.min(MAX_START_INTERVAL_MS, roundTripMs * 1.5);
				startIntervalMs = Math.max(MIN_START_INTERVAL_MS, interval);
			}
			return isNewEvent;
		},

		extendTo(time: number): void {
			until = Math.max(until, time);
		},

		/** Waits as long as `Retry-After` requests, or longer after each refusal. */
		backOff(now: number, retryAfterMs: number | undefined): void {
			const delay =
				retryAfterMs ?? Math.min(MAX_BACKOFF_MS, backoffDelay(Math.max(1, refusals)) / 2);
			const resumesAt = now + Math.min(MAX_COOLDOWN_MS, delay);
			const endsWithMinute =
				retryAfterMs === undefined && now < minuteEndsAt && minuteEndsAt < resumesAt;
			this.extendTo(endsWithMinute ? minuteEndsAt : resumesAt);
		},

		shortenTo(time: number): void {
			until = Math.min(until, time);
		},
	};
}
