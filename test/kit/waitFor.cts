import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;

/**
 * Waits until a condition holds.
 *
 * @param what the condition in words, for the error when it never does
 */
export async function waitFor(
	what: string,
	condition: () => boolean | Promise<boolean>,
	{ timeoutMs = 180_000, pollMs = POLL_MS } = {},
): Promise<void> {
	const deadline = Date.now() + timeoutMs;
	while (!(await condition())) {
		if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs / 1000} s for ${what}`);
		await sleep(pollMs);
	}
}
