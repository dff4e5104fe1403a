import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { StepFunServerOptions } from '../stepfun-server/types.cts';

/** The server's counts since the last reset. */
export interface ServerCounts {
	billed: number;
	rejected429: number;
	maxInFlight: number;
}

/** The StepFun test server in a process of its own, so that its work is not counted as a client's. */
export interface ServerProcess {
	/** Restarts the server with other options; returns its base URL. */
	start(options: StepFunServerOptions): Promise<string>;
	/** Forgets the counts and starts the fault plan again. */
	reset(): Promise<void>;
	counts(): Promise<ServerCounts>;
	stop(): Promise<void>;
}

/** Starts the process; it serves nothing until `start`. */
export function forkServer(): ServerProcess {
	const child = fork(join(__dirname, 'serverProcess.cts'), { execArgv: ['--require', 'tsx/cjs'] });
	let lastId = 0;
	const ask = async (message: object) => {
		const id = ++lastId;
		child.send({ id, ...message });
		for (;;) {
			const [reply] = (await once(child, 'message')) as [
				ServerCounts & { id: number; url: string; error?: string },
			];
			if (reply.error) throw new Error(reply.error);
			if (reply.id === id) return reply;
		}
	};
	return {
		start: async (options) => (await ask({ start: options })).url,
		reset: async () => void (await ask({ reset: true })),
		counts: async () => await ask({}),
		async stop() {
			if (child.exitCode !== null || child.signalCode !== null) return;
			const exited = once(child, 'exit');
			if (child.connected) child.disconnect();
			await exited;
		},
	};
}
