import { RequestFailure } from '../errors/requestFailure';
import { backoffDelay, systemClock, type Clock } from './retry';

/** What a credential says that its account may do. */
export interface AccountLimits {
	/** Requests under way at once, at least 1. */
	concurrentRequests: number;
	/** Requests started within a minute; 0 means any number. */
	requestsPerMinute: number;
}

export interface ScheduleOptions {
	/** The limits of the request's own credential. */
	limits: AccountLimits;
	/** The node run that the request belongs to. Runs take turns, so that a long one does not shut out a short one. */
	run: object;
	/** Whether the request was sent before; such a one goes before those of its run that were never sent. */
	isRetry: boolean;
	/** How long the account may go without one success before what waits for it ends, in milliseconds. */
	maxElapsedMs: number;
	/** Takes the request out of the queue; the promise rejects with its reason. */
	signal: AbortSignal;
}

/** The pace of one account, shared by everything in this process that uses its key. */
export interface RateLimiter {
	/**
	 * Runs a task when the account allows another request, and learns from how it ends.
	 *
	 * @throws what the task throws, the signal's reason, or the RequestFailure that has kept the account from any
	 * success for too long
	 */
	schedule<T>(task: () => Promise<T>, options: ScheduleOptions): Promise<T>;
	/** Requests that may be under way at once at present. */
	currentConcurrency(): number;
	/** Whether nothing is under way or waiting. */
	isIdle(): boolean;
}

interface QueuedTask {
	start: (started: StartedTask) => Promise<void>;
	reject: (reason: unknown) => void;
	options: ScheduleOptions;
	/** A task that has left stays in its queue until its turn, since taking it out of the middle takes long. */
	hasLeft: boolean;
}

interface StartedTask {
	at: number;
	/** Requests of the account that were under way then, this one included. */
	inFlight: number;
	/** Whether it had waited for a place in the minute of its credential's limit. */
	waitedForWindow: boolean;
	wasRefused: boolean;
}

/** What counts towards one credential's limits. */
interface LimitSet {
	limits: AccountLimits;
	inFlight: number;
	starts: StartWindow;
}

const MINUTE_MS = 60_000;
/** However long a server asks to wait, one answer must not stop an account for the day. */
const MAX_COOLDOWN_MS = 10 * MINUTE_MS;
/** A window of requests a minute frees a place at any time, so it is asked for at least this often. */
const MAX_PROBE_DELAY_MS = 5_000;
/** A service that is out of service is asked for this often at least. */
const MAX_OUTAGE_PROBE_DELAY_MS = 8_000;
/** Failures in a row, without any other answer, that make an outage of bad luck. */
const FAILURES_OF_AN_OUTAGE = 3;
/** Successes before one more request at once is tried: at most one in so many images is refused by the trial. */
const SUCCESSES_TO_INCREASE = 15;
/**
 * Requests taken at a number, in a row, that prove the number. One may be luck: the service may have a place free while
 * the answer that tells of it is still on its way.
 */
const ACCEPTANCES_OF_A_PROOF = 3;
/** Until an account has answered once, its requests start so far apart, so that a lower limit refuses one, not all. */
const FIRST_STARTS_APART_MS = 20;
/** Some services take their time to refuse. */
const MAX_STARTS_APART_MS = 1_000;
const MAX_WINDOW_MARGIN_MS = 2_000;

/**
 * The pace of an account with nothing under way.
 *
 * Its concurrency follows AIMD (additive increase, multiplicative decrease; Chiu and Jain, 1989), as Netflix's
 * concurrency-limits and TCP use it, with one difference: the request that was refused tells how many were taken, so the
 * limit falls to that number and not by half. A 429 at a number of requests that is proven speaks of a rate, not of
 * concurrency: then the account waits, and its concurrency stays. It waits with growing delays, but looks at the moment
 * at which a minute since its oldest request has passed, since most services count by the minute.
 *
 * All times are monotonic, so that a clock which is set back delays nothing.
 *
 * @param windowMs the length of the "minute" of `requestsPerMinute`; tests shorten it
 */
export function createRateLimiter(
	windowMs = MINUTE_MS,
	{ now: currentTime, sleep }: Clock = systemClock,
): RateLimiter {
	/** The queues of the runs, in the order of their turns. */
	const runs = new Map<object, TaskQueue>();
	const limitSets = new Map<string, LimitSet>();
	const accountStarts = createStartWindow();
	let waiting = 0;
	let inFlight = 0;

	/** The concurrency that the service seems to take, where it is below what the credentials say. */
	let learnedConcurrency = Infinity;
	/** How many requests were taken in a row, by the number of requests that were under way. */
	const acceptances = new Map<number, number>();
	let successesSinceChange = 0;
	/** Whether the last change of the concurrency was an increase. */
	let wasIncreased = false;
	/** A proven number at which a request was refused; what is taken next tells whether it still holds. */
	let doubted: { concurrency: number; since: number } | undefined;
	let wasAnswered = false;
	/** How long the latest refusal was on its way, there and back. */
	let refusalMs = 0;
	/** Until when nothing starts, and how many answers in a row asked for that. */
	let cooldownUntil = 0;
	let cooldowns = 0;
	let lastThrottledAt = 0;
	/** When a minute since the oldest request before the first of these answers has passed. */
	let minuteEndsAt = 0;
	const recentStarts = createRecentStarts(windowMs);
	/** How much later than here the service's minute ends. */
	let windowMarginMs = 0;
	let lastStartAt = -Infinity;
	let failuresInARow = 0;
	let outage: { probes: number; nextProbeAt: number } | undefined;
	/** Since when the account has had failures and no success, and the last of them. */
	let trouble: { since: number; failure: RequestFailure } | undefined;
	let timer: { at: number; controller: AbortController } | undefined;

	/** The most that all credentials of this account allow together; while none is in use, what the last ones did. */
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

	/** When the minute of a credential's limit, or of the largest one for all of them, has a place again. */
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

	/** Where the next start may be refused, too, the one before it is given the time to tell so. */
	const startsApartMs = (): number => {
		if (cooldowns > 0) {
			return Math.max(FIRST_STARTS_APART_MS, Math.min(MAX_STARTS_APART_MS, refusalMs * 1.5));
		}
		return wasAnswered ? 0 : FIRST_STARTS_APART_MS;
	};

	/** The next task that may start now, or when to look again if time will bring one. */
	const findNext = (now: number): { task: QueuedTask; set: LimitSet } | { lookAt: number } => {
		const held = Math.max(
			cooldownUntil,
			outage?.nextProbeAt ?? 0,
			inFlight > 0 ? lastStartAt + startsApartMs() : 0,
		);
		const places = outage ? 1 : Math.min(concurrencyLimit(), learnedConcurrency);
		if (inFlight >= places) return { lookAt: Infinity };
		if (held > now) return { lookAt: held };
		let lookAt = Infinity;
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
				lookAt = Math.min(lookAt, opensAt);
				continue;
			}
			queue.take();
			// The run goes to the end, behind those that wait for their turn.
			runs.delete(run);
			runs.set(run, queue);
			return { task, set };
		}
		return { lookAt };
	};

	const startWhatMayStart = () => {
		while (waiting > 0) {
			const now = currentTime();
			const next = findNext(now);
			if ('lookAt' in next) {
				if (next.lookAt < Infinity) wakeAt(next.lookAt);
				return;
			}
			waiting--;
			void start(next.task, next.set, now);
		}
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
				startWhatMayStart();
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
			startWhatMayStart();
		}
	};

	const isProven = (concurrency: number): boolean => {
		let count = 0;
		for (const [number, times] of acceptances) if (number >= concurrency) count += times;
		return count >= ACCEPTANCES_OF_A_PROOF;
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
		trouble = undefined;
		cooldowns = 0;
		if (doubted && started.at >= doubted.since) {
			// Fewer were taken, so that it was their number after all.
			if (started.inFlight < doubted.concurrency) forgetProof(doubted.concurrency);
			doubted = undefined;
		}
		acceptances.set(started.inFlight, (acceptances.get(started.inFlight) ?? 0) + 1);
		if (learnedConcurrency === Infinity) return;
		successesSinceChange++;
		// Once a trial has gone well, the next one need not wait for long.
		const enough =
			wasIncreased && isProven(learnedConcurrency) ? ACCEPTANCES_OF_A_PROOF : SUCCESSES_TO_INCREASE;
		if (successesSinceChange < enough) return;
		successesSinceChange = 0;
		wasIncreased = true;
		if (learnedConcurrency < concurrencyLimit()) learnedConcurrency++;
		else learnedConcurrency = Infinity;
	};

	const onThrottled = (started: StartedTask, failure: RequestFailure) => {
		const now = currentTime();
		const { retryAfterMs } = failure.details;
		// A request that was refused takes no place in the service's minute.
		started.wasRefused = true;
		accountStarts.remove(started);
		for (const { starts } of limitSets.values()) starts.remove(started);
		const roundTrip = now - started.at;
		refusalMs = roundTrip;
		// Requests that were under way together are refused together; that is one event.
		const isNewEvent = started.at >= lastThrottledAt;
		lastThrottledAt = now;
		if (isNewEvent) {
			cooldowns++;
			if (cooldowns === 1) minuteEndsAt = recentStarts.oldestAt(now) + windowMs + roundTrip;
		}
		if (retryAfterMs === undefined && started.waitedForWindow) {
			// The service counts from the arrival of a request, so its minute ends later, by about the way there and back.
			windowMarginMs = Math.min(MAX_WINDOW_MARGIN_MS, windowMarginMs * 2 + roundTrip);
			cooldownUntil = Math.max(cooldownUntil, now + roundTrip);
			return;
		}
		// One that started later may have arrived before it.
		const refusedAt = Math.max(started.inFlight, inFlight);
		const speaksOfRate = refusedAt === 1 || isProven(refusedAt);
		if (!speaksOfRate) {
			learnedConcurrency = Math.max(1, Math.min(learnedConcurrency, refusedAt - 1));
			forgetProof(refusedAt);
			successesSinceChange = 0;
			wasIncreased = false;
			if (retryAfterMs === undefined) return;
		} else if (isNewEvent) {
			const concurrency = Math.min(doubted?.concurrency ?? Infinity, refusedAt);
			doubted = { concurrency, since: now };
		}
		const resumesAt =
			now +
			Math.min(
				MAX_COOLDOWN_MS,
				retryAfterMs ?? Math.min(MAX_PROBE_DELAY_MS, backoffDelay(Math.max(1, cooldowns)) / 2),
			);
		const passesMinute =
			retryAfterMs === undefined && now < minuteEndsAt && minuteEndsAt < resumesAt;
		cooldownUntil = Math.max(cooldownUntil, passesMinute ? minuteEndsAt : resumesAt);
	};

	const onUnavailable = ({ details }: RequestFailure) => {
		failuresInARow++;
		if (!outage && failuresInARow < FAILURES_OF_AN_OUTAGE) return;
		const probes = (outage?.probes ?? 0) + 1;
		const delay = Math.min(
			MAX_COOLDOWN_MS,
			details.retryAfterMs ?? Math.min(MAX_OUTAGE_PROBE_DELAY_MS, backoffDelay(probes)),
		);
		outage = { probes, nextProbeAt: currentTime() + delay };
	};

	const onFailed = (started: StartedTask, failure: RequestFailure) => {
		if (!failure.retryable) return onAnswered(started);
		trouble = { since: trouble?.since ?? started.at, failure };
		if (failure.isThrottled) onThrottled(started, failure);
		else if (failure.isUnavailable) onUnavailable(failure);
		endWhatWaitsTooLong();
	};

	/** The failure that keeps a task from starting before the account has been without a success for too long. */
	const failureThatLasts = ({ maxElapsedMs }: ScheduleOptions): RequestFailure | undefined => {
		if (!trouble) return undefined;
		const resumesAt = Math.max(currentTime(), cooldownUntil, outage?.nextProbeAt ?? 0);
		return resumesAt - trouble.since > maxElapsedMs
			? trouble.failure.with({ wasNotSent: true })
			: undefined;
	};

	/** A new run finds out itself how the service is, and soon, whatever the service asked of earlier ones. */
	const beginAnew = () => {
		trouble = undefined;
		const latest = currentTime() + MAX_OUTAGE_PROBE_DELAY_MS;
		if (outage) outage.nextProbeAt = Math.min(outage.nextProbeAt, latest);
	};

	const endWhatWaitsTooLong = () => {
		for (const [run, queue] of runs) {
			const next = queue.peek();
			const failure = next && failureThatLasts(next.options);
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
					hasLeft: false,
					reject: (reason) => {
						signal.removeEventListener('abort', leave);
						reject(reason as Error);
					},
					start: async (started) => {
						signal.removeEventListener('abort', leave);
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
				const leave = () => {
					queued.hasLeft = true;
					waiting--;
					if (waiting === 0) startWhatMayStart();
					reject(signal.reason as Error);
				};
				if (signal.aborted) return reject(signal.reason as Error);
				// Who comes later begins anew; for who was refused before, it has not passed.
				if (!options.isRetry && inFlight === 0 && waiting === 0) beginAnew();
				const failure = options.isRetry ? failureThatLasts(options) : undefined;
				if (failure) return reject(failure);
				signal.addEventListener('abort', leave, { once: true });
				const queue = runs.get(run) ?? createTaskQueue();
				runs.set(run, queue);
				queue.add(queued);
				waiting++;
				limitSetOf(options);
				startWhatMayStart();
			});
		},
		currentConcurrency: () => Math.min(concurrencyLimit(), learnedConcurrency),
		isIdle: () => inFlight === 0 && waiting === 0,
	};
}

type StartWindow = ReturnType<typeof createStartWindow>;

/** The latest starts that count towards a limit of requests a minute. */
function createStartWindow() {
	let starts: StartedTask[] = [];
	return {
		/** `limit` tells how many have to be remembered. */
		add(started: StartedTask, limit: number): void {
			starts.push(started);
			if (starts.length > 2 * limit + 100) starts = starts.slice(-limit);
		},
		remove(started: StartedTask): void {
			const index = starts.lastIndexOf(started);
			if (index !== -1) starts.splice(index, 1);
		},
		/** When one more start would be within the limit; 0 if it would have been at any time. */
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

/** The waiting tasks of a run, those that were sent before first. Each step takes the same time, however many wait. */
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
	/** Passes over those that have left, and gives memory back now and then. */
	const skipLeft = () => {
		while (head < tasks.length && tasks[head].hasLeft) head++;
		if (head > 1000 && head * 2 > tasks.length) {
			tasks = tasks.slice(head);
			head = 0;
		}
	};
	return {
		add: (task: QueuedTask) => void tasks.push(task),
		peek(): QueuedTask | undefined {
			skipLeft();
			return tasks[head];
		},
		take(): QueuedTask | undefined {
			skipLeft();
			return tasks[head++];
		},
		takeAll(): QueuedTask[] {
			const taken = tasks.slice(head).filter(({ hasLeft }) => !hasLeft);
			tasks = [];
			head = 0;
			return taken;
		},
	};
}

/** What an account has learned is worth keeping for so long after its last request. */
const IDLE_MS = 10 * MINUTE_MS;

const limiters = new Map<string, { limiter: RateLimiter; usedAt: number }>();
let isEvictionPlanned = false;

/**
 * The rate limiter of an account, the same one for every item, node and workflow of this process.
 *
 * @param accountId names the account without giving its key away
 */
export function rateLimiterFor(accountId: string): RateLimiter {
	const entry = limiters.get(accountId) ?? { limiter: createRateLimiter(), usedAt: 0 };
	entry.usedAt = performance.now();
	limiters.set(accountId, entry);
	planEviction();
	return entry.limiter;
}

/** A timeout signal does not keep the process running, as a timer would. */
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
