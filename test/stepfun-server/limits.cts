import type { StepFunServerOptions } from './types.cts';

export type Admission =
	| { admitted: true; release: () => void }
	| { admitted: false; message: string; retryAfter?: number | string };

export interface Limits {
	/** Lets a request in, or says why not. A request that was let in has to be released. */
	admit(key: string): Admission;
	readonly maxInFlight: number;
	reset(): void;
}

/** Counts requests per key against the concurrency limit and the fixed window. */
export function createLimits({
	concurrency = Infinity,
	requestsPer,
	retryAfter,
}: Pick<StepFunServerOptions, 'concurrency' | 'requestsPer' | 'retryAfter'>): Limits {
	const inFlight = new Map<string, number>();
	let windows = new Map<string, { startedAt: number; count: number }>();
	let total = 0;
	let maxInFlight = 0;

	function overWindow(key: string): number | undefined {
		if (requestsPer === undefined) return undefined;
		const now = performance.now();
		let window = windows.get(key);
		if (window === undefined || now - window.startedAt >= requestsPer.windowMs) {
			window = { startedAt: now, count: 0 };
			windows.set(key, window);
		}
		if (window.count < requestsPer.count) {
			window.count++;
			return undefined;
		}
		return Math.ceil((window.startedAt + requestsPer.windowMs - now) / 1000);
	}

	return {
		admit(key) {
			const current = inFlight.get(key) ?? 0;
			if (current >= concurrency) {
				return { admitted: false, message: 'Too many concurrent requests', retryAfter };
			}
			const seconds = overWindow(key);
			if (seconds !== undefined) {
				return { admitted: false, message: 'Too many requests', retryAfter: seconds };
			}
			inFlight.set(key, current + 1);
			total++;
			maxInFlight = Math.max(maxInFlight, total);
			let isReleased = false;
			return {
				admitted: true,
				release() {
					if (isReleased) return;
					isReleased = true;
					total--;
					inFlight.set(key, (inFlight.get(key) ?? 1) - 1);
				},
			};
		},
		get maxInFlight() {
			return maxInFlight;
		},
		reset() {
			windows = new Map();
			maxInFlight = total;
		},
	};
}
