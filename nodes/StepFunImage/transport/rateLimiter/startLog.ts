export type StartLog = ReturnType<typeof createStartLog>;

/** The times of the latest requests, without those that were refused. Each is kept for at least `keepMs`. */
export function createStartLog(keepMs: number) {
	const starts: number[] = [];
	return {
		add(at: number): void {
			starts.push(at);
			while (starts[0] < at - keepMs) starts.shift();
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
