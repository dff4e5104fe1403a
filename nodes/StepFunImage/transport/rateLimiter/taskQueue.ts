import Queue from 'yocto-queue';

import type { AccountLimits } from './credentialLimits';

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

interface QueuedTask {
	options: ScheduleOptions;
	waitsSince: number;
	start(): void;
	reject(reason: unknown): void;
}

/**
 * The waiting tasks of an account. Each operation takes constant time.
 *
 * @param onEmpty called when no task waits any more
 */
export function createTaskQueue(onEmpty: () => void) {
	/** Two queues for each run: its retries, and its other tasks. The first run has the next turn. */
	const runs = new Map<object, Array<Queue<QueuedTask>>>();
	let size = 0;

	/** The queue whose head is the next task; `undefined` if none waits. */
	const nextQueue = (queues: Array<Queue<QueuedTask>>) =>
		queues.find((queue) => {
			// An aborted task stays in its queue until its turn, because removing it from the middle takes long.
			while (queue.peek()?.options.signal.aborted) queue.dequeue();
			return queue.size > 0;
		});

	return {
		size: () => size,

		/**
		 * Adds a task, and returns its result, or the error with which it is rejected before.
		 *
		 * @param waitsSince passed on to `rejectOverdue`
		 */
		async add<T>(options: ScheduleOptions, waitsSince: number, run: () => Promise<T>): Promise<T> {
			const { run: id, signal, isRetry } = options;
			const queues = runs.get(id) ?? [new Queue(), new Queue()];
			runs.set(id, queues);
			size++;
			return await new Promise((resolve, reject) => {
				const leave = () => {
					signal.removeEventListener('abort', abort);
					size--;
					if (size > 0) return;
					// A run is not kept in memory any longer than its requests wait.
					runs.clear();
					onEmpty();
				};
				const rejectWith = (reason: unknown) => {
					leave();
					reject(reason as Error);
				};
				const abort = () => rejectWith(signal.reason);
				const start = () => {
					leave();
					resolve(run());
				};
				signal.addEventListener('abort', abort);
				queues[isRetry ? 0 : 1].enqueue({ options, waitsSince, start, reject: rejectWith });
			});
		},

		/** Takes the first task that may start. Its run gets its next turn after the other waiting runs. */
		take(mayStart: (options: ScheduleOptions) => boolean): QueuedTask | undefined {
			for (const [id, queues] of runs) {
				const queue = nextQueue(queues);
				const task = queue?.peek();
				if (task && !mayStart(task.options)) continue;
				runs.delete(id);
				if (!task) continue;
				runs.set(id, queues);
				return queue?.dequeue();
			}
			return undefined;
		},

		/** Rejects the next task of each run, and then those after it, as long as the function returns an error for it. */
		rejectOverdue(
			errorFor: (options: ScheduleOptions, waitsSince: number) => Error | undefined,
		): void {
			for (const queues of runs.values()) {
				for (let queue = nextQueue(queues); queue; queue = nextQueue(queues)) {
					const task = queue.peek();
					const error = task && errorFor(task.options, task.waitsSince);
					if (!error) break;
					queue.dequeue();
					task.reject(error);
				}
			}
		},
	};
}
