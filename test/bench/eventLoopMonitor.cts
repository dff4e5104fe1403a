/**
 * Loaded into n8n before its own code (`node --require`): measures how long n8n's event loop stands still, and says
 * so over a socket of the file system. See event-loop.ts for the other end.
 */
import { createServer } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** A stall is measured as up to this much longer than it is. At 1 ms the monitor itself took 1.7 % of the processor. */
const RESOLUTION_MS = 5;
/** The sample that holds a stall is taken only when timers run again, so reading waits for some. */
const LAST_SAMPLE_MS = 3 * RESOLUTION_MS;

const socketPath = process.env.EVENT_LOOP_MONITOR_SOCKET;
// What n8n starts must not take the socket over.
delete process.env.EVENT_LOOP_MONITOR_SOCKET;

function listen(path: string): void {
	const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
	const server = createServer((connection) => {
		connection.on('error', () => undefined);
		connection.once('data', (command) => {
			if (command.toString() === 'start') {
				histogram.reset();
				histogram.enable();
				connection.end('started');
				return;
			}
			setTimeout(() => {
				histogram.disable();
				connection.end(String(histogram.max / 1e6));
			}, LAST_SAMPLE_MS);
		});
	});
	server.listen(path);
	server.unref();
}

if (socketPath !== undefined && isMainThread) listen(socketPath);
