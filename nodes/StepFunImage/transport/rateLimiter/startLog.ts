export type StartLog = ReturnType<typeof createStartLog>;

/**
 * The times of the latest requests, without those that were refused.
 *
 * @param keepMs how long a time is kept at least
 */
export function createStartLog(keepMs: number) {
	let starts: number[] = [];
	let pruneAtLength = 100;
	return {
		add(at: number): void {
			starts.push(at);
			if (starts.length < pruneAtLength) return;
			starts = starts.filter((start) => start >= at - keepMs);
			pruneAtLength = 2 * starts.length + 100;
		},
		remove(at: number): void {
			const index = starts.lastIndexOf(at);
			if (index !== -1) starts.splice(index, 1);
		},
		/** The time of the nth latest request; `-Infinity` if there were fewer. */
		latest: (nth: number) => starts.at(-nth) ?? -Infinity,
		/** The first of the known times that is not before this one. */
		oldestSince: (time: number) => starts.find((start) => start >= time),
	};
}
