import { readFile, readdir, writeFile } from 'node:fs/promises';

/** The memory of a process that is in the machine's memory now. */
export async function readResidentBytes(pid: number): Promise<number> {
	return await readStatus(pid, 'VmRSS');
}

/** The most that it was since `forgetPeak`. */
export async function readPeakBytes(pid: number): Promise<number> {
	return await readStatus(pid, 'VmHWM');
}

/** Starts the search for the peak again. */
export async function forgetPeak(pid: number): Promise<void> {
	// 5 resets VmHWM (proc_pid_clear_refs(5)).
	await writeFile(`/proc/${pid}/clear_refs`, '5');
}

/** The files and connections that a process has open. */
export async function countOpenFiles(pid: number): Promise<number> {
	return (await readdir(`/proc/${pid}/fd`)).length;
}

async function readStatus(pid: number, field: string): Promise<number> {
	const status = await readFile(`/proc/${pid}/status`, 'utf8');
	const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
	if (kilobytes === undefined) throw new Error(`/proc/${pid}/status has no ${field}`);
	return Number(kilobytes) * 1024;
}
