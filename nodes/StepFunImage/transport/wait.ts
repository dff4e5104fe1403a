import { sleep } from 'n8n-workflow';

/**
 * Waits, and rejects with the signal's reason if the signal aborts.
 *
 * This function watches the signal itself, because the `sleep` of older n8n releases does not accept one.
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
