import { Refusal } from '../errors/nodeErrors';
import { quantity } from '../errors/quantity';
import { RequestFailure } from '../errors/requestFailure';
import { toRequestFailure } from './networkFailure';
import { wait } from './wait';

/** How long a request may take, in milliseconds. */
export interface Timeouts {
	/** Without a byte from the server. */
	silenceMs: number;
	/** From sending to the last byte. */
	totalMs: number;
}

/** Why the signals of a task abort after its end. Without a reason, each would create an error with a stack trace. */
const ENDED = new Error('The task has ended');

/** How long a task may still process received data after the server has timed out. */
const GRACE_PERIOD_MS = 5_000;

/** Creates the error for a wait that exceeded a limit, such as `120 seconds`. */
export type ToTimeoutError = (limit: string) => Error;

export interface Progress {
	/** Restarts the limit on silence. */
	onActivity(): void;
	/** When data was last sent or received, or the task began. */
	lastActivityAt(): number;
	/** Sets the error to throw if the wait that starts now takes too long. */
	setTimeoutError(toError: ToTimeoutError): void;
	/** Ends the task with this error, whatever other errors follow from it. */
	fail(error: Error): void;
}

/** The error for a server that sends nothing. */
export const toServerTimeout: ToTimeoutError = (limit) => new RequestFailure('timeout', { limit });

/** The error if n8n's binary data storage does not accept an image in time. */
export const toStorageTimeout: ToTimeoutError = (limit) =>
	new RequestFailure('storage', { text: `its storage did not accept it within ${limit}` });

/**
 * Runs a task with limits on its time. It does not wait for the task to react to its signal, because a network disk
 * that hangs would block the account. Only after a server's timeout does the task get a grace period, because it may
 * have received a whole response on a connection that stays open.
 *
 * @param task receives a signal that includes the limits, and aborts when the task has ended
 * @throws the timeout error, the error of `progress.fail`, the signal's reason, or the task's error as a RequestFailure,
 * unless it is a Refusal
 */
export async function withTimeout<T>(
	{ silenceMs, totalMs }: Timeouts,
	signal: AbortSignal,
	task: (signal: AbortSignal, progress: Progress) => Promise<T>,
): Promise<T> {
	signal.throwIfAborted();
	const startedAt = performance.now();
	let lastActivityAt = startedAt;
	let toTimeoutError = toServerTimeout;
	const ended = new AbortController();
	const watch = new AbortController();
	// A separate signal, because Node.js warns about many listeners on a shared one.
	const watched = AbortSignal.any([signal, watch.signal]);
	const progress: Progress = {
		onActivity: () => (lastActivityAt = performance.now()),
		lastActivityAt: () => lastActivityAt,
		setTimeoutError: (next) => (toTimeoutError = next),
		fail: (error) => {
			ended.abort(error);
			watch.abort(error);
		},
	};
	/** Rejects when the time is up, or when something else ends the task. */
	const watchTime = async (): Promise<never> => {
		for (;;) {
			const silenceEndsAt = lastActivityAt + silenceMs;
			const end = Math.min(silenceEndsAt, startedAt + totalMs);
			const left = end - performance.now();
			if (left <= 0) {
				const seconds = (end === silenceEndsAt ? silenceMs : totalMs) / 1000;
				const isServersFault = toTimeoutError === toServerTimeout;
				ended.abort(toTimeoutError(quantity(seconds, 'second')));
				if (isServersFault) await wait(Math.min(silenceMs, GRACE_PERIOD_MS), watched);
				throw ended.signal.reason as Error;
			}
			await wait(Math.ceil(left), watched);
		}
	};

	try {
		return await Promise.race([task(ended.signal, progress), watchTime()]);
	} catch (error) {
		signal.throwIfAborted();
		const failure = error instanceof Refusal ? error : toRequestFailure(error);
		// The task's own error follows from the abort, unless it is about a response that arrived whole.
		if (failure instanceof Refusal || failure.retryable) ended.signal.throwIfAborted();
		throw failure;
	} finally {
		watch.abort(ENDED);
		// Closes the connection of a response that the task refused, which the server may still be sending.
		ended.abort(ENDED);
	}
}
