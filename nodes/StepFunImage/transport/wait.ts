import { sleep } from 'n8n-workflow';

/** How long code may block the event loop, in milliseconds. */
const MAX_BLOCKING_MS = 10;

/** Waits, and rejects with the signal's reason if the signal aborts. The `sleep` of older n8n releases accepts none. */
export async function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
	signal?.throwIfAborted();
	let stop = () => {};
	const stopped = new Promise<never>((_resolve, reject) => {
		stop = () => reject(signal?.reason as Error);
		signal?.addEventListener('abort', stop);
	});
	try {
		await Promise.race([sleep(milliseconds, signal), stopped]);
	} finally {
		signal?.removeEventListener('abort', stop);
	}
}

/**
 * Creates a function to call between the steps of a long task. It returns at once until the task has blocked the event
 * loop for `MAX_BLOCKING_MS`, and then yields to it.
 */
export function createEventLoopYielder(): () => Promise<void> {
	let startedAt = performance.now();
	/**
	 * Shared by all callers: with a timer for each, one would always be due, and they would still block everything
	 * else.
	 */
	let pendingYield: Promise<void> | undefined;
	const yieldOnce = async () => {
		await sleep(0);
		startedAt = performance.now();
		pendingYield = undefined;
	};
	return async () => {
		if (performance.now() - startedAt < MAX_BLOCKING_MS) return;
		await (pendingYield ??= yieldOnce());
	};
}
