import type { Credential } from '../credential';
import type { Attempt } from '../retry';
import { createRateLimiter, type RateLimiter } from './rateLimiter';

/** How long an account's learned limits are kept after its last request. */
const IDLE_MS = 600_000;

const limiters = new Map<string, { limiter: RateLimiter; usedAt: number }>();

/** Sends a request of a run once the limits of the credential's account allow it. */
export async function schedule<T>(
	{ accountId, limits }: Credential,
	run: object,
	{ number, policy, signal, onStart }: Attempt,
	sendOnce: () => Promise<T>,
): Promise<T> {
	const { maxElapsedMs } = policy;
	const options = { limits, run, isRetry: number > 1, maxElapsedMs, signal };
	const task = async () => {
		onStart();
		return await sendOnce();
	};
	return await rateLimiterFor(accountId).schedule(task, options);
}

/** The rate limiter of an account, which all items, nodes and workflows of this process share. */
export function rateLimiterFor(accountId: string): RateLimiter {
	if (limiters.size === 0) planEviction();
	const { limiter } = limiters.get(accountId) ?? { limiter: createRateLimiter() };
	limiters.set(accountId, { limiter, usedAt: performance.now() });
	return limiter;
}

/** Uses a timeout signal because, unlike a timer, it does not keep the process running. */
function planEviction(): void {
	AbortSignal.timeout(IDLE_MS).addEventListener('abort', () => {
		for (const [id, { limiter, usedAt }] of limiters) {
			if (limiter.isIdle() && performance.now() - usedAt >= IDLE_MS) limiters.delete(id);
		}
		if (limiters.size > 0) planEviction();
	});
}
