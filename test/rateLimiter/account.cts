import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';
import type { AccountLimits } from '../../nodes/StepFunImage/transport/rateLimiter/credentialLimits';
import { createRateLimiter } from '../../nodes/StepFunImage/transport/rateLimiter/rateLimiter';
import type { ScheduleOptions } from '../../nodes/StepFunImage/transport/rateLimiter/taskQueue';
import { createVirtualClock } from './virtualClock.cts';

/** How long a request takes in virtual time unless it says otherwise; nothing else takes any. */
const LATENCY_MS = 100;

/** The run that a task belongs to unless it names another. */
export const RUN = {};

export const throttled = (retryAfterMs?: number) =>
	new RequestFailure('status', { status: 429, retryAfterMs });
export const failed = (status: number, retryAfterMs?: number) =>
	new RequestFailure('status', { status, retryAfterMs });

/** Takes the jitter away in every test of a file: delays are half of what they are at most. */
export function withoutJitter(): void {
	beforeEach(() => {
		jest.spyOn(Math, 'random').mockReturnValue(0);
	});
	afterEach(() => jest.restoreAllMocks());
}

export interface Task extends Partial<Omit<ScheduleOptions, 'limits'>> {
	label?: string;
	takesMs?: number;
	failure?: Error;
	/** Concurrent requests, and requests a minute. */
	limits?: [concurrentRequests: number, requestsPerMinute?: number];
}

/** A new account with a rate limiter and a virtual clock of its own. */
export function createAccount() {
	const clock = createVirtualClock();
	const limiter = createRateLimiter(clock);
	const starts: Array<[label: string, at: number]> = [];
	const schedule = async (task: Task = {}) => {
		const { label = '', takesMs = LATENCY_MS, failure, limits: [most, perMinute = 0] = [1] } = task;
		const limits: AccountLimits = { concurrentRequests: most, requestsPerMinute: perMinute };
		return await limiter.schedule(
			async () => {
				starts.push([label, clock.now()]);
				await clock.sleep(takesMs);
				if (failure) throw failure;
				return label;
			},
			{
				run: task.run ?? RUN,
				isRetry: task.isRetry ?? false,
				maxElapsedMs: task.maxElapsedMs ?? 600_000,
				signal: task.signal ?? new AbortController().signal,
				limits,
			},
		);
	};
	/** Schedules tasks together, and lets time pass until all of them are over. */
	const runAll = async (tasks: Task[]) =>
		await clock.run(Promise.allSettled(tasks.map(async (task) => await schedule(task))));
	return { clock, limiter, starts, schedule, runAll, times: () => starts.map(([, at]) => at) };
}

export const times = (count: number, task: Task = {}): Task[] =>
	Array.from({ length: count }, () => task);
