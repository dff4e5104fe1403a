import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';
import { createRateLimiter } from '../../nodes/StepFunImage/transport/rateLimiter/rateLimiter';
import { retry, type RetryPolicy } from '../../nodes/StepFunImage/transport/retry';
import { createVirtualClock } from './virtualClock.cts';

export interface SimulatedServer {
	/** How long an image takes. */
	latencyMs: number | (() => number);
	/** How long a request, or a response, is on its way. */
	networkMs?: number | (() => number);
	/** Most images at once; over it 429. */
	concurrency?: number;
	/** What its 429 asks for in Retry-After. */
	retryAfterMs?: number;
	/** Most images in a minute; over it 429. */
	perMinute?: { count: number; window: 'sliding' | 'fixed' };
	/** Fails a request that arrives at this time, which begins with the simulation. */
	failAt?: (timeMs: number) => RequestFailure | undefined;
	/** Never responds to a request that arrives at this time. */
	swallowsAt?: (timeMs: number) => boolean;
}

export interface Simulation {
	server: SimulatedServer;
	images: number;
	concurrentRequests?: number;
	requestsPerMinute?: number;
	policy?: Partial<RetryPolicy>;
	/** How long a request may be silent. */
	timeoutMs?: number;
}

export interface SimulationResult {
	/** From the start to the last image. */
	seconds: number;
	delivered: number;
	refusals: number;
	requests: number;
	failures: RequestFailure[];
	/** Of the limiter, in the end. */
	concurrency: number;
}

const MINUTE_MS = 60_000;

/** Sends images through the real retries and the real rate limiter to a simulated server, in virtual time. */
export async function simulate({
	server,
	images,
	concurrentRequests = 5,
	requestsPerMinute = 0,
	policy,
	timeoutMs = 120_000,
}: Simulation): Promise<SimulationResult> {
	const clock = createVirtualClock();
	const limiter = createRateLimiter(clock);
	const run = {};
	const wholePolicy = { maxTries: 5, maxElapsedMs: 600_000, maxPaidRetries: 1, ...policy };
	const serve = createServer(server, clock.now);
	let refusals = 0;
	let requests = 0;

	const { networkMs = 1, latencyMs } = server;
	const onTheWay = async () => await clock.sleep(valueOf(networkMs));

	const send = async () => {
		requests++;
		await onTheWay();
		if (server.swallowsAt?.(clock.now())) {
			await clock.sleep(timeoutMs);
			throw new RequestFailure('timeout', { limit: `${timeoutMs / 1000} seconds` });
		}
		const failure = server.failAt?.(clock.now());
		const release = failure ? undefined : serve();
		if (!release) {
			await onTheWay();
			const refusal =
				failure ?? new RequestFailure('status', { status: 429, retryAfterMs: server.retryAfterMs });
			if (refusal.isThrottled) refusals++;
			throw refusal;
		}
		await clock.sleep(valueOf(latencyMs));
		release();
		await onTheWay();
	};

	const deliver = async () => {
		const { signal } = new AbortController();
		await retry(
			async (attempt) =>
				await limiter.schedule(
					async () => {
						attempt.onStart();
						await send();
					},
					{
						limits: { concurrentRequests, requestsPerMinute },
						run,
						isRetry: attempt.number > 1,
						maxElapsedMs: wholePolicy.maxElapsedMs,
						signal,
					},
				),
			{ policy: wholePolicy, signal, clock },
		);
	};

	const outcomes = await clock.run(
		Promise.allSettled(Array.from({ length: images }, async () => await deliver())),
	);
	const failed = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
	return {
		seconds: clock.now() / 1000,
		delivered: outcomes.length - failed.length,
		refusals,
		requests,
		failures: failed.map(({ reason }) => reason as RequestFailure),
		concurrency: limiter.currentConcurrency(),
	};
}

function valueOf(setting: number | (() => number)): number {
	return typeof setting === 'number' ? setting : setting();
}

/** Lets a request in and gives what ends it, or refuses it. */
function createServer({ concurrency = Infinity, perMinute }: SimulatedServer, now: () => number) {
	let inFlight = 0;
	let starts: number[] = [];
	return (): (() => void) | undefined => {
		if (inFlight >= concurrency) return undefined;
		if (perMinute) {
			const begin =
				perMinute.window === 'sliding'
					? now() - MINUTE_MS
					: starts[0] !== undefined && now() - starts[0] < MINUTE_MS
						? -1
						: now();
			starts = starts.filter((start) => start > begin);
			if (starts.length >= perMinute.count) return undefined;
			starts.push(now());
		}
		inFlight++;
		return () => inFlight--;
	};
}
