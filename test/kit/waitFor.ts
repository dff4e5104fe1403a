import { setTimeout as sleep } from 'node:timers/promises';

const TIMEOUT_MS = 180_000;
const POLL_MS = 100;

/**
 * Waits until a condition holds.
 *
 * @param what the condition in words, for the error when it never does
 */
export async function waitFor(what: string, condition: () => Promise<boolean>): Promise<void> {
	const deadline = Date.now() + TIMEOUT_MS;
	while (!(await condition())) {
		if (Date.now() > deadline) throw new Error(`Waited ${TIMEOUT_MS / 1000} s for ${what}`);
		await sleep(POLL_MS);
	}
}
