import { readFile, readdir, writeFile } from 'node:fs/promises';

/** Linux counts processor time in these, whatever the kernel's own clock. */
const TICKS_PER_SECOND = 100;

/** A process and what it started. */
export interface ProcessTree {
	/** The processor time used so far. */
	cpuSeconds(): Promise<number>;
	/** The most memory in use since `forgetPeak`, summed over the processes. */
	peakBytes(): Promise<number>;
	/** Starts the search for the peak again. */
	forgetPeak(): Promise<void>;
}

/** Looks at a process and its children through /proc. */
export function watchProcess(pid: number): ProcessTree {
	return {
		async cpuSeconds() {
			const ticks = (await family(pid)).map(async (each) => {
				const fields = await readStat(each);
				return Number(fields[11]) + Number(fields[12]);
			});
			return sum(await Promise.all(ticks)) / TICKS_PER_SECOND;
		},
		async peakBytes() {
			const peaks = (await family(pid)).map(async (each) => {
				const status = await readFile(`/proc/${each}/status`, 'utf8');
				return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
			});
			return sum(await Promise.all(peaks));
		},
		async forgetPeak() {
			// 5 resets VmHWM (proc_pid_clear_refs(5)).
			for (const each of await family(pid)) await writeFile(`/proc/${each}/clear_refs`, '5');
		},
	};
}

async function family(pid: number): Promise<number[]> {
	const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
	const parents = new Map<number, number>();
	for (const each of pids) {
		// A process may end between the listing and the reading.
		const fields = await readStat(each).catch(() => undefined);
		if (fields) parents.set(each, Number(fields[1]));
	}
	const members = [pid];
	for (const member of members) {
		for (const [child, parent] of parents) if (parent === member) members.push(child);
	}
	return members;
}

/** The fields after the program's name, which may hold anything: state, parent's id and so on. */
async function readStat(pid: number): Promise<string[]> {
	const text = await readFile(`/proc/${pid}/stat`, 'utf8');
	return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function sum(values: number[]): number {
	return values.reduce((total, value) => total + value, 0);
}
