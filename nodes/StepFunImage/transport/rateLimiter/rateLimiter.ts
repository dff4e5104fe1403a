import { RequestFailure } from '../../errors/requestFailure';
import { systemClock } from '../retry';
import { createAdaptiveConcurrency } from './adaptiveConcurrency';
import { createCooldown } from './cooldown';
import { createCredentialLimits, type LimitSet } from './credentialLimits';
import { createTaskQueue, type ScheduleOptions } from './taskQueue';

export type RateLimiter = ReturnType<typeof createRateLimiter>;

interface StartedTask {
	at: number;
	/** The account's requests in flight at that time, including this one. */
	inFlight: number;
	limitSet: LimitSet;
	/** Whether the task had to wait for the credential's Requests per Minute. */
	waitedForWindow: boolean;
}

/**
 * Creates the rate limiter of an account, which everything in this process that uses the account's key shares.
 *
 * The next task of the queue starts as soon as three parts allow it: the limits of its own credential, the concurrency
 * that the service has accepted so far, and the cooldown after refusals and outages. They learn from each task's outcome.
 */
export function createRateLimiter({ now, sleep } = systemClock) {
	const queue = createTaskQueue(() => wakeAt(Infinity));
	const limits = createCredentialLimits();
	const concurrency = createAdaptiveConcurrency();
	const cooldown = createCooldown();
	let inFlight = 0;
	let lastResponseAt = -Infinity;
	let timer = { at: Infinity, controller: new AbortController() };
	/** Set while the account has failures without a success: since when, and the last failure, for unsent requests. */
	let failing: { since: number; unsent: RequestFailure } | undefined;

	const currentConcurrency = () => Math.min(limits.maxConcurrency(), concurrency.learned());
	const isIdle = () => inFlight === 0 && queue.size() === 0;

	/** When the account allows another request; `Infinity` if one must end first. */
	const allowsAt = (): number => {
		if (inFlight >= (cooldown.isDown() ? 1 : currentConcurrency())) return Infinity;
		return cooldown.nextStartAt(inFlight);
	};

	const startTasks = () => {
		while (queue.size() > 0) {
			const at = now();
			if (allowsAt() > at) return wakeAt(allowsAt());
			let checkAt = Infinity;
			const task = queue.next((options) => {
				const startsAt = limits.allowsAt(limits.setOf(options.limits));
				checkAt = Math.min(checkAt, startsAt);
				return startsAt <= at;
			});
			if (!task) return wakeAt(checkAt);
			task.start();
		}
		limits.forgetUnused(now());
	};

	/** Checks the queue again at a time; `Infinity` if the end of another request is the next event. */
	const wakeAt = (at: number) => {
		if (at === timer.at) return;
		timer.controller.abort();
		const next = { at, controller: new AbortController() };
		timer = next;
		if (at === Infinity) return;
		const wake = () => {
			next.at = Infinity;
			startTasks();
		};
		sleep(Math.max(1, Math.ceil(at - now())), next.controller.signal).then(wake, () => undefined);
	};

	const runTask = async <T>(task: () => Promise<T>, limitSet: LimitSet): Promise<T> => {
		const at = now();
		inFlight++;
		limitSet.inFlight++;
		cooldown.countStart(at);
		const waitedForWindow = limits.countStart(limitSet, at);
		const started = { at, inFlight, limitSet, waitedForWindow };
		let startNext = startTasks;
		try {
			const result = await task();
			onResponse(started);
			return result;
		} catch (error) {
			if (error instanceof RequestFailure) {
				onFailed(started, error);
				// In a moment, because the failure may make waiting requests pointless.
				startNext = () => wakeAt(now());
			}
			throw error as Error;
		} finally {
			inFlight--;
			limitSet.inFlight--;
			startNext();
		}
	};

	const onResponse = (started: StartedTask) => {
		failing = undefined;
		lastResponseAt = now();
		cooldown.onResponse();
		concurrency.onAccepted(started.at, started.inFlight, limits.maxConcurrency());
	};

	const onFailed = (started: StartedTask, failure: RequestFailure) => {
		if (!failure.retryable) return onResponse(started);
		// A request that takes long may fail after others that started later have succeeded.
		const since = failing?.since ?? Math.max(started.at, lastResponseAt);
		// The IDs belong to the failed request.
		const unsent = failure.with({ wasNotSent: true, id: undefined, traceId: undefined });
		failing = { since, unsent };
		const { retryAfterMs } = failure.details;
		if (failure.details.status === 429) onThrottled(started, retryAfterMs);
		else if (failure.isUnavailable) cooldown.onUnavailable(now(), retryAfterMs);
		queue.rejectOverdue(lastingFailure);
	};

	const onThrottled = (started: StartedTask, retryAfterMs: number | undefined) => {
		const at = now();
		limits.discountStart(started.limitSet, started.at);
		const isNewEvent = cooldown.countRefusal(started.at, at);
		if (retryAfterMs === undefined && started.waitedForWindow) {
			const roundTripMs = at - started.at;
			limits.extendWindow(roundTripMs);
			cooldown.extendTo(at + roundTripMs);
			return;
		}
		// A request that started later may have arrived earlier.
		const refusedAt = Math.max(started.inFlight, inFlight);
		const isConcurrencyLimit = concurrency.onRefused(refusedAt, isNewEvent, at);
		if (!isConcurrencyLimit || retryAfterMs !== undefined) cooldown.backOff(at, retryAfterMs);
	};

	/** The failure for a task that would wait for a failing account longer than `maxElapsedMs` before it can start. */
	const lastingFailure = (
		{ maxElapsedMs }: ScheduleOptions,
		waitsSince = -Infinity,
	): RequestFailure | undefined => {
		if (!failing) return undefined;
		const waitMs = Math.max(now(), cooldown.nextStartAt(0)) - Math.max(failing.since, waitsSince);
		return waitMs > maxElapsedMs ? failing.unsent : undefined;
	};

	return {
		/**
		 * Runs a task when the account allows another request, and adapts the limits to its outcome.
		 *
		 * @throws the task's error, the signal's reason, or the last RequestFailure of an account that has had no success
		 * for too long
		 */
		async schedule<T>(task: () => Promise<T>, options: ScheduleOptions): Promise<T> {
			options.signal.throwIfAborted();
			// A new request on an idle account gets a fresh start; a retry does not.
			if (!options.isRetry && isIdle()) {
				failing = undefined;
				cooldown.onNewRun(now(), options.maxElapsedMs);
			}
			const failure = options.isRetry ? lastingFailure(options) : undefined;
			if (failure) throw failure;
			const limitSet = limits.setOf(options.limits);
			const waitsSince = options.isRetry ? -Infinity : now();
			const result = queue.add(options, waitsSince, async () => await runTask(task, limitSet));
			startTasks();
			return await result;
		},
		/** The maximum number of concurrent requests at present. */
		currentConcurrency,
		/** Whether no request is in flight or waiting. */
		isIdle,
	};
}
