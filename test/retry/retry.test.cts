import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';
import { retryAfterIn } from '../../nodes/StepFunImage/transport/response';
import {
	backoffDelay,
	retry,
	type Attempt,
	type RetryPolicy,
} from '../../nodes/StepFunImage/transport/retry';
import { createVirtualClock } from '../rateLimiter/virtualClock.cts';

describe('retryAfterIn', () => {
	const date = 'Sat, 21 Nov 2026 12:00:00 GMT';

	test.each([
		['seconds', '7', 7_000],
		['a fraction of seconds', '0.5', 500],
		['an HTTP date', 'Sat, 21 Nov 2026 12:00:30 GMT', 30_000],
		['a date that has passed', 'Sat, 21 Nov 2026 11:59:00 GMT', undefined],
		['seconds since 1970, which no standard allows', String(Date.parse(date) / 1000 + 30), 30_000],
		['zero, which is no pause', '0', undefined],
		['a negative number', '-3', undefined],
		['no header', undefined, undefined],
		['an empty header', ' ', undefined],
		['nonsense', 'soon', undefined],
	])('reads %s', (_what, value, expected) => {
		expect(retryAfterIn({ date, 'retry-after': value })).toBe(expected);
	});
});

describe('backoffDelay', () => {
	test('doubles from one second and stops at thirty', () => {
		expect([1, 2, 3, 5, 6, 50].map((failures) => backoffDelay(failures, 1))).toEqual([
			1_000, 2_000, 4_000, 16_000, 30_000, 30_000,
		]);
	});

	test('is spread by up to a half', () => {
		expect(backoffDelay(3, 0)).toBe(2_000);
		expect(backoffDelay(3, 0.5)).toBe(3_000);
	});
});

describe('whether a failure is retryable', () => {
	test.each([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530])(
		'is true for status %i',
		(status) => {
			expect(new RequestFailure('status', { status }).retryable).toBe(true);
		},
	);

	test.each([302, 400, 401, 402, 403, 404, 413, 422, 451, 501])(
		'is false for status %i',
		(status) => {
			expect(new RequestFailure('status', { status }).retryable).toBe(false);
		},
	);

	test.each([504, 520, 524])('An image may have been made before a %i', (status) => {
		expect(new RequestFailure('status', { status }).charge).toBe('maybe');
	});

	test.each([502, 503, 521, 522, 523, 530])('A %i means that the service is down', (status) => {
		expect(new RequestFailure('status', { status })).toMatchObject({
			isUnavailable: true,
			charge: 'no',
		});
	});

	test('is false for complete responses, because they were charged', () => {
		const kinds = [
			'contentFiltered',
			'noImage',
			'invalidJson',
			'notAnImage',
			'badCompression',
			'storage',
		] as const;
		expect(kinds.filter((kind) => new RequestFailure(kind).retryable)).toEqual([]);
	});
});

describe('retry', () => {
	const failed = (details: object = {}) =>
		new RequestFailure('status', { status: 503, retryAfterMs: 1, ...details });
	const throttled = new RequestFailure('status', { status: 429, retryAfterMs: 5_000 });
	const truncated = () => new RequestFailure('truncated', { retryAfterMs: 1 });
	const timedOut = () => new RequestFailure('timeout', { retryAfterMs: 1 });

	/** Fails with these failures, one a try, and then succeeds. */
	async function run(
		failures: Error[],
		policy: Partial<RetryPolicy> = {},
		onAttempt: (attempt: Attempt) => void = ({ onStart }) => onStart(),
		signal = new AbortController().signal,
	) {
		const heard: Array<[RequestFailure, number, number | undefined]> = [];
		const attempts: Attempt[] = [];
		const outcome = await retry(
			async (attempt) => {
				attempts.push(attempt);
				onAttempt(attempt);
				const failure = failures[attempt.number - 1] as Error | undefined;
				if (failure) throw failure;
				return 'an image';
			},
			{
				policy: { maxTries: 3, maxElapsedMs: 600_000, maxPaidRetries: 1, ...policy },
				signal,
				onFailure: (...what) => heard.push(what),
			},
		).catch((error: unknown) => error);
		return { outcome, heard, attempts };
	}

	test('sends once if that succeeds', async () => {
		const { outcome, heard } = await run([]);
		expect(outcome).toEqual({ result: 'an image', tries: 1 });
		expect(heard).toEqual([]);
	});

	test('sends again after retryable failures, and passes on the last one that was charged', async () => {
		const [first, second] = [truncated(), throttled];
		const { outcome, heard, attempts } = await run([first, second]);
		expect(outcome).toEqual({ result: 'an image', tries: 3, earlierCharge: 'yes' });
		expect(heard).toEqual([
			[first, 1, 1],
			[second, 2, 0],
		]);
		expect(attempts.map(({ number, lastPaid }) => [number, lastPaid])).toEqual([
			[1, undefined],
			[2, first],
			[3, first],
		]);
	});

	test('works without onFailure', async () => {
		const outcome = await retry(
			async ({ number }) => {
				if (number === 1) throw failed();
				return number;
			},
			{
				policy: { maxTries: 2, maxElapsedMs: 1_000, maxPaidRetries: 0 },
				signal: new AbortController().signal,
			},
		);
		expect(outcome).toEqual({ result: 2, tries: 2 });
	});

	test('ends after maxTries, with the last failure and the number of tries', async () => {
		const { outcome, heard } = await run([failed(), failed(), failed({ text: 'the last' })]);
		expect(outcome).toMatchObject({ details: { text: 'the last', tries: 3 } });
		expect(heard.map(([, tries, delayMs]) => [tries, delayMs])).toEqual([
			[1, 1],
			[2, 1],
			[3, undefined],
		]);
	});

	test('ends at once after a failure that is not retryable, or another error', async () => {
		const refused = new RequestFailure('status', { status: 400 });
		expect((await run([refused])).outcome).toMatchObject({ details: { status: 400, tries: 1 } });
		const error = new Error('a mistake');
		const { outcome, heard } = await run([error]);
		expect(outcome).toBe(error);
		expect(heard).toEqual([]);
	});

	test('does not count a request that was not sent', async () => {
		const { outcome } = await run([failed(), failed({ wasNotSent: true })]);
		expect(outcome).toMatchObject({ details: { tries: 1 } });
	});

	test('does not wait, and does not count a try, if the rate limiter waits', async () => {
		const { outcome, heard } = await run([throttled, throttled, failed(), throttled], {
			maxTries: 2,
		});
		expect(outcome).toEqual({ result: 'an image', tries: 5 });
		expect(heard.map(([, , delayMs]) => delayMs)).toEqual([0, 0, 1, 0]);
		const last = await run([failed(), throttled, failed()], { maxTries: 2 });
		expect(last.outcome).toMatchObject({ details: { tries: 3 } });
	});

	test('repeats what may have been charged as often as the policy allows', async () => {
		expect((await run([truncated()], { maxPaidRetries: 0 })).outcome).toMatchObject({
			details: { tries: 1 },
		});
		expect((await run([truncated()])).outcome).toMatchObject({ result: 'an image', tries: 2 });
		expect(
			(await run([truncated(), failed(), truncated()], { maxTries: 9 })).outcome,
		).toMatchObject({ kind: 'truncated', details: { tries: 3 } });
		expect((await run([truncated(), failed(), failed()], { maxTries: 9 })).outcome).toMatchObject({
			result: 'an image',
			tries: 4,
		});
	});

	test('waits longer after each failure if the server sends no Retry-After', async () => {
		const unnamed = new RequestFailure('status', { status: 503 });
		const { heard } = await run([failed(), unnamed, unnamed], { maxTries: 9, maxElapsedMs: 100 });
		expect(heard.map(([, , delayMs]) => delayMs)).toEqual([1, undefined]);
		const stop = new AbortController();
		const started = await retryUntilDelay(unnamed, stop);
		expect(started).toBeGreaterThanOrEqual(500);
		expect(started).toBeLessThanOrEqual(1_000);
	});

	/** The delay after a first failure; the wait itself is ended. */
	async function retryUntilDelay(failure: RequestFailure, stop: AbortController): Promise<number> {
		let delay = 0;
		await retry(async () => await Promise.reject(failure), {
			policy: { maxTries: 3, maxElapsedMs: 600_000, maxPaidRetries: 1 },
			signal: stop.signal,
			onFailure: (_failure, _tries, delayMs) => {
				delay = delayMs ?? 0;
				setImmediate(() => stop.abort());
			},
		}).catch(() => undefined);
		return delay;
	}

	test('ends if the next try would start too late, counted from the first try', async () => {
		const late = failed({ retryAfterMs: 2_000 });
		expect((await run([late], { maxElapsedMs: 1_999 })).outcome).toMatchObject({
			details: { tries: 1 },
		});
		const soon = failed({ retryAfterMs: 20 });
		expect(
			(await run([soon, soon, soon], { maxElapsedMs: 35, maxTries: 9 })).outcome,
		).toMatchObject({ details: { tries: 2 } });
		// What was never sent has not begun.
		const idle = await run([soon, soon, soon], { maxElapsedMs: 35, maxTries: 9 }, () => undefined);
		expect(idle.outcome).toEqual({ result: 'an image', tries: 4 });
	});

	test('sends again at the last moment that the policy allows, and waits only if necessary', async () => {
		const clock = createVirtualClock();
		const sleep = jest.spyOn(clock, 'sleep');
		const outcomeOf = async (maxElapsedMs: number, failures: RequestFailure[]) =>
			await clock.run(
				retry(
					async ({ number, onStart }) => {
						onStart();
						if (failures[number - 1]) throw failures[number - 1];
						return clock.now();
					},
					{
						policy: { maxTries: 9, maxElapsedMs, maxPaidRetries: 0 },
						signal: new AbortController().signal,
						clock,
					},
				).then(
					({ tries }) => tries,
					(error: RequestFailure) => error.kind,
				),
			);
		const late = failed({ retryAfterMs: 2_000 });
		expect(await outcomeOf(2_000, [late])).toBe(2);
		expect(clock.now()).toBe(2_000);
		expect(await outcomeOf(3_999, [late, late])).toBe('status');
		sleep.mockClear();
		expect(await outcomeOf(2_000, [throttled, throttled])).toBe(3);
		expect(sleep).not.toHaveBeenCalled();
	});

	test('stops waiting when its signal aborts', async () => {
		const stop = new AbortController();
		setTimeout(() => stop.abort(new Error('stopped')), 10);
		const { outcome } = await run([failed({ retryAfterMs: 60_000 })], {}, undefined, stop.signal);
		expect(outcome).toBeInstanceOf(Error);
		expect(outcome).not.toBeInstanceOf(RequestFailure);
	});

	test('throws the last charged failure if its signal ends the try after it', async () => {
		const stop = new AbortController();
		const reason = new Error('stopped');
		const { outcome } = await run(
			[timedOut(), truncated(), reason],
			{ maxPaidRetries: 2 },
			({ number }) => number === 3 && stop.abort(reason),
			stop.signal,
		);
		expect(outcome).toMatchObject({
			kind: 'truncated',
			details: { tries: 2, earlierCharge: 'maybe' },
		});
	});

	test('throws any other error, even after a charged failure', async () => {
		const error = new Error('the file is gone');
		expect((await run([truncated(), error])).outcome).toBe(error);
	});

	test.each([
		['a possible charge', [timedOut()], 'maybe'],
		['a certain charge before a possible one', [truncated(), timedOut()], 'yes'],
	])('passes on %s', async (_what, failures, earlierCharge) => {
		const { outcome } = await run(failures, { maxPaidRetries: 2 });
		expect(outcome).toMatchObject({ result: 'an image', earlierCharge });
	});

	test('passes on the charges before its first try', async () => {
		const outcome = await retry(async () => 'an image', {
			policy: { maxTries: 1, maxElapsedMs: 1, maxPaidRetries: 0 },
			signal: new AbortController().signal,
			earlierCharges: ['yes', 'maybe'],
		});
		expect(outcome).toMatchObject({ tries: 1, earlierCharge: 'yes' });
	});

	test('waits after a 429, and counts the try, without a rate limiter', async () => {
		const clock = createVirtualClock();
		const starts: number[] = [];
		const outcome = retry(
			async ({ onStart }) => {
				onStart();
				starts.push(clock.now());
				throw throttled;
			},
			{
				policy: { maxTries: 3, maxElapsedMs: 600_000, maxPaidRetries: 1 },
				signal: new AbortController().signal,
				clock,
				usesRateLimiter: false,
			},
		).catch((error: unknown) => error);
		expect(await clock.run(outcome)).toMatchObject({ details: { tries: 3 } });
		expect(starts).toEqual([0, 5_000, 10_000]);
	});
});
