import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { createRateLimiter } from '../../nodes/StepFunImage/transport/rateLimiter/rateLimiter';

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('A rate limiter retains no run that has ended, whether its requests were sent or canceled', async () => {
	const limiter = createRateLimiter();
	const runOnce = async () => {
		const run = { items: Array(1000).fill('an item') };
		const stop = new AbortController();
		const schedule = async () =>
			await limiter
				.schedule(async () => await new Promise((resolve) => setTimeout(resolve, 20)), {
					limits: { concurrentRequests: 1, requestsPerMinute: 0 },
					run,
					isRetry: false,
					maxElapsedMs: 1_000,
					signal: stop.signal,
				})
				.catch(() => undefined);
		const all = Promise.all([schedule(), schedule(), schedule()]);
		setTimeout(() => stop.abort(new Error('stopped')), 5);
		await all;
		return new WeakRef(run);
	};
	const run = await runOnce();
	await new Promise((resolve) => setTimeout(resolve, 50));
	collectGarbage();
	expect(run.deref()).toBeUndefined();
});
