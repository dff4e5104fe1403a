import { RequestFailure } from '../errors/requestFailure';
import { backoffDelay, systemClock, type Clock } from './retry';

/** The limits that a credential sets for its account. */
export interface AccountLimits {
	/** The maximum number of concurrent requests, at least 1. */
	concurrentRequests: number;
	/** The maximum number of requests started within a minute; 0 means no limit. */
	requestsPerMinute: number;
}

export interface ScheduleOptions {
	/** The limits of the request's own credential. */
	limits: AccountLimits;
	/** The node run that the request belongs to. Runs take turns, so that a long run does not block a short one. */
	run: object;
	/** Whether the request was sent before. Within a run, retries go first. */
	isRetry: boolean;
	/** How long the account may fail without a success before the waiting requests are rejected, in milliseconds. */
	maxElapsedMs: number;
	/** Removes the request from the queue; the promise rejects with the signal's reason. */
	signal: AbortSignal;
}

/** Limits the requests of one account. Everything in this process that uses the account's key shares it. */
export interface RateLimiter {
	/**
	 * Runs a task when the account allows another request, and adapts the limits to its outcome.
	 *
	 * @throws the task's error, the signal's reason, or the last RequestFailure of an account that has had no success
	 * for too long
	 */
	schedule<T>(task: () => Promise<T>, options: ScheduleOptions): Promise<T>;
	/** The maximum number of concurrent requests at present. */
	currentConcurrency(): number;
	/** Whether no request is in flight or waiting. */
	isIdle(): boolean;
}

interface QueuedTask {
	start: (started: StartedTask) => Promise<void>;
	reject: (reason: unknown) => void;
	options: ScheduleOptions;
	/** An aborted task stays in its queue until its turn, because removing it from the middle takes long. */
	isAborted: boolean;
}

interface StartedTask {
	at: number;
	/** The account's requests in flight at that time, including this one. */
	inFlight: number;
	/** Whether the task had to wait for the credential's Requests per Minute. */
	waitedForWindow: boolean;
	wasRefused: boolean;
}

/** The requests that count towards the limits of a credential. */
interface LimitSet {
	limits: AccountLimits;
	inFlight: number;
	starts: StartWindow;
}

const MINUTE_MS = 60_000;
/** A cap on `Retry-After`, so that one answer cannot block an account for a day. */
const MAX_COOLDOWN_MS = 10 * MINUTE_MS;
/** A limit per minute may allow another request at any time, so the limiter probes at least this often. */
const MAX_PROBE_DELAY_MS = 5_000;
/** The limiter probes a service that is down at least this often. */
const MAX_OUTAGE_PROBE_DELAY_MS = 8_000;
/** Consecutive failures, without any other answer, after which the limiter assumes an outage. */
const FAILURES_TO_DECLARE_OUTAGE = 3;
/** Successes before the limiter tries one more concurrent request, so that few requests are refused by such trials. */
const SUCCESSES_TO_INCREASE = 15;
/**
 * Accepted requests at a concurrency that prove it. A single one may be luck: the service may have finished a request
 * whose answer is still on its way.
 */
const ACCEPTANCES_TO_PROVE = 3;
/**
 * The time between the first requests of an account, so that an unexpectedly low limit refuses one of them, not all.
 */
const INITIAL_START_INTERVAL_MS = 20;
/** Some services take long to refuse a request. */
const MAX_START_INTERVAL_MS = 1_000;
const MAX_WINDOW_MARGIN_MS = 2_000;

/**
 * Creates the rate limiter of an account.
 *
 * The concurrency follows AIMD (additive increase, multiplicative decrease; Chiu and Jain, 1989), as in TCP and
 * Netflix's concurrency-limits, with one difference: a refused request shows how many requests the service accepts, so
 * the limit falls to that number instead of by half. A 429 at a proven concurrency indicates a rate limit: then the
 * account waits and keeps its concurrency. The delays grow, but the limiter also probes one minute after its oldest
 * request, because most services count per minute.
 *
 * All times are monotonic, so changes of the system time have no effect.
 *
 * @param windowMs the length of the "minute" of `requestsPerMinute`; tests shorten it
 */
export function createRateLimiter(
	windowMs = MINUTE_MS,
	{ now: currentTime, sleep }: Clock = systemClock,
): RateLimiter {
	/** The queues of the runs; the first run has the next turn. */
	const runs = new Map<object, TaskQueue>();
	const limitSets = new Map<string, LimitSet>();
	const accountStarts = createStartWindow();
	let waiting = 0;
	let inFlight = 0;

	/** The concurrency that the service seems to accept, if it is lower than the credentials' limits. */
	let learnedConcurrency = Infinity;
	/** How many requests were accepted, by the number of requests in flight. */
	const acceptances = new Map<number, number>();
	let successesSinceChange = 0;
	/** Whether the last change of the learned concurrency was an increase. */
	let wasIncreased = false;
	/**
	 * A proven concurrency at which a request was refused. The next accepted request shows whether it still applies.
	 */
	let doubtedLimit: { concurrency: number; since: number } | undefined;
	let wasAnswered = false;
	/** The round-trip time of the latest refused request. */
	let refusalMs = 0;
	/** No request starts before `cooldownUntil`. `cooldowns` counts consecutive refusals. */
	let cooldownUntil = 0;
	let cooldowns = 0;
	let lastThrottledAt = 0;
	/** One minute after the oldest request before the first of these refusals. */
	let minuteEndsAt = 0;
	const recentStarts = createRecentStarts(windowMs);
	/** How much later the service's minute ends than the local one. */
	let windowMarginMs = 0;
	let lastStartAt = -Infinity;
	let failuresInARow = 0;
	let outage: { probes: number; nextProbeAt: number } | undefined;
	/** Set while the account has failures without a success: the time of the first one, and the last failure. */
	let failingState: { since: number; failure: RequestFailure } | undefined;
	let timer: { at: number; controller: AbortController } | undefined;

	/** The highest limit of the account's credentials in use; if none is in use, the previous value. */
	let lastConcurrencyLimit = 1;
	const concurrencyLimit = () => {
		const limits = [...limitSets.values()].map((set) => set.limits.concurrentRequests);
		if (limits.length > 0) lastConcurrencyLimit = Math.max(...limits);
		return lastConcurrencyLimit;
	};

	const limitSetOf = ({ limits }: ScheduleOptions): LimitSet => {
		const id = `${limits.concurrentRequests} ${limits.requestsPerMinute}`;
		const known = limitSets.get(id) ?? { limits, inFlight: 0, starts: createStartWindow() };
		limitSets.set(id, known);
		return known;
	};

	/**
	 * When both the credential's limit per minute and the account's, which is the highest of all, allow another
	 * request.
	 */
	const windowOpensAt = ({ limits, starts }: LimitSet): number => {
		const perMinute = [...limitSets.values()].map((set) => set.limits.requestsPerMinute);
		const forAll = perMinute.includes(0) ? 0 : Math.max(...perMinute);
		const lengthMs = windowMs + windowMarginMs;
		return Math.max(
			starts.opensAt(limits.requestsPerMinute, lengthMs),
			accountStarts.opensAt(forAll, lengthMs),
		);
	};

	const forgetUnusedLimits = () => {
		const oldest = currentTime() - windowMs - windowMarginMs;
		for (const [id, set] of limitSets) {
			if (set.inFlight === 0 && set.starts.lastAt() < oldest) limitSets.delete(id);
		}
	};

	/** After refusals, a request waits long enough for the one before it to be refused first. */
	const startIntervalMs = (): number => {
		if (cooldowns > 0) {
			return Math.max(INITIAL_START_INTERVAL_MS, Math.min(MAX_START_INTERVAL_MS, refusalMs * 1.5));
		}
		return wasAnswered ? 0 : INITIAL_START_INTERVAL_MS;
	};

	/** The next task that may start now, or else the time at which to check again. */
	const findNext = (now: number): { task: QueuedTask; set: LimitSet } | { checkAt: number } => {
		const heldUntil = Math.max(
			cooldownUntil,
			outage?.nextProbeAt ?? 0,
			inFlight > 0 ? lastStartAt + startIntervalMs() : 0,
		);
		const slots = outage ? 1 : Math.min(concurrencyLimit(), learnedConcurrency);
		if (inFlight >= slots) return { checkAt: Infinity };
		if (heldUntil > now) return { checkAt: heldUntil };
		let checkAt = Infinity;
		for (const [run, queue] of runs) {
			const task = queue.peek();
			if (!task) {
				runs.delete(run);
				continue;
			}
			const set = limitSetOf(task.options);
			if (set.inFlight >= set.limits.concurrentRequests) continue;
			const opensAt = windowOpensAt(set);
			if (opensAt > now) {
				checkAt = Math.min(checkAt, opensAt);
				continue;
			}
			queue.take();
			// Moves the run to the end, behind the other waiting runs.
			runs.delete(run);
			runs.set(run, queue);
			return { task, set };
		}
		return { checkAt };
	};

	const startEligibleTasks = () => {
		while (waiting > 0) {
			const now = currentTime();
			const next = findNext(now);
			if ('checkAt' in next) {
				if (next.checkAt < Infinity) wakeAt(next.checkAt);
				return;
			}
			waiting--;
			void start(next.task, next.set, now);
		}
		// The queues are empty. A run is not kept in memory any longer than its requests wait.
		runs.clear();
		timer?.controller.abort();
		timer = undefined;
		forgetUnusedLimits();
	};

	const wakeAt = (at: number) => {
		if (timer && timer.at <= at) return;
		timer?.controller.abort();
		const mine = { at, controller: new AbortController() };
		timer = mine;
		sleep(Math.max(1, Math.ceil(at - currentTime())), mine.controller.signal).then(
			() => {
				if (timer !== mine) return;
				timer = undefined;
				startEligibleTasks();
			},
			() => undefined,
		);
	};

	const start = async (task: QueuedTask, set: LimitSet, now: number) => {
		inFlight++;
		set.inFlight++;
		lastStartAt = now;
		const { requestsPerMinute } = set.limits;
		const started: StartedTask = {
			at: now,
			inFlight,
			waitedForWindow: set.starts.opensAt(requestsPerMinute, windowMs) > 0,
			wasRefused: false,
		};
		recentStarts.add(started);
		if (requestsPerMinute > 0) {
			set.starts.add(started, requestsPerMinute);
			accountStarts.add(started, requestsPerMinute);
		}
		try {
			await task.start(started);
		} finally {
			inFlight--;
			set.inFlight--;
			startEligibleTasks();
		}
	};

	const isProven = (concurrency: number): boolean => {
		let count = 0;
		for (const [number, times] of acceptances) if (number >= concurrency) count += times;
		return count >= ACCEPTANCES_TO_PROVE;
	};
	const forgetProof = (concurrency: number) => {
		for (const number of acceptances.keys()) {
			if (number >= concurrency) acceptances.delete(number);
		}
	};

	const onAnswered = (started: StartedTask) => {
		wasAnswered = true;
		failuresInARow = 0;
		outage = undefined;
		failingState = undefined;
		cooldowns = 0;
		if (doubtedLimit && started.at >= doubtedLimit.since) {
			// The service accepts only fewer requests now, so the refusal was about concurrency after all.
			if (started.inFlight < doubtedLimit.concurrency) forgetProof(doubtedLimit.concurrency);
			doubtedLimit = undefined;
		}
		acceptances.set(started.inFlight, (acceptances.get(started.inFlight) ?? 0) + 1);
		if (learnedConcurrency === Infinity) return;
		successesSinceChange++;
		// After a successful increase, the next one may follow sooner.
		const enough =
			wasIncreased && isProven(learnedConcurrency) ? ACCEPTANCES_TO_PROVE : SUCCESSES_TO_INCREASE;
		if (successesSinceChange < enough) return;
		successesSinceChange = 0;
		wasIncreased = true;
		if (learnedConcurrency < concurrencyLimit()) learnedConcurrency++;
		else learnedConcurrency = Infinity;
	};

	const onThrottled = (started: StartedTask, failure: RequestFailure) => {
		const now = currentTime();
		const { retryAfterMs } = failure.details;
		// The service does not count a refused request towards its limit per minute.
		started.wasRefused = true;
		accountStarts.remove(started);
		for (const { starts } of limitSets.values()) starts.remove(started);
		const roundTrip = now - started.at;
		refusalMs = roundTrip;
		// Requests that were in flight together are refused together, which counts as one event.
		const isNewEvent = started.at >= lastThrottledAt;
		lastThrottledAt = now;
		if (isNewEvent) {
			cooldowns++;
			if (cooldowns === 1) minuteEndsAt = recentStarts.oldestAt(now) + windowMs + roundTrip;
		}
		if (retryAfterMs === undefined && started.waitedForWindow) {
			// The service's minute starts when a request arrives, so it ends later than the local one, by up to a round
			// trip.
			windowMarginMs = Math.min(MAX_WINDOW_MARGIN_MS, windowMarginMs * 2 + roundTrip);
			cooldownUntil = Math.max(cooldownUntil, now + roundTrip);
			return;
		}
		// A request that started later may have arrived earlier.
		const refusedAt = Math.max(started.inFlight, inFlight);
		const isRateLimit = refusedAt === 1 || isProven(refusedAt);
		if (!isRateLimit) {
			learnedConcurrency = Math.max(1, Math.min(learnedConcurrency, refusedAt - 1));
			forgetProof(refusedAt);
			successesSinceChange = 0;
			wasIncreased = false;
			if (retryAfterMs === undefined) return;
		} else if (isNewEvent) {
			const concurrency = Math.min(doubtedLimit?.concurrency ?? Infinity, refusedAt);
			doubtedLimit = { concurrency, since: now };
		}
		const resumesAt =
			now +
			Math.min(
				MAX_COOLDOWN_MS,
				retryAfterMs ?? Math.min(MAX_PROBE_DELAY_MS, backoffDelay(Math.max(1, cooldowns)) / 2),
			);
		const endsWithMinute =
			retryAfterMs === undefined && now < minuteEndsAt && minuteEndsAt < resumesAt;
		cooldownUntil = Math.max(cooldownUntil, endsWithMinute ? minuteEndsAt : resumesAt);
	};

	const onUnavailable = ({ details }: RequestFailure) => {
		failuresInARow++;
		if (!outage && failuresInARow < FAILURES_TO_DECLARE_OUTAGE) return;
		const probes = (outage?.probes ?? 0) + 1;
		const delay = Math.min(
			MAX_COOLDOWN_MS,
			details.retryAfterMs ?? Math.min(MAX_OUTAGE_PROBE_DELAY_MS, backoffDelay(probes)),
		);
		outage = { probes, nextProbeAt: currentTime() + delay };
	};

	const onFailed = (started: StartedTask, failure: RequestFailure) => {
		if (!failure.retryable) return onAnswered(started);
		failingState = { since: failingState?.since ?? started.at, failure };
		if (failure.isThrottled) onThrottled(started, failure);
		else if (failure.isUnavailable) onUnavailable(failure);
		rejectOverdueTasks();
	};

	/** The failure with which to reject a task that cannot start before the account has failed for too long. */
	const lastingFailure = ({ maxElapsedMs }: ScheduleOptions): RequestFailure | undefined => {
		if (!failingState) return undefined;
		const resumesAt = Math.max(currentTime(), cooldownUntil, outage?.nextProbeAt ?? 0);
		return resumesAt - failingState.since > maxElapsedMs
			? failingState.failure.with({ wasNotSent: true })
			: undefined;
	};

	/** A new run soon tests the service itself, however long the service told earlier runs to wait. */
	const resetFailures = ({ maxElapsedMs }: ScheduleOptions) => {
		failingState = undefined;
		const now = currentTime();
		if (outage) outage.nextProbeAt = Math.min(outage.nextProbeAt, now + MAX_OUTAGE_PROBE_DELAY_MS);
		// The run waits no longer than its own Give Up After.
		cooldownUntil = Math.min(cooldownUntil, now + maxElapsedMs);
	};

	const rejectOverdueTasks = () => {
		for (const [run, queue] of runs) {
			const next = queue.peek();
			const failure = next && lastingFailure(next.options);
			if (!failure) continue;
			runs.delete(run);
			for (const task of queue.takeAll()) {
				waiting--;
				task.reject(failure);
			}
		}
	};

	return {
		async schedule(task, options) {
			return await new Promise((resolve, reject) => {
				const { signal, run } = options;
				const queued: QueuedTask = {
					options,
					isAborted: false,
					reject: (reason) => {
						signal.removeEventListener('abort', abort);
						reject(reason as Error);
					},
					start: async (started) => {
						signal.removeEventListener('abort', abort);
						try {
							const result = await task();
							onAnswered(started);
							resolve(result);
						} catch (error) {
							if (error instanceof RequestFailure) onFailed(started, error);
							reject(error as Error);
						}
					},
				};
				const abort = () => {
					queued.isAborted = true;
					waiting--;
					if (waiting === 0) startEligibleTasks();
					reject(signal.reason as Error);
				};
				if (signal.aborted) return reject(signal.reason as Error);
				// A new request on an idle account gets a fresh start; a retry does not.
				if (!options.isRetry && inFlight === 0 && waiting === 0) resetFailures(options);
				const failure = options.isRetry ? lastingFailure(options) : undefined;
				if (failure) return reject(failure);
				signal.addEventListener('abort', abort, { once: true });
				const queue = runs.get(run) ?? createTaskQueue();
				runs.set(run, queue);
				queue.add(queued);
				waiting++;
				limitSetOf(options);
				startEligibleTasks();
			});
		},
		currentConcurrency: () => Math.min(concurrencyLimit(), learnedConcurrency),
		isIdle: () => inFlight === 0 && waiting === 0,
	};
}

type StartWindow = ReturnType<typeof createStartWindow>;

/** The latest starts that count towards a limit per minute. */
function createStartWindow() {
	let starts: StartedTask[] = [];
	return {
		/** Keeps at least the last `limit` starts. */
		add(started: StartedTask, limit: number): void {
			starts.push(started);
			if (starts.length > 2 * limit + 100) starts = starts.slice(-limit);
		},
		remove(started: StartedTask): void {
			const index = starts.lastIndexOf(started);
			if (index !== -1) starts.splice(index, 1);
		},
		/** When the limit allows another start; 0 if it is not reached. */
		opensAt(limit: number, lengthMs: number): number {
			const last = limit > 0 ? starts.at(-limit) : undefined;
			return last === undefined || starts.length < limit ? 0 : last.at + lengthMs;
		},
		lastAt: () => starts.at(-1)?.at ?? -Infinity,
	};
}

/** The starts of the last minute that were not refused. */
function createRecentStarts(lengthMs: number) {
	let starts: StartedTask[] = [];
	let head = 0;
	const forgetBefore = (time: number) => {
		while (head < starts.length && (starts[head].at < time || starts[head].wasRefused)) head++;
		if (head > 1000 && head * 2 > starts.length) {
			starts = starts.slice(head);
			head = 0;
		}
	};
	return {
		add(started: StartedTask): void {
			forgetBefore(started.at - lengthMs);
			starts.push(started);
		},
		oldestAt(now: number): number {
			forgetBefore(now - lengthMs);
			return starts[head]?.at ?? now;
		},
	};
}

type TaskQueue = ReturnType<typeof createTaskQueue>;

/** The waiting tasks of a run, retries first. Each operation takes constant time. */
function createTaskQueue() {
	const lanes = [createLane(), createLane()];
	const firstLane = () => lanes.find((lane) => lane.peek());
	return {
		add: (task: QueuedTask) => lanes[task.options.isRetry ? 0 : 1].add(task),
		peek: () => firstLane()?.peek(),
		take: () => firstLane()?.take(),
		takeAll: () => lanes.flatMap((lane) => lane.takeAll()),
	};
}

function createLane() {
	let tasks: QueuedTask[] = [];
	let head = 0;
	/** Skips aborted tasks, and frees memory from time to time. */
	const skipAborted = () => {
		while (head < tasks.length && tasks[head].isAborted) head++;
		if (head > 1000 && head * 2 > tasks.length) {
			tasks = tasks.slice(head);
			head = 0;
		}
	};
	return {
		add: (task: QueuedTask) => void tasks.push(task),
		peek(): QueuedTask | undefined {
			skipAborted();
			return tasks[head];
		},
		take(): QueuedTask | undefined {
			skipAborted();
			return tasks[head++];
		},
		takeAll(): QueuedTask[] {
			const taken = tasks.slice(head).filter(({ isAborted }) => !isAborted);
			tasks = [];
			head = 0;
			return taken;
		},
	};
}

/** How long an account's learned limits are kept after its last request. */
const IDLE_MS = 10 * MINUTE_MS;

const limiters = new Map<string, { limiter: RateLimiter; usedAt: number }>();
let isEvictionPlanned = false;

/**
 * The rate limiter of an account, shared by all items, nodes and workflows of this process.
 *
 * @param accountId identifies the account without revealing its key
 */
export function rateLimiterFor(accountId: string): RateLimiter {
	const entry = limiters.get(accountId) ?? { limiter: createRateLimiter(), usedAt: 0 };
	entry.usedAt = performance.now();
	limiters.set(accountId, entry);
	planEviction();
	return entry.limiter;
}

/** Uses a timeout signal because, unlike a timer, it does not keep the process running. */
function planEviction(): void {
	if (isEvictionPlanned) return;
	isEvictionPlanned = true;
	AbortSignal.timeout(IDLE_MS).addEventListener('abort', () => {
		isEvictionPlanned = false;
		for (const [id, { limiter, usedAt }] of limiters) {
			if (limiter.isIdle() && performance.now() - usedAt >= IDLE_MS) limiters.delete(id);
		}
		if (limiters.size > 0) planEviction();
	});
}
