import { backoffDelay } from '../retry';
import { MAX_COOLDOWN_MS } from './cooldown';

/** Consecutive failures, without any other answer, after which the limiter assumes an outage. */
const FAILURES_TO_DECLARE_OUTAGE = 3;
/** The limiter probes a service that is down at least this often. */
const MAX_PROBE_DELAY_MS = 8_000;

/** Recognizes that a service is down. Then a single request at a time probes it, at growing intervals. */
export function createOutage() {
	let failuresInARow = 0;
	let nextProbeAt = 0;
	return {
		isDown: () => failuresInARow >= FAILURES_TO_DECLARE_OUTAGE,
		/** No request starts before this time. */
		nextProbeAt: () => nextProbeAt,
		onAnswered(): void {
			failuresInARow = 0;
			nextProbeAt = 0;
		},
		onUnavailable(now: number, retryAfterMs: number | undefined): void {
			failuresInARow++;
			const probes = failuresInARow - FAILURES_TO_DECLARE_OUTAGE + 1;
			if (probes < 1) return;
			const delay = retryAfterMs ?? Math.min(MAX_PROBE_DELAY_MS, backoffDelay(probes));
			nextProbeAt = now + Math.min(MAX_COOLDOWN_MS, delay);
		},
		/** A new run soon probes the service itself, however long the service told earlier runs to wait. */
		probeSoon(now: number): void {
			nextProbeAt = Math.min(nextProbeAt, now + MAX_PROBE_DELAY_MS);
		},
	};
}
