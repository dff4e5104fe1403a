import { rateLimiterFor } from '../../nodes/StepFunImage/transport/rateLimiter';
import {
	createAccount,
	failed,
	RUN,
	throttled,
	times,
	withoutJitter,
	type Task,
} from './account.cts';

withoutJitter();

describe('Rate limiter: concurrency', () => {
	test('A new account starts requests 10 ms apart until its first response, then as many as allowed', async () => {
		const { runAll, times: at } = createAccount();
		await runAll(times(7, { limits: [3] }));
		expect(at()).toEqual([0, 10, 20, 100, 110, 120, 200]);
	});

	test('An account starts as many requests as allowed at once after its first response', async () => {
		const { runAll, times: at } = createAccount();
		await runAll([{ limits: [3] }]);
		await runAll(times(4, { limits: [3] }));
		expect(at()).toEqual([0, 100, 100, 100, 200]);
	});

	test('A task returns its result or throws its error, and the limiter is idle again', async () => {
		const { runAll, limiter, schedule, clock } = createAccount();
		const error = new Error('a mistake');
		const both = [schedule({ label: 'first' }), schedule({ failure: error })];
		expect(limiter.isIdle()).toBe(false);
		expect(await clock.run(Promise.allSettled(both))).toEqual([
			{ status: 'fulfilled', value: 'first' },
			{ status: 'rejected', reason: error },
		]);
		expect(limiter.isIdle()).toBe(true);
		const last = schedule();
		expect(limiter.isIdle()).toBe(false);
		await clock.run(last);
		expect(limiter.isIdle()).toBe(true);
		await runAll([]);
	});

	test('The concurrency is that of the credentials in use, or of the last one', async () => {
		const { runAll, limiter } = createAccount();
		expect(limiter.currentConcurrency()).toBe(1);
		await runAll([{ limits: [7] }]);
		expect(limiter.currentConcurrency()).toBe(7);
		await runAll([{ limits: [2] }]);
		expect(limiter.currentConcurrency()).toBe(2);
		await runAll([{ limits: [2] }, { limits: [4, 10] }]);
		expect(limiter.currentConcurrency()).toBe(4);
	});

	test('Credentials with the same key have their own limits, and share the larger one', async () => {
		const { runAll, starts } = createAccount();
		await runAll([{ limits: [3] }]);
		starts.length = 0;
		await runAll([
			...times(2, { label: 'small', limits: [1] }),
			...times(4, { label: 'large', limits: [3], run: {} }),
		]);
		expect(starts).toEqual([
			['small', 100],
			['large', 100],
			['large', 100],
			['small', 200],
			['large', 200],
			['large', 200],
		]);
	});
});

describe('Rate limiter: order', () => {
	test('Runs take turns, and each keeps its order', async () => {
		const { runAll, starts } = createAccount();
		const short = {};
		await runAll([
			...['a1', 'a2', 'a3'].map((label) => ({ label })),
			...['b1', 'b2'].map((label) => ({ label, run: short })),
		]);
		expect(starts.map(([label]) => label)).toEqual(['a1', 'a2', 'b1', 'a3', 'b2']);
	});

	test('Retries go before new requests', async () => {
		const { runAll, starts } = createAccount();
		await runAll([
			{ label: 'first' },
			{ label: 'second' },
			{ label: 'again', isRetry: true },
			{ label: 'again, later', isRetry: true },
		]);
		expect(starts.map(([label]) => label)).toEqual(['first', 'again', 'again, later', 'second']);
	});

	test('Thousands of tasks keep their order', async () => {
		const { runAll, starts } = createAccount();
		const labels = Array.from({ length: 2_500 }, (_, index) => `${index}`);
		await runAll(labels.map((label) => ({ label, takesMs: 1 })));
		expect(starts.map(([label]) => label)).toEqual(labels);
	});
});

describe('Rate limiter: canceled tasks', () => {
	test('A task that was canceled before is not scheduled', async () => {
		const { limiter, schedule, starts } = createAccount();
		const reason = new Error('canceled');
		await expect(schedule({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
		expect(starts).toEqual([]);
		expect(limiter.isIdle()).toBe(true);
	});

	test('A waiting task rejects at once and never starts, and the others keep their order', async () => {
		const { clock, limiter, schedule, starts } = createAccount();
		const cancel = new AbortController();
		const reason = new Error('canceled');
		const all = [
			schedule({ label: 'a' }),
			schedule({ label: 'b', signal: cancel.signal }),
			schedule({ label: 'c' }),
		];
		cancel.abort(reason);
		await expect(all[1]).rejects.toBe(reason);
		await clock.run(Promise.allSettled(all));
		expect(starts.map(([label]) => label)).toEqual(['a', 'c']);
		expect(limiter.isIdle()).toBe(true);
	});

	test('A task that has started is not aborted', async () => {
		const { clock, schedule } = createAccount();
		const cancel = new AbortController();
		const task = schedule({ label: 'a', signal: cancel.signal });
		cancel.abort();
		expect(await clock.run(task)).toBe('a');
	});

	test('After all waiting tasks have been canceled, no timer remains', async () => {
		const { clock, limiter, schedule, runAll } = createAccount();
		await runAll([{ failure: throttled(60_000) }]);
		const cancel = new AbortController();
		const waiting = schedule({ signal: cancel.signal });
		cancel.abort(new Error('canceled'));
		await expect(waiting).rejects.toThrow('canceled');
		expect(limiter.isIdle()).toBe(true);
		// The clock says so when there is no timer.
		await expect(clock.run(new Promise(() => undefined))).rejects.toThrow('Nothing will happen');
	});
});

describe('Rate limiter: requests per minute', () => {
	test('No minute has more starts than the credential allows', async () => {
		const { runAll, times: at } = createAccount();
		await runAll(times(5, { limits: [10, 2] }));
		expect(at()).toEqual([0, 10, 60_000, 60_010, 120_000]);
	});

	test('Two credentials with the same key share the larger limit', async () => {
		const { runAll, starts } = createAccount();
		await runAll([
			{ label: 'small', limits: [5, 1] },
			...times(2, { label: 'large', limits: [5, 2] }),
		]);
		expect(starts).toEqual([
			['small', 0],
			['large', 10],
			['large', 60_000],
		]);
	});

	test('A credential without a limit is not slowed down by one that has a limit', async () => {
		const { runAll, starts } = createAccount();
		await runAll([
			...times(2, { label: 'few', limits: [5, 1] }),
			...times(2, { label: 'any', limits: [5], run: {} }),
		]);
		expect(starts).toEqual([
			['few', 0],
			['any', 10],
			['any', 20],
			['few', 60_000],
		]);
	});

	test('A refused request does not count toward the requests per minute', async () => {
		const { runAll, times: at } = createAccount();
		await runAll([{ limits: [1, 1], failure: throttled(1_000) }, ...times(2, { limits: [1, 1] })]);
		expect(at()).toEqual([0, 1_100, 61_100]);
	});

	test('A refusal at the end of the minute shows how much later the minute of the service ends', async () => {
		const { runAll, times: at } = createAccount();
		const limits: Task['limits'] = [1, 1];
		await runAll([
			{ limits },
			{ limits, failure: throttled() },
			{ limits },
			{ limits, failure: throttled() },
			{ limits },
		]);
		expect(at()).toEqual([0, 60_000, 60_200, 120_300, 120_500]);
	});

	test('The margin at the end of the minute is at most two seconds', async () => {
		const { runAll, times: at } = createAccount();
		const limits: Task['limits'] = [1, 1];
		await runAll([
			{ limits },
			{ limits, failure: throttled(), takesMs: 5_000 },
			{ limits },
			{ limits },
		]);
		expect(at()).toEqual([0, 60_000, 70_000, 132_000]);
	});
});

describe('Rate limiter: refusals', () => {
	test('Nothing starts for as long as Retry-After says, up to ten minutes', async () => {
		const one = createAccount();
		await one.runAll([{ failure: throttled(5_000) }, {}]);
		expect(one.times()).toEqual([0, 5_100]);
		const other = createAccount();
		await other.runAll([{ failure: throttled(3_600_000) }, { maxElapsedMs: Infinity }]);
		expect(other.times()).toEqual([0, 600_100]);
	});

	test('A later run waits no longer than its Give Up After', async () => {
		const { runAll, times: at } = createAccount();
		await runAll([{ failure: throttled(3_600_000), maxElapsedMs: 0 }]);
		await runAll([{ run: {}, maxElapsedMs: 5_000 }]);
		expect(at()).toEqual([0, 5_100]);
	});

	test('Without Retry-After, the waits double from a quarter of a second to five seconds', async () => {
		const { runAll, times: at } = createAccount();
		await runAll([...times(6, { failure: throttled() }), {}]);
		expect(at()).toEqual([0, 350, 950, 2_050, 4_150, 8_250, 13_350]);
	});

	test('A minute after its oldest request, a refused account is asked at once', async () => {
		const { runAll, times: at } = createAccount();
		await runAll([{}, ...times(16, { failure: throttled() }), {}]);
		expect(at().slice(-4)).toEqual([49_150, 54_250, 59_350, 60_100]);
	});

	test('After a response, the waits start again from the beginning', async () => {
		const { runAll, times: at } = createAccount();
		await runAll([
			{ failure: throttled() },
			{ failure: throttled() },
			{},
			{ failure: throttled() },
			{},
		]);
		expect(at()).toEqual([0, 350, 950, 1_050, 1_400]);
	});

	test('Refusals of requests that were in flight together count as one', async () => {
		const { runAll, times: at } = createAccount();
		// Three at once are proven.
		for (let round = 0; round < 3; round++) await runAll(times(3, { limits: [3] }));
		await runAll([...times(2, { limits: [3], failure: throttled() }), { limits: [3], takesMs: 1 }]);
		await runAll([{ limits: [3] }]);
		expect(at().slice(-4)).toEqual([320, 320, 320, 670]);
	});

	test.each([
		[0, 1],
		[2, 3],
	])('A refusal while %i later requests run leaves %i at once', async (later, concurrency) => {
		const { runAll, limiter } = createAccount();
		await runAll([
			{ limits: [5], takesMs: 10_000 },
			{ limits: [5], failure: throttled() },
			...times(later, { limits: [5] }),
		]);
		expect(limiter.currentConcurrency()).toBe(concurrency);
	});

	test('The learned limit grows by one request after every 15 responses', async () => {
		const { runAll, limiter } = createAccount();
		await runAll([
			{ limits: [3], takesMs: 200 },
			{ limits: [3], failure: throttled() },
		]);
		const seen = [limiter.currentConcurrency()];
		for (let response = 2; response <= 60; response++) {
			await runAll([{ limits: [3] }]);
			seen.push(limiter.currentConcurrency());
		}
		expect([seen.indexOf(1), seen.indexOf(2), seen.indexOf(3)]).toEqual([0, 14, 29]);
		expect(Math.max(...seen)).toBe(3);
		await runAll([{ limits: [6] }]);
		expect(limiter.currentConcurrency()).toBe(6);
	});

	test('A refusal resets the count of responses', async () => {
		const { runAll, limiter } = createAccount();
		const refuse = async () =>
			await runAll([
				{ limits: [3], takesMs: 200 },
				{ limits: [3], failure: throttled() },
			]);
		await refuse();
		for (let response = 2; response <= 15; response++) await runAll([{ limits: [3] }]);
		expect(limiter.currentConcurrency()).toBe(2);
	});
});

describe('Rate limiter: a service that is down', () => {
	// After a failure, the next request starts a millisecond later, when its outcome is known.
	test('is tested after three failures in a row by one request at a time, at growing intervals', async () => {
		const { runAll, times: at } = createAccount();
		await runAll([...times(8, { failure: failed(503) }), {}]);
		expect(at()).toEqual([0, 101, 202, 802, 1_902, 4_002, 8_102, 16_202, 24_302]);
	});

	test('is tested when Retry-After ends', async () => {
		const { runAll, times: at } = createAccount();
		await runAll([...times(3, { failure: failed(502, 3_000) }), {}]);
		expect(at()).toEqual([0, 101, 202, 3_302]);
	});

	test('is tested within ten minutes, however long Retry-After is', async () => {
		const { runAll, times: at } = createAccount();
		const maxElapsedMs = Infinity;
		const down = { failure: failed(503, 30 * 24 * 3_600_000), maxElapsedMs };
		await runAll([...times(3, down), { maxElapsedMs }]);
		expect(at()).toEqual([0, 101, 202, 600_302]);
	});

	test('is tested within eight seconds by a later run', async () => {
		const { runAll, times: at } = createAccount();
		await runAll(times(3, { failure: failed(503, 3_600_000) }));
		await runAll([{ run: {} }]);
		expect(at()).toEqual([0, 101, 202, 8_302]);
	});

	test('gets as many requests as allowed after its first response', async () => {
		const { runAll, times: at } = createAccount();
		for (let failure = 0; failure < 3; failure++) {
			await runAll([{ limits: [3], failure: failed(503) }]);
		}
		await runAll(times(4, { limits: [3] }));
		expect(at()).toEqual([0, 100, 200, 800, 900, 900, 900]);
	});

	test('is not down if it responds in between, even with a refusal', async () => {
		const { runAll, times: at } = createAccount();
		const down = { failure: failed(503) };
		await runAll([down, down, { failure: failed(400) }, down, down, {}, down, down, {}]);
		expect(at()).toEqual([0, 101, 202, 303, 404, 505, 605, 706, 807]);
	});

	test('is not down when it fails in another way', async () => {
		const { runAll, times: at } = createAccount();
		await runAll([...times(4, { failure: failed(500) }), {}]);
		expect(at()).toEqual([0, 101, 202, 303, 404]);
	});
});

describe('Rate limiter: no success for too long', () => {
	const outcomesOf = async (maxElapsedMs: number, before: Task[] = []) => {
		const { runAll, starts } = createAccount();
		const outcomes = await runAll([
			...before,
			{ failure: throttled(500) },
			{ maxElapsedMs, run: {} },
			{ maxElapsedMs, run: {}, label: 'last' },
		]);
		return {
			reasons: outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.details),
			started: starts.length,
		};
	};

	test('A waiting task fails if it would start too late', async () => {
		const { reasons, started } = await outcomesOf(599);
		expect(started).toBe(1);
		expect(reasons[0]).not.toHaveProperty('wasNotSent');
		expect(reasons.slice(1)).toEqual([
			{ status: 429, retryAfterMs: 500, wasNotSent: true },
			{ status: 429, retryAfterMs: 500, wasNotSent: true },
		]);
	});

	test('A waiting task starts if it starts just in time', async () => {
		const { reasons, started } = await outcomesOf(600);
		expect(started).toBe(3);
		expect(reasons.slice(1)).toEqual([false, false]);
	});

	test('A success in between resets the time', async () => {
		const { started } = await outcomesOf(600, [{ failure: failed(500) }, {}]);
		expect(started).toBe(5);
	});

	test('Failures in between do not reset the time', async () => {
		const { started } = await outcomesOf(600, [{ failure: failed(500) }]);
		expect(started).toBe(2);
	});

	test('A failure that is not retryable counts as a response', async () => {
		const { started } = await outcomesOf(600, [{ failure: failed(500) }, { failure: failed(400) }]);
		expect(started).toBe(5);
	});

	test('A failed task does not take the place of a later one', async () => {
		const { runAll, limiter, starts } = createAccount();
		await runAll([{ failure: throttled(500) }, { maxElapsedMs: 100 }, { maxElapsedMs: 100 }]);
		expect(limiter.isIdle()).toBe(true);
		await runAll([{ label: 'later' }]);
		expect(starts.at(-1)).toEqual(['later', 600]);
	});
});

describe('The limiter of an account', () => {
	const MINUTE_MS = 60_000;

	/** A process whose clock stands still until the test moves it on. */
	async function startProcess() {
		let now = 0;
		jest.spyOn(performance, 'now').mockImplementation(() => now);
		const timers: Array<{ minutes: number; goOff: () => void }> = [];
		jest.spyOn(AbortSignal, 'timeout').mockImplementation((milliseconds) => {
			const timer = new AbortController();
			timers.push({ minutes: milliseconds / MINUTE_MS, goOff: () => timer.abort() });
			return timer.signal;
		});
		let limiterOf = rateLimiterFor;
		await jest.isolateModulesAsync(async () => {
			limiterOf = (await import('../../nodes/StepFunImage/transport/rateLimiter')).rateLimiterFor;
		});
		return {
			limiterOf: (account: string) => limiterOf(account),
			timers,
			passMinutes: (minutes: number) => (now += minutes * MINUTE_MS),
		};
	}

	test('is shared by everything in a process', () => {
		expect(rateLimiterFor('one')).toBe(rateLimiterFor('one'));
		expect(rateLimiterFor('one')).not.toBe(rateLimiterFor('other'));
	});

	test('is kept for ten minutes after its last request', async () => {
		const { limiterOf, timers, passMinutes } = await startProcess();
		const first = limiterOf('first');
		passMinutes(1);
		const second = limiterOf('second');
		expect(timers.map(({ minutes }) => minutes)).toEqual([10]);

		passMinutes(9);
		timers[0].goOff();
		expect(timers.map(({ minutes }) => minutes)).toEqual([10, 10]);
		expect(limiterOf('first')).not.toBe(first);
		expect(limiterOf('second')).toBe(second);

		passMinutes(10);
		timers[1].goOff();
		// Nobody is left to be looked after.
		expect(timers).toHaveLength(2);
		expect(limiterOf('second')).not.toBe(second);
		expect(timers).toHaveLength(3);
	});

	test('is kept for as long as a request is under way', async () => {
		const { limiterOf, timers, passMinutes } = await startProcess();
		const limiter = limiterOf('busy');
		let end = () => {};
		const request = limiter.schedule(async () => await new Promise<void>((done) => (end = done)), {
			limits: { concurrentRequests: 1, requestsPerMinute: 0 },
			run: RUN,
			isRetry: false,
			maxElapsedMs: Infinity,
			signal: new AbortController().signal,
		});
		passMinutes(30);
		timers[0].goOff();
		expect(limiterOf('busy')).toBe(limiter);
		end();
		await request;
	});
});

describe('Rate limiter: failures of other runs', () => {
	test('A slow failure of one run does not end the others while the account succeeds', async () => {
		const { runAll } = createAccount();
		const slow: Task = { run: {}, takesMs: 40_500, failure: failed(500) };
		const others = times(60, { limits: [2], takesMs: 1_000, maxElapsedMs: 30_000 });
		const [, ...outcomes] = await runAll([{ ...slow, limits: [2] }, ...others]);
		expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
	});

	test('An impatient task of a run does not end the patient ones behind it', async () => {
		const { runAll } = createAccount();
		const outcomes = await runAll([
			{ failure: failed(500), takesMs: 300 },
			{ maxElapsedMs: 100 },
			{},
			{},
		]);
		expect(outcomes.map(({ status }) => status)).toEqual([
			'rejected',
			'rejected',
			'fulfilled',
			'fulfilled',
		]);
	});

	test('A run that joins a failing account tests it itself', async () => {
		const { runAll, clock, schedule, starts } = createAccount();
		const failing = async () => {
			for (let tries = 0; tries < 12; tries++) {
				const task = { run: {}, failure: failed(500), takesMs: 10_000, isRetry: tries > 0 };
				await schedule({ ...task, maxElapsedMs: 3_600_000 }).catch(() => undefined);
			}
		};
		const joining = async () => {
			await clock.sleep(65_000);
			await schedule({ run: {}, label: 'joined', maxElapsedMs: 60_000 });
		};
		await clock.run(Promise.allSettled([failing(), joining()]));
		expect(starts.map(([label]) => label)).toContain('joined');
		await runAll([]);
	});
});
