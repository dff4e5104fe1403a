/** Successes before the limiter tries one more concurrent request, so that few requests are refused by such trials. */
const SUCCESSES_TO_INCREASE = 15;
/** Accepted requests that prove a concurrency. With fewer, the service may just have finished another request. */
const ACCEPTANCES_TO_PROVE = 3;

/**
 * Learns how many concurrent requests the service accepts: by AIMD (additive increase, multiplicative decrease; Chiu and
 * Jain, 1989), as in TCP and Netflix's concurrency-limits. But a refused request shows how many requests the service
 * accepts, so the limit falls to that number instead of by half. A 429 at a proven concurrency indicates a rate limit.
 */
export function createAdaptiveConcurrency() {
	/** What the service seems to accept, if it is lower than the credentials' limits. */
	let learned = Infinity;
	/** How many requests were accepted, by the number of requests in flight. */
	const acceptances: number[] = [];
	let successesSinceChange = 0;
	let wasIncreased = false;
	/** A proven concurrency at which a request was refused. The next accepted request shows whether it still applies. */
	let doubted: { concurrency: number; since: number } | undefined;

	const isProven = (concurrency: number): boolean =>
		acceptances.slice(concurrency).reduce((sum, count) => sum + count, 0) >= ACCEPTANCES_TO_PROVE;
	const forgetProof = (concurrency: number) => acceptances.splice(concurrency);

	return {
		learned: () => learned,

		/**
		 * @param at when the request was sent
		 * @param inFlight how many requests were in flight then, including this one
		 * @param maxConcurrency the limit of the credentials
		 */
		onAccepted(at: number, inFlight: number, maxConcurrency: number): void {
			if (doubted && at >= doubted.since) {
				// The service accepts only fewer requests now, so the refusal was about concurrency after all.
				if (inFlight < doubted.concurrency) forgetProof(doubted.concurrency);
				doubted = undefined;
			}
			acceptances[inFlight] = (acceptances[inFlight] ?? 0) + 1;
			if (learned === Infinity) return;
			successesSinceChange++;
			// After a successful increase, the next one may follow sooner.
			const isSafe = wasIncreased && isProven(learned);
			if (successesSinceChange < (isSafe ? ACCEPTANCES_TO_PROVE : SUCCESSES_TO_INCREASE)) return;
			successesSinceChange = 0;
			wasIncreased = true;
			learned = learned < maxConcurrency ? learned + 1 : Infinity;
		},

		/**
		 * @param inFlight the number of concurrent requests at which the service refused one
		 * @param isNewEvent whether it was not in flight together with another refused request
		 * @param now when the refusal arrived
		 * @returns whether the refusal is about concurrency; otherwise it is about a rate
		 */
		onRefused(inFlight: number, isNewEvent: boolean, now: number): boolean {
			if (inFlight > 1 && !isProven(inFlight)) {
				learned = Math.min(learned, inFlight - 1);
				forgetProof(inFlight);
				successesSinceChange = 0;
				wasIncreased = false;
				return true;
			}
			const lowest = Math.min(doubted?.concurrency ?? Infinity, inFlight);
			if (isNewEvent) doubted = { concurrency: lowest, since: now };
			return false;
		},
	};
}
