import { setTimeout as wait } from 'node:timers/promises';

import {
	accountFor,
	createAccount,
	type Account,
} from '../../nodes/StepFunImage/transport/account';

const unlimited = { concurrentRequests: 1000, requestsPerMinute: 0 };
const never = () => new AbortController().signal;

/** Sends `count` tasks of a run; each notes its label when it starts and ends when `release` is called. */
function openTasks(account: Account, run: object, labels: string[], started: string[]) {
	const releases: Array<() => void> = [];
	const done = labels.map(
		async (label) =>
			await account.perform(
				run,
				async () => {
					started.push(label);
					await new Promise<void>((release) => releases.push(release));
				},
				{ again: false, signal: never() },
			),
	);
	return { done, releaseNext: () => releases.shift()?.() };
}

const settle = async () => await wait(5);

describe('an account', () => {
	test('never has more requests under way than it is allowed', async () => {
		const account = createAccount({ concurrentRequests: 3, requestsPerMinute: 0 });
		let underWay = 0;
		let most = 0;
		await Promise.all(
			Array.from(
				{ length: 20 },
				async () =>
					await account.perform(
						{},
						async () => {
							most = Math.max(most, ++underWay);
							await wait(2);
							underWay--;
						},
						{ again: false, signal: never() },
					),
			),
		);
		expect(most).toBe(3);
	});

	test('keeps the order within a run and lets runs take turns', async () => {
		const account = createAccount({ concurrentRequests: 1, requestsPerMinute: 0 });
		const started: string[] = [];
		const note = async (run: object, label: string) =>
			await account.perform(run, async () => void started.push(label), {
				again: false,
				signal: never(),
			});
		const long = {};
		const short = {};
		const all = ['a1', 'a2', 'a3', 'a4'].map(async (label) => await note(long, label));
		all.push(note(short, 'b1'), note(short, 'b2'));
		await Promise.all(all);
		expect(started).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'a4']);
	});

	test('puts a task that is sent again before those that were never sent', async () => {
		const account = createAccount({ concurrentRequests: 1, requestsPerMinute: 0 });
		const started: string[] = [];
		const run = {};
		const { done, releaseNext } = openTasks(account, run, ['first'], started);
		await settle();
		const later = ['second', 'third'].map(
			async (label) =>
				await account.perform(run, async () => void started.push(label), {
					again: false,
					signal: never(),
				}),
		);
		const again = account.perform(run, async () => void started.push('first again'), {
			again: true,
			signal: never(),
		});
		releaseNext();
		await Promise.all([...done, ...later, again]);
		expect(started).toEqual(['first', 'first again', 'second', 'third']);
	});

	test('lets go of a waiting task at once when it is cancelled, and starts it never', async () => {
		const account = createAccount({ concurrentRequests: 1, requestsPerMinute: 0 });
		const started: string[] = [];
		const { done, releaseNext } = openTasks(account, {}, ['busy'], started);
		await settle();
		const cancel = new AbortController();
		const waiting = account.perform({}, async () => void started.push('cancelled'), {
			again: false,
			signal: cancel.signal,
		});
		cancel.abort(new Error('stopped by the user'));
		await expect(waiting).rejects.toThrow('stopped by the user');
		releaseNext();
		await Promise.all(done);
		await settle();
		expect(started).toEqual(['busy']);
	});

	test('starts no more than the allowed requests in a minute', async () => {
		const windowMs = 150;
		const account = createAccount({ concurrentRequests: 10, requestsPerMinute: 4 }, windowMs);
		const starts: number[] = [];
		await Promise.all(
			Array.from(
				{ length: 10 },
				async () =>
					await account.perform({}, async () => void starts.push(Date.now()), {
						again: false,
						signal: never(),
					}),
			),
		);
		for (let index = 4; index < starts.length; index++) {
			// On a busy machine a task may run some time after the account has let it start.
			expect(starts[index] - starts[index - 4]).toBeGreaterThanOrEqual(windowMs / 2);
		}
		expect(starts).toHaveLength(10);
	});

	test('lets those that send nothing go, without the pace of those that do', async () => {
		const account = createAccount({ concurrentRequests: 1, requestsPerMinute: 1 });
		const run = {};
		const perform = async (isPointless: () => boolean, signal = never()) =>
			await account.perform(run, async () => undefined, { again: false, signal, isPointless });
		await perform(() => false);

		let stopped = false;
		const cancel = new AbortController();
		const waiting = perform(() => false, cancel.signal);
		const others = Array.from({ length: 20 }, async () => await perform(() => stopped));
		stopped = true;
		await Promise.all(others);

		cancel.abort(new Error('has waited for its minute all the while'));
		await expect(waiting).rejects.toThrow('has waited');
	});

	test('waits as long as Retry-After says, and keeps its concurrency', async () => {
		const account = createAccount(unlimited);
		expect(account.slowDown(Date.now(), 120)).toBeGreaterThan(110);
		const before = Date.now();
		await account.perform({}, async () => undefined, { again: false, signal: never() });
		expect(Date.now() - before).toBeGreaterThanOrEqual(115);
		expect(account.currentConcurrency()).toBe(1000);
	});

	test('does not wait longer than ten minutes, whatever a server asks for', () => {
		expect(createAccount(unlimited).slowDown(Date.now(), 86_400_000)).toBe(600_000);
	});

	test('lets many wait without a warning of Node', async () => {
		const warnings: string[] = [];
		const note = ({ name }: Error) => void warnings.push(name);
		process.on('warning', note);
		const account = createAccount(unlimited);
		account.slowDown(Date.now(), 30);
		await Promise.all(
			Array.from(
				{ length: 50 },
				async () =>
					await account.perform({}, async () => undefined, { again: false, signal: never() }),
			),
		);
		await settle();
		process.off('warning', note);
		expect(warnings).toEqual([]);
	});

	test('learns from a 429 without Retry-After how many requests the service takes', async () => {
		const account = createAccount({ concurrentRequests: 5, requestsPerMinute: 0 });
		const started: string[] = [];
		const sentAt = Date.now();
		const { done, releaseNext } = openTasks(account, {}, ['a', 'b'], started);
		await settle();
		// Three more were sent with these two; the service refused each of them.
		const refused = Array.from(
			{ length: 3 },
			async () =>
				await account.perform(
					{},
					async () => {
						await settle();
						account.slowDown(sentAt, undefined);
					},
					{ again: false, signal: never() },
				),
		);
		await Promise.all(refused);
		expect(account.currentConcurrency()).toBe(2);
		releaseNext();
		releaseNext();
		await Promise.all(done);
	});

	test('recovers one request at a time, and never beyond the credential', () => {
		const account = createAccount({ concurrentRequests: 3, requestsPerMinute: 0 });
		account.slowDown(Date.now(), undefined);
		expect(account.currentConcurrency()).toBe(1);
		const pace: number[] = [];
		for (let success = 1; success <= 60; success++) {
			account.succeeded();
			pace.push(account.currentConcurrency());
		}
		expect([pace[8], pace[9], pace[18], pace[19], pace[59]]).toEqual([1, 2, 2, 3, 3]);
	});

	test('ends its wait when nobody waits any more', async () => {
		const account = createAccount(unlimited);
		account.slowDown(Date.now(), 60_000);
		const cancel = new AbortController();
		const waiting = account.perform({}, async () => undefined, {
			again: false,
			signal: cancel.signal,
		});
		cancel.abort(new Error('cancelled'));
		// Were the wait still on, jest would be held up by its timer.
		await expect(waiting).rejects.toThrow('cancelled');
	});
});

describe('accountFor', () => {
	const limits = { concurrentRequests: 2, requestsPerMinute: 0 };

	test('gives one account to one key and host, whatever the path', () => {
		const payAsYouGo = accountFor('key', 'https://api.stepfun.com/v1', limits);
		expect(accountFor('key', 'https://api.stepfun.com/step_plan/v1', limits)).toBe(payAsYouGo);
		expect(accountFor('another key', 'https://api.stepfun.com/v1', limits)).not.toBe(payAsYouGo);
		expect(accountFor('key', 'https://api.stepfun.ai/v1', limits)).not.toBe(payAsYouGo);
	});

	test('follows the credential when its limits are changed', () => {
		const account = accountFor('key', 'https://api.stepfun.com/v1', limits);
		accountFor('key', 'https://api.stepfun.com/v1', { ...limits, concurrentRequests: 7 });
		expect(account.currentConcurrency()).toBe(7);
	});
});
