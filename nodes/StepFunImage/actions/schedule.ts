import type { ImageRequest } from '../request/readParameters';
import { rateLimiterFor } from '../transport/rateLimiter';
import type { Attempt } from '../transport/retry';
import type { ImageTask } from './runState';

/** What the rate limiter needs of a task. */
interface ScheduledTask extends Pick<ImageTask, 'state' | 'signal'> {
	request: Pick<ImageRequest, 'credential' | 'retryPolicy'>;
}

/** Sends a request once the account's limits allow it. */
export async function schedule<T>(
	{ request: { credential, retryPolicy }, state, signal }: ScheduledTask,
	{ number, onStart }: Attempt,
	sendOnce: () => Promise<T>,
): Promise<T> {
	const options = {
		limits: credential.limits,
		run: state,
		isRetry: number > 1,
		maxElapsedMs: retryPolicy.maxElapsedMs,
		signal,
	};
	return await rateLimiterFor(credential.accountId).schedule(async () => {
		onStart();
		return await sendOnce();
	}, options);
}
