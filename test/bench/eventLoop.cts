import { once } from 'node:events';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** Looks at the event loop of a process that was started with `nodeArguments` and `environment`. */
export interface EventLoopMonitor {
	/** Options of Node.js that load the monitor. */
	nodeArguments: string[];
	environment: Record<string, string>;
	/** Starts measuring, and forgets what was measured before. */
	start(): Promise<void>;
	/** Stops measuring; returns the longest time for which the event loop was blocked. */
	stop(): Promise<number>;
}

/**
 * Describes how a process is started and asked so that its event loop is measured from inside.
 *
 * @param script the bundled eventLoopMonitor.cts
 * @param folder where the socket goes; of one process alone
 */
export function createEventLoopMonitor(script: string, folder: string): EventLoopMonitor {
	const socketPath = join(folder, 'event-loop.sock');
	const ask = async (command: 'start' | 'stop') => {
		const connection = createConnection(socketPath);
		await once(connection, 'connect');
		connection.write(command);
		return await text(connection);
	};
	return {
		nodeArguments: ['--require', script],
		environment: { EVENT_LOOP_MONITOR_SOCKET: socketPath },
		start: async () => void (await ask('start')),
		stop: async () => Number(await ask('stop')),
	};
}
