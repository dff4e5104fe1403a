import { backoffDelay } from '../retry';
import { createStartLog, MINUTE_MS } from './startLog';

/** A cap on `Retry-After`, so that one response cannot block an account for a day. */
const MAX_COOLDOWN_MS = 600_000;
/** A limit per minute may allow another request at any time, so the limiter probes at least this often. */
const MAX_BACKOFF_MS = 5_000;
/** Consecutive failures, without any other response, after which the service counts as down. */
const FAILURES_TO_DECLARE_OUTAGE = 3;
/** The limiter probes a service that is down at least this often. */
const MAX_PROBE_DELAY_MS = 8_000;
/** The time between the first requests of an account, so that an unexpectedly low limit refuses one of them, not all. */
const INITIAL_START_INTERVAL_MS = 10;
/** The limits of the time between requests after a refusal. It grows with the time that the refusal takes. */
const MIN_START_INTERVAL_MS = 20;
const MAX_START_INTERVAL_MS = 1_000;

/**
 * Decides how long an account waits after refused requests and while its service is down, and how fast it continues.
 * The delays grow, but the account also probes one minute after its oldest request, because most services count per
 * minute. A service that is down gets a single request at a time.
 */
export function createCooldown() {
	const recentStarts = createStartLog();
	let until = 0;
	let nextProbeAt = 0;
	let startIntervalMs = INITIAL_START_INTERVAL_MS;
	let lastStartAt = -Infinity;
	/** Consecutive refusals. */
	let refusals = 0;
	let lastRefusedAt = 0;
	/** One minute after the oldest request before the first of these refusals. */
	let minuteEndsAt = 0;
	let outageFailures = 0;

	const extendTo = (time: number) => {
		until = Math.max(until, time);
	};

	return {
		isDown: () => outageFailures >= FAILURES_TO_DECLARE_OUTAGE,

		/** No request starts before this time. */
		nextStartAt: (inFlight: number) =>
			Math.max(until, nextProbeAt, inFlight === 0 ? 0 : lastStartAt + startIntervalMs),

		countStart(at: number): void {
			recentStarts.add(at);
			lastStartAt = at;
		},

		onResponse(): void {
			startIntervalMs = 0;
			refusals = 0;
			outageFailures = 0;
			nextProbeAt = 0;
		},

		/** Counts a refused request. Returns false if it was in flight together with one that was refused before. */
		countRefusal(startedAt: number, now: number): boolean {
			recentStarts.remove(startedAt);
			const roundTripMs = now - startedAt;
			const isNewEvent = startedAt >= lastRefusedAt;
			lastRefusedAt = now;
			if (isNewEvent) refusals++;
			if (isNewEvent && refusals === 1) {
				minuteEndsAt = (recentStarts.oldestSince(now - MINUTE_MS) ?? now) + MINUTE_MS + roundTripMs;
			}
			if (refusals > 0) {
				// The next request waits for this one to be refused first.
				const interval = Math.min(MAX_START_INTERVAL_MS, roundTripMs * 1.5);
				startIntervalMs = Math.max(MIN_START_INTERVAL_MS, interval);
			}
			return isNewEvent;
		},

		extendTo,

		/** Waits as long as `Retry-After` requests, or longer after each refusal. */
		backOff(now: number, retryAfterMs: number | undefined): void {
			const backoff = Math.min(MAX_BACKOFF_MS, backoffDelay(Math.max(1, refusals)) / 2);
			const resumesAt = now + Math.min(MAX_COOLDOWN_MS, retryAfterMs ?? backoff);
			const isGuess = retryAfterMs === undefined;
			extendTo(isGuess && now < minuteEndsAt ? Math.min(minuteEndsAt, resumesAt) : resumesAt);
		},

		onUnavailable(now: number, retryAfterMs: number | undefined): void {
			outageFailures++;
			const probes = outageFailures - FAILURES_TO_DECLARE_OUTAGE + 1;
			if (probes < 1) return;
			const backoff = Math.min(MAX_PROBE_DELAY_MS, backoffDelay(probes));
			nextProbeAt = now + Math.min(MAX_COOLDOWN_MS, retryAfterMs ?? backoff);
		},

		/** A new run soon tests the service itself. It waits no longer than its own Give Up After. */
		onNewRun(now: number, maxElapsedMs: number): void {
			nextProbeAt = Math.min(nextProbeAt, now + MAX_PROBE_DELAY_MS);
			until = Math.min(until, now + maxElapsedMs);
		},
	};
}
