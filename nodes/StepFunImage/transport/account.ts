import { createHash } from 'node:crypto';
import { sleep, type IExecutePaginationFunctions } from 'n8n-workflow';
import pLimit from 'p-limit';

import { strikeOutSecrets } from '../errors/strikeOut';
import type { ImageRequest } from '../request/prepareRequest';
import { backoff } from './retry';
import type { Run } from './run';

/** What the credential says an account may do. */
export interface AccountLimits {
	/** Requests under way at once, at least 1. */
	concurrentRequests: number;
	/** Requests started within a minute; 0 means any number. */
	requestsPerMinute: number;
}

/** The pace of one account, shared by everything in this process that uses its key. */
export interface Account {
	/**
	 * Runs a task when the account allows another request.
	 *
	 * Runs take turns, and within a run the order is kept, so that a long run does not shut out a
	 * short one. A task that is sent again goes before those that were never sent.
	 *
	 * @param run the node run that the task belongs to
	 * @param task sends one request
	 * @param options.again whether the task was sent before
	 * @param options.signal takes the task out of the queue; the promise rejects with its reason
	 * @param options.isPointless whether the task will send nothing, so that it need not wait
	 */
	perform<T>(
		run: object,
		task: () => Promise<T>,
		options: { again: boolean; signal: AbortSignal; isPointless?: () => boolean },
	): Promise<T>;
	/**
	 * The service said 429 to a request: the whole account waits.
	 *
	 * @param startedAt when that request was sent, in milliseconds since 1970
	 * @param waitMs what `Retry-After` asked for; without it the account also learns how many
	 * requests the service takes at once
	 * @returns how long the account now waits, in milliseconds
	 */
	slowDown(startedAt: number, waitMs: number | undefined): number;
	/** A request was answered; after some of these the pace recovers. */
	succeeded(): void;
	/** Bounds downloads of results, which come from another host and count on their own. */
	download<T>(task: () => Promise<T>): Promise<T>;
	/** Sets what the credential says now. */
	setLimits(limits: AccountLimits): void;
	/** Requests that may be under way at once at present. */
	currentConcurrency(): number;
}

interface Waiter {
	start: () => Promise<void>;
	again: boolean;
	isPointless: () => boolean;
}

const MINUTE_MS = 60_000;
/** However long a server asks to wait, one answer must not stop an account for the day. */
const LONGEST_PAUSE_MS = 10 * MINUTE_MS;
/** How long it may take until those are noticed that a failure elsewhere has made pointless. */
const LONGEST_NAP_MS = 1_000;
/** Successes before one more request at once is tried; doubled each time that this was too many. */
const SUCCESSES_TO_RECOVER = 10;
const MOST_SUCCESSES_TO_RECOVER = 160;

/**
 * An account with nothing under way.
 *
 * @param limits what the credential says
 * @param windowMs the length of the "minute" of `requestsPerMinute`; tests shorten it
 */
export function createAccount(limits: AccountLimits, windowMs = MINUTE_MS): Account {
	let allowed = limits;
	const slots = pLimit(limits.concurrentRequests);
	const downloads = pLimit(limits.concurrentRequests);

	/** Runs in the order of their turns; each with its waiting tasks. */
	const queues = new Map<object, Waiter[]>();
	const startTimes: number[] = [];
	let inFlight = 0;
	let pausedUntil = 0;
	let lastSlowDown = 0;
	let slowDownsInARow = 0;
	let successes = 0;
	let successesToRecover = SUCCESSES_TO_RECOVER;
	/** Ends the present wait early when nobody waits any more. */
	let pause = new AbortController();

	const enqueue = (run: object, waiter: Waiter) => {
		const queue = queues.get(run) ?? [];
		if (waiter.again) queue.splice(queue.filter(({ again }) => again).length, 0, waiter);
		else queue.push(waiter);
		queues.set(run, queue);
	};

	const remove = (run: object, waiter: Waiter) => {
		const queue = queues.get(run);
		if (!queue?.includes(waiter)) return;
		queue.splice(queue.indexOf(waiter), 1);
		if (queue.length === 0) queues.delete(run);
		if (queues.size === 0) pause.abort();
	};

	/** The next task of the run whose turn it is; that run then goes to the end. */
	const takeNext = (): Waiter | undefined => {
		const [turn] = queues;
		if (!turn) return undefined;
		const [run, queue] = turn;
		const waiter = queue.shift();
		queues.delete(run);
		if (queue.length > 0) queues.set(run, queue);
		return waiter;
	};

	/** Lets those go that send nothing; they must neither wait for the pace nor take part of it. */
	const startPointless = () => {
		for (const [run, queue] of [...queues]) {
			for (const waiter of queue.filter(({ isPointless }) => isPointless())) {
				remove(run, waiter);
				void waiter.start();
			}
		}
	};

	const msUntilAllowed = (now: number): number => {
		while (startTimes.length > 0 && startTimes[0] <= now - windowMs) startTimes.shift();
		const windowIsFull =
			allowed.requestsPerMinute > 0 && startTimes.length >= allowed.requestsPerMinute;
		return Math.max(
			pausedUntil - now,
			windowIsFull ? startTimes[startTimes.length - allowed.requestsPerMinute] + windowMs - now : 0,
		);
	};

	const startNext = async () => {
		for (;;) {
			startPointless();
			if (queues.size === 0) return;
			const wait = msUntilAllowed(Date.now());
			if (wait <= 0) break;
			if (pause.signal.aborted) pause = new AbortController();
			// Rejects only when the last waiting task has left, which the next round sees.
			// A signal of its own, since Node warns of many listeners on a shared one.
			const nap = Math.min(wait, LONGEST_NAP_MS);
			await sleep(nap, AbortSignal.any([pause.signal])).catch(() => undefined);
		}
		startTimes.push(Date.now());
		inFlight++;
		try {
			await takeNext()?.start();
		} finally {
			inFlight--;
		}
	};

	return {
		async perform(run, task, { again, signal, isPointless = () => false }) {
			return await new Promise((resolve, reject) => {
				const waiter: Waiter = {
					again,
					isPointless,
					start: async () => {
						signal.removeEventListener('abort', leave);
						await task().then(resolve, reject);
					},
				};
				const leave = () => {
					remove(run, waiter);
					reject(signal.reason as Error);
				};
				if (signal.aborted) return leave();
				signal.addEventListener('abort', leave, { once: true });
				enqueue(run, waiter);
				void slots(startNext);
			});
		},

		slowDown(startedAt, waitMs) {
			const now = Date.now();
			// Requests that were under way together are refused together; that is one event.
			const isNewEvent = startedAt >= lastSlowDown;
			if (isNewEvent) slowDownsInARow++;
			if (waitMs === undefined) {
				// The others under way were let in: so many are taken at once.
				const taken = Math.max(1, Math.min(slots.concurrency, inFlight - 1));
				if (isNewEvent && successes > 0) {
					successesToRecover = Math.min(MOST_SUCCESSES_TO_RECOVER, successesToRecover * 2);
				}
				slots.concurrency = taken;
			}
			successes = 0;
			lastSlowDown = now;
			// Half of an item's backoff: the refused request cost nothing.
			const wait = Math.min(waitMs ?? backoff(slowDownsInARow) / 2, LONGEST_PAUSE_MS);
			pausedUntil = Math.max(pausedUntil, now + wait);
			return pausedUntil - now;
		},

		succeeded() {
			slowDownsInARow = 0;
			successes++;
			if (slots.concurrency < allowed.concurrentRequests && successes >= successesToRecover) {
				successes = 0;
				slots.concurrency++;
			}
		},

		download: async (task) => await downloads(task),

		setLimits(limits) {
			const changed = limits.concurrentRequests !== allowed.concurrentRequests;
			allowed = limits;
			if (!changed) return;
			slots.concurrency = limits.concurrentRequests;
			downloads.concurrency = limits.concurrentRequests;
		},

		currentConcurrency: () => slots.concurrency,
	};
}

const accounts = new Map<string, Account>();

/**
 * The account behind a key, the same one for every item, node and workflow of this process.
 *
 * @param apiKey the key; only a hash of it is kept
 * @param baseUrl where it is used, since limits are counted per service
 * @param limits what the credential says
 */
export function accountFor(apiKey: string, baseUrl: string, limits: AccountLimits): Account {
	const id = createHash('sha256')
		.update(`${new URL(baseUrl).host}\n${apiKey}`)
		.digest('hex');
	const known = accounts.get(id);
	if (known) {
		known.setLimits(limits);
		return known;
	}
	const account = createAccount(limits);
	accounts.set(id, account);
	return account;
}

/**
 * The account of the item's credential, and what takes the credential's secrets out of a server's words.
 *
 * @param context the item's execution context
 * @param run the node run that the item belongs to
 * @param request a request of the item, for its address
 */
export async function accountOf(
	context: IExecutePaginationFunctions,
	run: Run,
	request: Pick<ImageRequest, 'options'>,
) {
	const credential = await context.getCredentials('stepFunApi');
	const apiKey = String(credential.apiKey ?? '').trim();
	const account = accountFor(apiKey, request.options.baseURL ?? '', {
		concurrentRequests: Math.max(1, Math.floor(Number(credential.concurrentRequests ?? 5)) || 5),
		requestsPerMinute: Math.max(0, Math.floor(Number(credential.requestsPerMinute ?? 0)) || 0),
	});
	return { account, strikeOut: strikeOutSecrets(credential, run.strikeOuts) };
}
