import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface CommandLineServer {
	url: string;
	/** The lines printed so far. */
	printed: string[];
	/** Sends SIGTERM and returns the exit code. */
	stop(): Promise<number | null>;
}

/** Starts start.ts in a process of its own, for tests of the command line and of other environments. */
export async function startCommandLine(
	options: string[],
	env: Record<string, string> = {},
): Promise<CommandLineServer> {
	const script = join(__dirname, 'start.cts');
	const child = spawn(
		process.execPath,
		['--require', 'tsx/cjs', script, '--port', '0', ...options],
		{
			stdio: ['ignore', 'pipe', 'inherit'],
			env: { ...process.env, ...env },
		},
	);
	const printed: string[] = [];
	const lines = createInterface(child.stdout);
	lines.on('line', (line) => printed.push(line));
	const exit = once(child, 'exit');
	while (!printed.some((line) => line.includes('Ctrl+C'))) {
		await Promise.race([once(lines, 'line'), exit.then(failedToStart)]);
	}
	const url = /Base URL\s+(\S+)/.exec(printed.join('\n'))?.[1] ?? '';
	return {
		url,
		printed,
		async stop() {
			child.kill('SIGTERM');
			const [code] = (await exit) as [number | null];
			return code;
		},
	};
}

function failedToStart(): never {
	throw new Error('start.ts ended before it was ready');
}
