import { sleep } from 'n8n-workflow';

/**
 * Waits, and rejects with the signal's reason when that ends it.
 *
 * The signal is watched here, since the `sleep` of older releases of n8n knows none.
 */
export async function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
	if (!signal) return await sleep(milliseconds);
	signal.throwIfAborted();
	let stop = () => {};
	const stopped = new Promise<never>((_resolve, reject) => {
		stop = () => reject(signal.reason as Error);
		signal.addEventListener('abort', stop);
	});
	try {
		await Promise.race([sleep(milliseconds, signal), stopped]);
	} finally {
		signal.removeEventListener('abort', stop);
	}
}
