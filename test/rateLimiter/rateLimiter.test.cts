import { setTimeout as wait } from 'node:timers/promises';

import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';
import { parseCredential } from '../../nodes/StepFunImage/transport/credential';
import { rateLimiterFor } from '../../nodes/StepFunImage/transport/rateLimiter';
import type { AccountLimits } from '../../nodes/StepFunImage/transport/rateLimiter/credentialLimits';
import {
	createRateLimiter,
	type RateLimiter,
} from '../../nodes/StepFunImage/transport/rateLimiter/rateLimiter';
import type { ScheduleOptions } from '../../nodes/StepFunImage/transport/rateLimiter/taskQueue';
import { createVirtualClock } from './virtualClock.cts';

jest.setTimeout(30_000);

const withConcurrency = (concurrentRequests: number): AccountLimits => ({
	concurrentRequests,
	requestsPerMinute: 0,
});

const options = (more: Partial<ScheduleOptions> = {}): ScheduleOptions => ({
	limits: withConcurrency(1),
	run: more.run ?? {},
	isRetry: false,
	maxElapsedMs: 600_000,
	signal: new AbortController().signal,
	...more,
});

const throttled = (retryAfterMs?: number) =>
	new RequestFailure('status', { status: 429, retryAfterMs });

const fails = (failure: Error) => async () => {
	await wait(1);
	throw failure;
};

/** Lets the limiter learn that the account accepts this many concurrent requests. */
async function prove(limiter: RateLimiter, limits: AccountLimits): Promise<void> {
	const tasks = Array.from({ length: limits.concurrentRequests }, async () =>
		limiter.schedule(async () => await wait(10), options({ limits })),
	);
	await Promise.all(tasks);
	await Promise.all(
		tasks.map(async () => await limiter.schedule(async () => await wait(10), options({ limits }))),
	);
}

/** Schedules tasks that note their label when they start, and end when they are released. */
function openTasks(limiter: RateLimiter, labels: string[], started: string[], more = {}) {
	const releases: Array<() => void> = [];
	const done = labels.map(
		async (label) =>
			await limiter.schedule(async () => {
				started.push(label);
				await new Promise<void>((release) => releases.push(release));
			}, options(more)),
	);
	return { done, releaseNext: () => releases.shift()?.() };
}

const settle = async () => await wait(30);

describe('a rate limiter', () => {
	test('never has more requests under way than the credential allows', async () => {
		const limiter = createRateLimiter();
		let underWay = 0;
		let most = 0;
		await Promise.all(
			Array.from({ length: 20 }, async () =>
				limiter.schedule(
					async () => {
						most = Math.max(most, ++underWay);
						await wait(30);
						underWay--;
					},
					options({ limits: withConcurrency(3) }),
				),
			),
		);
		expect(most).toBe(3);
	});

	test('keeps the order within a run and lets runs take turns', async () => {
		const limiter = createRateLimiter();
		const started: string[] = [];
		const note = async (run: object, label: string) =>
			await limiter.schedule(async () => void started.push(label), options({ run }));
		const long = {};
		const short = {};
		const all = ['a1', 'a2', 'a3', 'a4'].map(async (label) => await note(long, label));
		all.push(note(short, 'b1'), note(short, 'b2'));
		await Promise.all(all);
		expect(started).toEqual(['a1', 'a2', 'b1', 'a3', 'b2', 'a4']);
	});

	test('sends retries before new requests', async () => {
		const limiter = createRateLimiter();
		const started: string[] = [];
		const run = {};
		const { done, releaseNext } = openTasks(limiter, ['first'], started, { run });
		const note = async (label: string, isRetry: boolean) =>
			await limiter.schedule(async () => void started.push(label), options({ run, isRetry }));
		const later = ['second', 'third'].map(async (label) => await note(label, false));
		const again = note('first again', true);
		releaseNext();
		await Promise.all([...done, ...later, again]);
		expect(started).toEqual(['first', 'first again', 'second', 'third']);
	});

	test('drops a waiting task at once when it is canceled, and never starts it', async () => {
		const limiter = createRateLimiter();
		const started: string[] = [];
		const { done, releaseNext } = openTasks(limiter, ['busy'], started);
		const cancel = new AbortController();
		const waiting = limiter.schedule(
			async () => void started.push('canceled'),
			options({ signal: cancel.signal }),
		);
		cancel.abort(new Error('stopped by the user'));
		await expect(waiting).rejects.toThrow('stopped by the user');
		releaseNext();
		await Promise.all(done);
		await settle();
		expect(started).toEqual(['busy']);
		expect(limiter.isIdle()).toBe(true);
	});

	test('starts no more than the allowed requests in a minute', async () => {
		const windowMs = 60_000;
		const clock = createVirtualClock();
		const limiter = createRateLimiter(clock);
		const limits = { concurrentRequests: 10, requestsPerMinute: 4 };
		const starts: number[] = [];
		const tasks = Array.from({ length: 10 }, async () =>
			limiter.schedule(async () => void starts.push(clock.now()), options({ limits })),
		);
		await clock.run(Promise.all(tasks));
		for (let index = 4; index < starts.length; index++) {
			expect(starts[index] - starts[index - 4]).toBeGreaterThanOrEqual(windowMs);
		}
		expect(starts).toHaveLength(10);
	});

	test('does not count a refused start in the minute', async () => {
		const limiter = createRateLimiter();
		const limits = { concurrentRequests: 1, requestsPerMinute: 2 };
		const started: number[] = [];
		for (let refusal = 0; refusal < 2; refusal++) {
			await limiter.schedule(fails(throttled(1)), options({ limits })).catch(() => undefined);
		}
		for (let index = 0; index < 2; index++) {
			await limiter.schedule(async () => void started.push(index), options({ limits }));
		}
		expect(started).toEqual([0, 1]);
	});

	test('waits as long as Retry-After says, and keeps its concurrency', async () => {
		const clock = createVirtualClock();
		const limiter = createRateLimiter(clock);
		const limits = withConcurrency(1000);
		const refused = limiter.schedule(async () => {
			throw throttled(120);
		}, options({ limits }));
		await clock.run(refused.catch(() => undefined));
		await clock.run(limiter.schedule(async () => undefined, options({ limits })));
		expect(clock.now()).toBeGreaterThanOrEqual(120);
		expect(limiter.currentConcurrency()).toBe(1000);
	});

	test('lets many tasks wait without a warning of Node.js', async () => {
		const warnings: string[] = [];
		const note = ({ name }: Error) => void warnings.push(name);
		process.on('warning', note);
		const limiter = createRateLimiter();
		await limiter.schedule(fails(throttled(30)), options()).catch(() => undefined);
		await Promise.all(
			Array.from({ length: 50 }, async () => limiter.schedule(async () => undefined, options())),
		);
		await settle();
		process.off('warning', note);
		expect(warnings).toEqual([]);
	});

	test('ends its wait when no task waits any more', async () => {
		const limiter = createRateLimiter();
		await limiter.schedule(fails(throttled(60_000)), options()).catch(() => undefined);
		const cancel = new AbortController();
		const waiting = limiter.schedule(async () => undefined, options({ signal: cancel.signal }));
		cancel.abort(new Error('canceled'));
		// Were the wait still on, jest would be held up by its timer.
		await expect(waiting).rejects.toThrow('canceled');
	});
});

describe('a 429 without Retry-After', () => {
	const limits = withConcurrency(5);

	test('tells how many requests at once the service accepts', async () => {
		const limiter = createRateLimiter();
		const started: string[] = [];
		const { done, releaseNext } = openTasks(limiter, ['a', 'b'], started, { limits });
		const refused = Array.from({ length: 3 }, async () =>
			limiter.schedule(fails(throttled()), options({ limits })).catch(() => undefined),
		);
		await wait(150);
		expect(limiter.currentConcurrency()).toBe(2);
		releaseNext();
		releaseNext();
		await Promise.all([...done, ...refused]);
	});

	test('refuses one request of a new account, not all', async () => {
		const limiter = createRateLimiter();
		let underWay = 0;
		let refusals = 0;
		const send = async () => {
			if (underWay >= 2) {
				refusals++;
				throw throttled();
			}
			underWay++;
			await wait(100);
			underWay--;
		};
		const sendUntilTaken = async () => {
			for (let isRetry = false; ; isRetry = true) {
				try {
					return await limiter.schedule(send, options({ limits, isRetry }));
				} catch {
					// Refused: again.
				}
			}
		};
		await Promise.all(Array.from({ length: 10 }, sendUntilTaken));
		expect(refusals).toBe(1);
	});

	test('means a rate limit if that many requests were accepted before, which keeps the concurrency', async () => {
		const limiter = createRateLimiter();
		await prove(limiter, limits);
		const busy = openTasks(limiter, ['a', 'b'], [], { limits });
		await limiter.schedule(fails(throttled()), options({ limits })).catch(() => undefined);
		expect(limiter.currentConcurrency()).toBe(5);
		busy.releaseNext();
		busy.releaseNext();
		await Promise.all(busy.done);
	});

	test('is forgotten one request at a time, and never beyond the credential', async () => {
		const limiter = createRateLimiter();
		const busy = openTasks(limiter, ['a'], [], { limits: withConcurrency(3) });
		const more = options({ limits: withConcurrency(3) });
		await limiter.schedule(fails(throttled()), more).catch(() => undefined);
		busy.releaseNext();
		await Promise.all(busy.done);
		const pace: number[] = [];
		for (let success = 1; success <= 60; success++) {
			await limiter.schedule(async () => undefined, more);
			pace.push(limiter.currentConcurrency());
		}
		expect(pace[0]).toBe(1);
		expect(pace.indexOf(2)).toBe(13);
		expect(pace.indexOf(3)).toBe(28);
		expect(Math.max(...pace)).toBe(3);
	});
});

describe('20,000 requests', () => {
	const cpuMs = (since: NodeJS.CpuUsage) => {
		const { user, system } = process.cpuUsage(since);
		return (user + system) / 1000;
	};
	const schedule20000 = (limiter: RateLimiter, run = {}) =>
		Promise.all(
			Array.from({ length: 20_000 }, async () =>
				limiter.schedule(async () => undefined, options({ limits: withConcurrency(5), run })),
			),
		);

	test('each cost as little processor time as in a short queue', async () => {
		const before = process.cpuUsage();
		await schedule20000(createRateLimiter());
		// A queue whose steps grow with its length takes several times as long.
		expect(cpuMs(before)).toBeLessThan(10_000);
	});

	test('cost no processor time while they wait', async () => {
		const limiter = createRateLimiter();
		await limiter.schedule(fails(throttled(60_000)), options()).catch(() => undefined);
		const cancel = new AbortController();
		const done = Promise.allSettled(
			Array.from({ length: 20_000 }, async () =>
				limiter.schedule(
					async () => undefined,
					options({ signal: AbortSignal.any([cancel.signal]) }),
				),
			),
		);
		// One window may have the garbage collection of the 20,000 requests in it.
		const windows: number[] = [];
		for (let window = 0; window < 3; window++) {
			const before = process.cpuUsage();
			await wait(500);
			windows.push(cpuMs(before));
		}
		expect(Math.min(...windows)).toBeLessThan(150);
		cancel.abort();
		await done;
	});
});

test('A clock that is set back by an hour changes nothing', async () => {
	const limiter = createRateLimiter();
	const limits = { concurrentRequests: 1, requestsPerMinute: 0 };
	await limiter.schedule(fails(throttled(100)), options({ limits })).catch(() => undefined);
	const hourAgo = jest.spyOn(Date, 'now').mockReturnValue(Date.now() - 3_600_000);
	const before = performance.now();
	await limiter.schedule(async () => undefined, options({ limits }));
	expect(performance.now() - before).toBeLessThan(20_000);
	hourAgo.mockRestore();
});

describe('two credentials with one key', () => {
	test('keep each to its own limits, and together to the larger', async () => {
		const limiter = createRateLimiter();
		const underWay = { small: 0, large: 0 };
		const most = { small: 0, large: 0, all: 0 };
		const send = async (name: 'small' | 'large', concurrentRequests: number) =>
			await limiter.schedule(
				async () => {
					underWay[name]++;
					most[name] = Math.max(most[name], underWay[name]);
					most.all = Math.max(most.all, underWay.small + underWay.large);
					await wait(30);
					underWay[name]--;
				},
				options({ limits: withConcurrency(concurrentRequests) }),
			);
		await Promise.all([
			...Array.from({ length: 12 }, async () => await send('small', 2)),
			...Array.from({ length: 40 }, async () => await send('large', 4)),
		]);
		expect(most).toEqual({ small: 2, large: 4, all: 4 });
	});
});

describe('a service that is down', () => {
	const limits = withConcurrency(5);
	const down = new RequestFailure('status', { status: 503 });

	test('gets one request at a time', async () => {
		const limiter = createRateLimiter();
		const failing = Array.from({ length: 3 }, async () =>
			limiter.schedule(fails(down), options({ limits })).catch(() => undefined),
		);
		await Promise.all(failing);
		const started: string[] = [];
		const { done, releaseNext } = openTasks(limiter, ['probe', 'a', 'b'], started, { limits });
		await wait(1_200);
		expect(started).toEqual(['probe']);
		releaseNext();
		await settle();
		expect(started).toEqual(['probe', 'a', 'b']);
		releaseNext();
		releaseNext();
		await Promise.all(done);
	});

	test('fails waiting tasks when it had no success within Give Up After', async () => {
		const limiter = createRateLimiter();
		const run = {};
		const busy = openTasks(limiter, ['a'], []);
		const waiting = Array.from({ length: 3 }, async () =>
			limiter.schedule(async () => undefined, options({ run, maxElapsedMs: 100 })),
		);
		const outcomes = Promise.allSettled(waiting);
		await settle();
		const throttledOnce = createRateLimiter();
		expect(throttledOnce.isIdle()).toBe(true);
		busy.releaseNext();
		await Promise.all(busy.done);
		expect((await outcomes).map(({ status }) => status)).toEqual(Array(3).fill('fulfilled'));

		const refused = limiter.schedule(fails(throttled(500)), options()).catch(() => undefined);
		const late = Array.from({ length: 3 }, async () =>
			limiter.schedule(async () => undefined, options({ run, maxElapsedMs: 100 })),
		);
		const ended = await Promise.allSettled(late);
		await refused;
		expect(ended.map((each) => each.status === 'rejected' && each.reason)).toMatchObject(
			Array(3).fill({ details: { status: 429, wasNotSent: true } }),
		);
	});
});

test('A run that starts after long refusals of an account gets its full Give Up After', async () => {
	const limiter = createRateLimiter();
	const more = { maxElapsedMs: 200, limits: withConcurrency(1) };
	await limiter.schedule(fails(throttled(1)), options(more)).catch(() => undefined);
	await wait(300);
	const outcomes = await Promise.allSettled([
		limiter.schedule(fails(throttled(1)), options(more)),
		limiter.schedule(async () => 'image', options(more)),
	]);
	expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
});

describe('rateLimiterFor', () => {
	const idOf = (apiKey: string, service: string) => parseCredential({ apiKey, service }).accountId;

	test('gives one limiter to one key and host, whatever the path', () => {
		const payAsYouGo = rateLimiterFor(idOf('key', 'https://api.stepfun.com/v1'));
		const forService = (apiKey: string, service: string) => rateLimiterFor(idOf(apiKey, service));
		expect(forService('key', 'https://api.stepfun.com/step_plan/v1')).toBe(payAsYouGo);
		expect(forService('another key', 'https://api.stepfun.com/v1')).not.toBe(payAsYouGo);
		expect(forService('key', 'https://api.stepfun.ai/v1')).not.toBe(payAsYouGo);
	});
});
