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

/** The waiting tasks of an account. Calls `onEmpty` when no task waits any more. */
export function createTaskQueue(onEmpty: () => void) {
	/** The tasks of each run: its retries, and its other tasks. The first run has the next turn. */
	const runs = new Map<object, Array<Set<QueuedTask>>>();
	let size = 0;

	function* inOrder([retries, others]: Array<Set<QueuedTask>>): Generator<QueuedTask, undefined> {
		yield* retries;
		yield* others;
	}

	return {
		size: () => size,

		/** Adds a task. Returns its result, or throws the error with which it was rejected before it started. */
		async add<T>(options: ScheduleOptions, waitsSince: number, run: () => Promise<T>): Promise<T> {
			const { run: id, signal, isRetry } = options;
			const tasks = runs.get(id) ?? [new Set(), new Set()];
			const queue = tasks[isRetry ? 0 : 1];
			runs.set(id, tasks);
			size++;
			return await new Promise((resolve, reject) => {
				const end = (settle: () => void) => {
					signal.removeEventListener('abort', abort);
					queue.delete(task);
					size--;
					if (size === 0) {
						// A run is not kept in memory any longer than its requests wait.
						runs.clear();
						onEmpty();
					}
					settle();
				};
				const task: QueuedTask = {
					options,
					waitsSince,
					start: () => end(() => resolve(run())),
					reject: (reason) => end(() => reject(reason as Error)),
				};
				const abort = () => task.reject(signal.reason);
				signal.addEventListener('abort', abort);
				queue.add(task);
			});
		},

		/** Finds the first task that may start. Its run gets its next turn after the other waiting runs. */
		next(mayStart: (options: ScheduleOptions) => boolean): QueuedTask | undefined {
			for (const [id, tasks] of runs) {
				const task = inOrder(tasks).next().value;
				if (task && !mayStart(task.options)) continue;
				runs.delete(id);
				if (!task) continue;
				runs.set(id, tasks);
				return task;
			}
			return undefined;
		},

		/** Rejects the tasks of each run in order, up to the first one for which the function returns no error. */
		rejectOverdue(
			errorFor: (options: ScheduleOptions, waitsSince: number) => Error | undefined,
		): void {
			for (const tasks of runs.values()) {
				for (const task of inOrder(tasks)) {
					const error = errorFor(task.options, task.waitsSince);
					if (!error) break;
					task.reject(error);
				}
			}
		},
	};
}
