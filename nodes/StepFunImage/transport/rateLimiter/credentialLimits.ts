import { createStartLog, MINUTE_MS, type StartLog } from './startLog';

/** The limits that a credential sets for its account. */
export interface AccountLimits {
	/** At least 1. */
	concurrentRequests: number;
	/** Requests started within a minute; 0 means no limit. */
	requestsPerMinute: number;
}

/** The requests that count towards the limits of a credential. */
export interface LimitSet {
	limits: AccountLimits;
	inFlight: number;
	starts: StartLog;
}

const MAX_WINDOW_MARGIN_MS = 2_000;

/**
 * The limits of the credentials that share an account. A request keeps those of its own credential, and all requests
 * together keep the highest ones.
 */
export function createCredentialLimits() {
	const sets = new Map<string, LimitSet>();
	const accountStarts = createStartLog();
	/** How much later the service's minute ends than the local one. */
	let windowMarginMs = 0;
	let lastMaxConcurrency = 1;

	const setOf = (limits: AccountLimits): LimitSet => {
		const id = `${limits.concurrentRequests} ${limits.requestsPerMinute}`;
		const set = sets.get(id) ?? { limits, inFlight: 0, starts: createStartLog() };
		sets.set(id, set);
		return set;
	};

	const opensAt = (starts: StartLog, perMinute: number): number =>
		perMinute > 0 ? starts.latest(perMinute) + MINUTE_MS + windowMarginMs : 0;

	return {
		setOf,

		/** The highest limit of the credentials in use; if none is in use, the previous value. */
		maxConcurrency(): number {
			const all = [...sets.values()].map(({ limits }) => limits.concurrentRequests);
			if (all.length > 0) lastMaxConcurrency = Math.max(...all);
			return lastMaxConcurrency;
		},

		/** When a request with these limits may start; `Infinity` if another one must end first. */
		allowsAt({ limits, inFlight, starts }: LimitSet): number {
			if (inFlight >= limits.concurrentRequests) return Infinity;
			const perMinute = [...sets.values()].map((set) => set.limits.requestsPerMinute);
			const accountPerMinute = perMinute.includes(0) ? 0 : Math.max(...perMinute);
			const ownWindow = opensAt(starts, limits.requestsPerMinute);
			return Math.max(ownWindow, opensAt(accountStarts, accountPerMinute));
		},

		/** Counts a start, and returns whether it had to wait for the credential's Requests per Minute. */
		countStart({ limits, starts }: LimitSet, at: number): boolean {
			const { requestsPerMinute } = limits;
			if (requestsPerMinute === 0) return false;
			const hadToWait = starts.latest(requestsPerMinute) + MINUTE_MS + MAX_WINDOW_MARGIN_MS > at;
			starts.add(at);
			accountStarts.add(at);
			return hadToWait;
		},

		/** The service does not count a refused request towards its limit per minute. */
		discountStart({ starts }: LimitSet, at: number): void {
			starts.remove(at);
			accountStarts.remove(at);
		},

		/**
		 * Extends the minute after the service refused a request that had waited for it. The service's minute starts when
		 * a request arrives, so it ends later than the local one, by up to a round trip.
		 */
		extendWindow(roundTripMs: number): void {
			windowMarginMs = Math.min(MAX_WINDOW_MARGIN_MS, windowMarginMs * 2 + roundTripMs);
		},

		forgetUnused(now: number): void {
			const oldest = now - MINUTE_MS - windowMarginMs;
			for (const [id, { inFlight, starts }] of sets) {
				if (inFlight === 0 && starts.latest(1) < oldest) sets.delete(id);
			}
		},
	};
}
