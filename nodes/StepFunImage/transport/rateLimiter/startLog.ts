export const MINUTE_MS = 60_000;

export type StartLog = ReturnType<typeof createStartLog>;

/** The times of the latest requests, without those that were refused. Each is kept for at least two minutes. */
export function createStartLog() {
	const starts: number[] = [];
	return {
		add(at: number): void {
			starts.push(at);
			while (starts[0] < at - 2 * MINUTE_MS) starts.shift();
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
