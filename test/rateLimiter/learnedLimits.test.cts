import { createAccount, throttled, times, withoutJitter, type Task } from './account.cts';
import { simulate } from './simulation.cts';

withoutJitter();

/** An account whose credential allows so many requests at once, and what is known of it. */
function accountOf(concurrency: number) {
	const account = createAccount();
	const limits: Task['limits'] = [concurrency];
	const run = async (...tasks: Task[]) =>
		await account.runAll(tasks.map((task) => ({ limits, ...task })));
	return {
		...account,
		run,
		/** So many requests are taken together, so many times. */
		take: async (together: number, rounds: number) => {
			for (let round = 0; round < rounds; round++) await run(...times(together));
		},
		/** One request is refused while others are under way. */
		refuse: async (others = 1, retryAfterMs?: number) =>
			await run(...times(others, { takesMs: 1_000 }), { failure: throttled(retryAfterMs) }),
		concurrency: () => account.limiter.currentConcurrency(),
	};
}

describe('A number of requests at once', () => {
	test.each([
		[2, 1],
		[3, 2],
	])('that was accepted %i times and is then refused becomes %i', async (rounds, left) => {
		const { take, refuse, concurrency } = accountOf(2);
		await take(2, rounds);
		await refuse();
		expect(concurrency()).toBe(left);
	});

	test('is proven by a larger number, too', async () => {
		const { take, refuse, concurrency } = accountOf(3);
		await take(3, 3);
		await refuse(1);
		expect(concurrency()).toBe(3);
	});

	test('has to be proven anew once it was refused', async () => {
		const { take, refuse, concurrency } = accountOf(2);
		await take(2, 2);
		await refuse();
		await take(1, 15);
		expect(concurrency()).toBe(2);
		await take(2, 2);
		await refuse();
		expect(concurrency()).toBe(1);
	});

	test('stays proven if a larger one is refused', async () => {
		const { take, refuse, concurrency } = accountOf(3);
		await take(2, 3);
		await refuse(2);
		expect(concurrency()).toBe(2);
		await refuse(1);
		expect(concurrency()).toBe(2);
	});

	test('that is proven and refused is in doubt until the next response, which may prove it again', async () => {
		const { take, refuse, run, concurrency } = accountOf(2);
		await take(2, 3);
		await refuse();
		// The later of two gets its response first.
		await run({ takesMs: 1_000 }, { takesMs: 50 });
		await refuse();
		expect(concurrency()).toBe(2);
	});

	test('that is proven and refused no longer counts if fewer are accepted next', async () => {
		const { take, refuse, concurrency } = accountOf(2);
		await take(2, 3);
		await refuse();
		await take(1, 1);
		await refuse();
		expect(concurrency()).toBe(1);
	});

	test('grows faster once a trial has gone well', async () => {
		const { take, refuse, concurrency } = accountOf(5);
		await refuse(1);
		await take(2, 6);
		expect(concurrency()).toBe(1);
		await take(2, 1);
		expect(concurrency()).toBe(2);
		await take(2, 2);
		expect(concurrency()).toBe(2);
		await take(2, 1);
		expect(concurrency()).toBe(3);
	});

	test('is unlimited again 15 responses after it reached what the credential allows', async () => {
		const { take, refuse, run, concurrency } = accountOf(2);
		await refuse();
		await take(1, 14);
		expect(concurrency()).toBe(2);
		await take(1, 15);
		await run({ limits: [6] });
		expect(concurrency()).toBe(6);
	});
});

describe('After a refusal', () => {
	test.each([
		['one and a half times the way of the refusal', 100, 150],
		['20 ms', 4, 20],
		['a second', 5_000, 1_000],
	])('requests start %s apart until the first response', async (_what, takesMs, apart) => {
		const { run, times: at } = accountOf(3);
		await run({});
		await run({ takesMs, failure: throttled() });
		await run(...times(3, { takesMs: 9_000 }));
		const [first, ...others] = at().slice(-3);
		expect(others.map((time) => time - first)).toEqual([apart, 2 * apart]);
	});

	test('of one request too many, the next starts when another ends', async () => {
		const { run, times: at } = accountOf(2);
		// Sooner than after any other refusal.
		await run({ takesMs: 150 }, { failure: throttled() }, {});
		expect(at()).toEqual([0, 10, 150]);
	});

	test('of one request too many, Retry-After still applies', async () => {
		const { run, times: at } = accountOf(2);
		await run({ takesMs: 500 }, { failure: throttled(3_000) }, {});
		expect(at()).toEqual([0, 10, 3_110]);
	});

	test('Retry-After applies even after a wait for the minute of the credential', async () => {
		const { run, times: at } = accountOf(1);
		const limits: Task['limits'] = [1, 1];
		await run({ limits }, { limits, failure: throttled(5_000) }, { limits });
		expect(at()).toEqual([0, 60_000, 65_100]);
	});

	test('the account is not idle while a request waits', async () => {
		const { run, schedule, clock, limiter } = accountOf(1);
		await run({ failure: throttled(1_000) });
		const waiting = schedule();
		expect(limiter.isIdle()).toBe(false);
		await clock.run(waiting);
		expect(limiter.isIdle()).toBe(true);
	});
});

describe('The minute of a service that refuses', () => {
	/** The start that follows refusals without Retry-After. */
	const startAfter = async (...before: Task[]) => {
		const { run, times: at } = accountOf(1);
		await run(...before, ...times(30, { failure: throttled() }));
		return at();
	};

	test('begins with the oldest request that was not refused', async () => {
		expect(await startAfter({ failure: throttled(30_000) }, {})).toContain(90_200);
	});

	test('begins with the oldest request of the last minute', async () => {
		expect(await startAfter({ takesMs: 50_000 }, { takesMs: 20_000 })).toContain(110_100);
	});

	test('is that of the first refusal, even if other requests have expired since', async () => {
		expect(await startAfter({ takesMs: 10 }, { takesMs: 59_000 })).toContain(60_100);
	});
});

describe('The minutes of credentials', () => {
	test('are kept while another credential of the key allows more', async () => {
		const { runAll, starts } = createAccount();
		const both: Task[] = [
			{ label: 'small', limits: [5, 1] },
			{ label: 'large', limits: [5, 10], run: {} },
		];
		await runAll(both);
		await runAll(both);
		expect(starts).toEqual([
			['small', 0],
			['large', 10],
			['large', 110],
			['small', 60_000],
		]);
	});

	test('lose no place by a refusal of another credential', async () => {
		const { runAll, starts } = createAccount();
		await runAll([
			{ label: 'few', limits: [5, 1] },
			{ label: 'any', limits: [5], failure: throttled(1_000) },
			{ label: 'few', limits: [5, 1] },
		]);
		expect(starts).toEqual([
			['few', 0],
			['any', 10],
			['few', 60_000],
		]);
	});

	test('end later with each refusal at their end', async () => {
		const { runAll, times: at } = createAccount();
		const limits: Task['limits'] = [1, 1];
		const refused = { limits, failure: throttled() };
		await runAll([{ limits }, refused, { limits }, refused, { limits }, { limits }]);
		expect(at()).toEqual([0, 60_000, 60_200, 120_300, 120_500, 180_800]);
	});
});

describe('An error that does not come from a request', () => {
	const mistake = new Error('a mistake');

	test('does not count as a response of a new account', async () => {
		const { run, times: at } = accountOf(3);
		await run({ failure: mistake });
		await run(...times(3));
		expect(at()).toEqual([0, 100, 110, 120]);
	});

	test('lets the next request start at once', async () => {
		const { run, times: at } = accountOf(1);
		await run({ failure: mistake, takesMs: 5 }, {});
		expect(at()).toEqual([0, 5]);
	});
});

describe('An account without a success', () => {
	const limits: Task['limits'] = [1];

	test('counts its time from the first failure', async () => {
		const { runAll, starts } = createAccount();
		await runAll([{}, { failure: throttled(500) }, { maxElapsedMs: 600, run: {} }]);
		expect(starts).toHaveLength(3);
	});

	test('refuses a retry for which it is too late, and no new request', async () => {
		const { runAll, starts } = createAccount();
		await runAll([{ failure: throttled(500), limits }]);
		const [retried] = await runAll([{ isRetry: true, maxElapsedMs: 100 }]);
		expect(retried).toMatchObject({ reason: { details: { wasNotSent: true } } });
		expect(starts).toHaveLength(1);
		const [request] = await runAll([{ maxElapsedMs: 100 }]);
		expect(request.status).toBe('fulfilled');
	});

	test('ends what waits, but not a second time what was canceled', async () => {
		const { schedule, clock, limiter } = createAccount();
		const cancel = new AbortController();
		const all = [
			schedule({ failure: throttled(500) }),
			schedule({ maxElapsedMs: 100 }),
			schedule({ maxElapsedMs: 100, signal: cancel.signal }),
		];
		cancel.abort(new Error('canceled'));
		await clock.run(Promise.allSettled(all));
		expect(limiter.isIdle()).toBe(true);
	});
});

test.each([
	['of 5 per minute', { perMinute: { count: 5, window: 'sliding' as const } }, 60, 20, 600],
	['of one at a time', { concurrency: 1, latencyMs: 5_000 }, 200, 30, 100],
])(
	'A service %s refuses few requests, even if Requests per Minute is set too high',
	async (_what, limits, images, requestsPerMinute, most) => {
		const { refusals } = await simulate({
			server: { latencyMs: 1_000, networkMs: 5, ...limits },
			images,
			concurrentRequests: 5,
			requestsPerMinute,
			policy: { maxElapsedMs: 3_600_000 },
		});
		expect(refusals).toBeLessThan(most);
	},
);
