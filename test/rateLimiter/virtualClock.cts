import { setImmediate as settle } from 'node:timers/promises';

import type { Clock } from '../../nodes/StepFunImage/transport/retry';

/** A clock whose time passes as soon as nothing else is to be done. */
export interface VirtualClock extends Clock {
	/** Lets time pass until a promise is settled. */
	run<T>(promise: Promise<T>): Promise<T>;
}

interface Timer {
	at: number;
	/** Timers for the same moment go off in the order in which they were set. */
	nth: number;
	goOff: () => void;
}

const isBefore = (one: Timer, other: Timer) =>
	one.at < other.at || (one.at === other.at && one.nth < other.nth);

export function createVirtualClock(): VirtualClock {
	/** Ordered by their moments, the next one last. */
	const timers: Timer[] = [];
	let now = 0;
	let count = 0;

	const add = (timer: Timer) => {
		let index = timers.length;
		while (index > 0 && isBefore(timers[index - 1], timer)) index--;
		timers.splice(index, 0, timer);
	};

	return {
		now: () => now,
		sleep: async (milliseconds, signal) =>
			await new Promise((resolve, reject) => {
				signal?.throwIfAborted();
				const timer = { at: now + Math.max(1, milliseconds), nth: count++, goOff: resolve };
				add(timer);
				signal?.addEventListener('abort', () => {
					const index = timers.indexOf(timer);
					if (index !== -1) timers.splice(index, 1);
					reject(signal.reason as Error);
				});
			}),
		async run(promise) {
			let isSettled = false;
			const end = () => (isSettled = true);
			promise.then(end, end);
			for (;;) {
				await settle();
				if (isSettled) return await promise;
				const next = timers.pop();
				if (!next) throw new Error('Nothing will happen any more, and the promise is not settled');
				now = Math.max(now, next.at);
				next.goOff();
			}
		},
	};
}
