import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';
import { seededRandom } from '../stepfun-server/randomNumbers.cts';
import { simulate } from './simulation.cts';

// Virtual time: hours pass in seconds.
jest.setTimeout(120_000);

describe('The pace if the service accepts fewer requests at once than the credential says', () => {
	test.each([20, 200])('is at most 1.1 x ideal for %i images', async (images) => {
		const result = await simulate({ server: { latencyMs: 1_000, concurrency: 2 }, images });
		expect(result.delivered).toBe(images);
		expect(result.seconds).toBeLessThanOrEqual((images / 2) * 1.1);
		expect(result.refusals).toBeLessThanOrEqual(images / 10);
	});
});

describe('The pace of a service whose responses take varying times', () => {
	test.each([
		{ allowed: 1, concurrentRequests: 5 },
		{ allowed: 2, concurrentRequests: 5 },
		{ allowed: 4, concurrentRequests: 20 },
		{ allowed: 8, concurrentRequests: 10 },
	])(
		'is at most 1.1 x ideal if it accepts $allowed of $concurrentRequests at once',
		async ({ allowed, concurrentRequests }) => {
			const random = seededRandom(allowed);
			const images = 400;
			const result = await simulate({
				server: {
					latencyMs: () => 500 + random() * 2_500,
					networkMs: () => 5 + random() * 45,
					concurrency: allowed,
				},
				images,
				concurrentRequests,
			});
			expect(result.delivered).toBe(images);
			expect(result.seconds).toBeLessThanOrEqual((images / allowed) * 1.805 * 1.1);
			expect(result.refusals).toBeLessThanOrEqual(images / 7);
		},
	);

	test('also learns the number of requests at once from refusals with Retry-After', async () => {
		const result = await simulate({
			server: { latencyMs: 1_000, concurrency: 2, retryAfterMs: 1_000 },
			images: 100,
		});
		expect(result.seconds).toBeLessThanOrEqual(50 * 1.1);
		expect(result.refusals).toBeLessThanOrEqual(10);
	});
});

describe('The pace of a service that refuses everything for one second every five minutes', () => {
	test('is at most 1.1 x ideal for three hours', async () => {
		const images = 3 * 3600;
		const throttled = new RequestFailure('status', { status: 429 });
		const result = await simulate({
			server: {
				latencyMs: 5_000,
				failAt: (time) => (time > 1_000 && time % 300_000 < 1_000 ? throttled : undefined),
			},
			images,
		});
		expect(result.delivered).toBe(images);
		expect(result.seconds).toBeLessThanOrEqual(images * 1.1);
		expect(result.concurrency).toBe(5);
	});
});

describe('The pace of a service with a limit per minute', () => {
	test.each(['sliding', 'fixed'] as const)(
		'is at most 1.15 x ideal if the credential does not contain it (%s window)',
		async (window) => {
			const result = await simulate({
				server: { latencyMs: 300, perMinute: { count: 100, window } },
				images: 300,
			});
			expect(result.delivered).toBe(300);
			// A hundred at once, at a minute and at two minutes.
			expect(result.seconds).toBeLessThanOrEqual((120 + 6) * 1.15);
			expect(result.concurrency).toBe(5);
			expect(result.refusals).toBeLessThan(60);
		},
	);

	test('keeps the concurrency of long images even if the credential does not contain it', async () => {
		const result = await simulate({
			server: { latencyMs: 5_000, networkMs: 20, perMinute: { count: 20, window: 'sliding' } },
			images: 100,
		});
		expect(result.seconds).toBeLessThanOrEqual(260 * 1.1);
		expect(result.concurrency).toBe(5);
	});

	test.each(['sliding', 'fixed'] as const)(
		'is at most 1.1 x ideal if the credential contains it (%s window)',
		async (window) => {
			const result = await simulate({
				server: { latencyMs: 1_000, networkMs: 30, perMinute: { count: 10, window } },
				images: 20,
				requestsPerMinute: 10,
			});
			expect(result.delivered).toBe(20);
			expect(result.seconds).toBeLessThanOrEqual(61 * 1.1);
		},
	);
});

describe('A service that is down', () => {
	test.each([
		['refuses connections', new RequestFailure('connection', { code: 'ECONNREFUSED' })],
		['responds with 502', new RequestFailure('status', { status: 502 })],
		['responds with 503', new RequestFailure('status', { status: 503 })],
	])('for 40 s and then %s loses no item with the defaults', async (_, failure) => {
		for (const leftAt of [0, 2_500]) {
			const result = await simulate({
				server: {
					latencyMs: 1_000,
					failAt: (time) => (time >= leftAt && time < leftAt + 40_000 ? failure : undefined),
				},
				images: 30,
			});
			expect(result.delivered).toBe(30);
			expect(result.seconds).toBeLessThan(40 + 6 + 10);
		}
	});
});

describe('An account without a success', () => {
	const giveUpAfterMs = 60_000;

	test('that only gets 429 ends all its items within Give Up After', async () => {
		const throttled = new RequestFailure('status', { status: 429 });
		const result = await simulate({
			server: { latencyMs: 1_000, failAt: () => throttled },
			images: 100,
			policy: { maxElapsedMs: giveUpAfterMs },
		});
		expect(result.delivered).toBe(0);
		expect(result.seconds).toBeLessThanOrEqual(giveUpAfterMs / 1000 + 10);
		expect(result.failures.map(({ details }) => details.status)).toEqual(Array(100).fill(429));
		expect(result.requests).toBeLessThan(100);
	});

	test('whose host swallows connections ends all its items within Give Up After and a timeout', async () => {
		const result = await simulate({
			server: { latencyMs: 1_000, swallowsAt: () => true },
			images: 100,
			timeoutMs: 20_000,
			policy: { maxElapsedMs: giveUpAfterMs },
		});
		expect(result.delivered).toBe(0);
		expect(result.seconds).toBeLessThanOrEqual((giveUpAfterMs + 20_000) / 1000);
		expect(result.failures.map(({ kind }) => kind)).toEqual(Array(100).fill('timeout'));
	});
});
