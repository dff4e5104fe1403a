import { sleep } from 'n8n-workflow';

/** How long code may block the event loop, in milliseconds. */
const MAX_BLOCKING_MS = 10;

/** Waits, and rejects with the signal's reason if the signal aborts. The `sleep` of older n8n releases accepts none. */
export async function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
	signal?.throwIfAborted();
	await new Promise<void>((resolve, reject) => {
		const stop = () => reject(signal?.reason as Error);
		signal?.addEventListener('abort', stop, { once: true });
		const end = () => signal?.removeEventListener('abort', stop);
		void sleep(milliseconds, signal).then(resolve, stop).finally(end);
	});
}

/** Long ago at first, because loading the code takes long too. */
let yieldedAt = -Infinity;

/**
 * Shared by all callers: with a timer for each, one would always be due, and they would still block everything else.
 */
let pendingYield: Promise<void> | undefined;

/**
 * To call between the steps of a long task. It returns at once until `MAX_BLOCKING_MS` have passed since it yielded to
 * the event loop, and then yields again.
 */
export async function yieldToEventLoop(): Promise<void> {
	if (performance.now() - yieldedAt < MAX_BLOCKING_MS) return;
	pendingYield ??= sleep(0).then(() => {
		yieldedAt = performance.now();
		pendingYield = undefined;
	});
	await pendingYield;
}
