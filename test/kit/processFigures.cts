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
			// A zombie process has no memory.
			const peaks = (await family(pid)).map(async (each) => (await readStatus(each, 'VmHWM')) ?? 0);
			return sum(await Promise.all(peaks));
		},
		async forgetPeak() {
			for (const each of await family(pid)) await forgetPeak(each);
		},
	};
}

/** The memory of a process that is in the machine's memory now. */
export async function readResidentBytes(pid: number): Promise<number> {
	return await readMemory(pid, 'VmRSS');
}

/** The most that it was since `forgetPeak`. */
export async function readPeakBytes(pid: number): Promise<number> {
	return await readMemory(pid, 'VmHWM');
}

/** Starts the search for the peak of a process again. */
export async function forgetPeak(pid: number): Promise<void> {
	// 5 resets VmHWM (proc_pid_clear_refs(5)).
	await writeFile(`/proc/${pid}/clear_refs`, '5');
}

/** The files and connections that a process has open. */
export async function countOpenFiles(pid: number): Promise<number> {
	return (await readdir(`/proc/${pid}/fd`)).length;
}

async function readMemory(pid: number, field: string): Promise<number> {
	const bytes = await readStatus(pid, field);
	if (bytes === undefined) throw new Error(`/proc/${pid}/status has no ${field}`);
	return bytes;
}

async function readStatus(pid: number, field: string): Promise<number | undefined> {
	const status = await readFile(`/proc/${pid}/status`, 'utf8');
	const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
	return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
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
