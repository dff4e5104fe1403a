import { RequestFailure } from '../errors/requestFailure';
import { wait } from './wait';

/** How long a request may take, in milliseconds. */
export interface Timeouts {
	/** Without a byte from the server. */
	silenceMs: number;
	/** In all, from sending to the last byte. */
	totalMs: number;
}

/** What is here already may be used within this time after the server fell silent. */
const MAX_ENDING_MS = 5_000;

/** The error of a wait that took too long, by the seconds that it may take. */
export type ToTimeoutError = (seconds: number) => Error;

/** What a task tells of its progress. */
export interface Progress {
	/** A sign of life. */
	onAlive(): void;
	/** Says what is waited for from now on, by the error that is to be thrown when it takes too long. */
	waitFor(toError: ToTimeoutError): void;
	/** Ends the task with an error that its caller reads as it is, whatever else breaks because of it. */
	fail(error: Error): void;
}

/** The server is silent. */
export const toServerTimeout: ToTimeoutError = (seconds) =>
	new RequestFailure('timeout', { seconds });

/** n8n's binary data storage does not take, or does not keep, an image that is here. */
export const toStorageTimeout: ToTimeoutError = (seconds) =>
	new RequestFailure('storage', {
		text: `its storage did not accept it within ${seconds} seconds`,
	});

/**
 * Runs a task with limits on its time.
 *
 * The task is raced against its end, since what it waits for may be deaf to its signal: a network disk that hangs, for
 * one, would hold an account's place for ever. Only behind a server's silence the task has a moment to end by itself,
 * for an answer that is whole may be used although its connection stays open.
 *
 * @param signal ends the task early
 * @param toError the error of a task that takes too long, until the task says otherwise
 * @param task gets a signal that knows the limits too
 * @throws what `toError` makes, what the task fails with, the signal's reason, or what the task throws
 */
export async function withinLimits<T>(
	{ silenceMs, totalMs }: Timeouts,
	signal: AbortSignal,
	toError: ToTimeoutError,
	task: (signal: AbortSignal, progress: Progress) => Promise<T>,
): Promise<T> {
	signal.throwIfAborted();
	const startedAt = performance.now();
	let aliveAt = startedAt;
	let toTimeoutError = toError;
	const ended = new AbortController();
	const watch = new AbortController();
	// A signal of its own, since Node.js warns of many listeners on a shared one.
	const canceled = AbortSignal.any([signal]);
	const untilTooLong = async (): Promise<void> => {
		for (;;) {
			const silentAt = aliveAt + silenceMs;
			const end = Math.min(silentAt, startedAt + totalMs);
			const left = end - performance.now();
			if (left <= 0) {
				const seconds = (end === silentAt ? silenceMs : totalMs) / 1000;
				const isServersFault = toTimeoutError === toServerTimeout;
				ended.abort(toTimeoutError(seconds));
				if (isServersFault) await wait(Math.min(silenceMs, MAX_ENDING_MS), watch.signal);
				return;
			}
			await wait(Math.ceil(left), watch.signal);
		}
	};

	let cancel = () => {};
	try {
		return await new Promise<T>((resolve, reject) => {
			const end = (reason: Error) => {
				ended.abort(reason);
				reject(reason);
			};
			const progress: Progress = {
				onAlive: () => (aliveAt = performance.now()),
				waitFor: (next) => (toTimeoutError = next),
				fail: end,
			};
			cancel = () => end(signal.reason as Error);
			canceled.addEventListener('abort', cancel);
			untilTooLong().then(
				() => reject(ended.signal.reason as Error),
				// The task has ended, and nothing is watched any more.
				() => undefined,
			);
			task(ended.signal, progress).then(resolve, reject);
		});
	} catch (error) {
		signal.throwIfAborted();
		// Whatever the task said of its end, it was the limit that ended it.
		if (ended.signal.aborted) throw ended.signal.reason as Error;
		throw error as Error;
	} finally {
		canceled.removeEventListener('abort', cancel);
		watch.abort();
	}
}
