import { once } from 'node:events';
import { WebSocket, type MessageEvent } from 'undici';
import {
	findFreePort,
	startN8n,
	type N8nInstance,
	type N8nInstanceOptions,
} from '../n8n/instance.cts';
import type { TestContext } from './suite.cts';

/** A look into the memory of a running Node.js process. */
export interface Inspector {
	/** Has V8 throw away everything that nothing refers to. */
	collectGarbage(): Promise<void>;
	/** Objects and strings, and what buffers hold outside V8's heap. */
	readHeap(): Promise<{ usedBytes: number; bufferBytes: number }>;
	/** The most that V8's heap may hold. */
	readHeapLimit(): Promise<number>;
	close(): void;
}

/**
 * Attaches to a process that was started with `--inspect=127.0.0.1:port`, over the protocol of Chrome's developer
 * tools (https://chromedevtools.github.io/devtools-protocol/v8/).
 */
async function attachInspector(port: number): Promise<Inspector> {
	const response = await fetch(`http://127.0.0.1:${port}/json/list`);
	const [{ webSocketDebuggerUrl }] = (await response.json()) as [{ webSocketDebuggerUrl: string }];
	const socket = new WebSocket(webSocketDebuggerUrl);
	await once(socket, 'open');
	let lastId = 0;

	const call = async <T,>(method: string, params: object = {}): Promise<T> => {
		const id = ++lastId;
		return await new Promise((resolve, reject) => {
			const closed = () => reject(new Error(`the process ended during ${method}`));
			const listen = ({ data }: MessageEvent) => {
				const reply = JSON.parse(String(data)) as { id?: number; result?: T; error?: unknown };
				if (reply.id !== id) return;
				socket.removeEventListener('message', listen);
				socket.removeEventListener('close', closed);
				if (reply.result) resolve(reply.result);
				else reject(new Error(`${method}: ${JSON.stringify(reply.error)}`));
			};
			socket.addEventListener('message', listen);
			socket.addEventListener('close', closed);
			socket.send(JSON.stringify({ id, method, params }));
		});
	};

	return {
		async collectGarbage() {
			// What a finalizer lets go of is free only in the next round.
			await call('HeapProfiler.collectGarbage');
			await call('HeapProfiler.collectGarbage');
		},
		async readHeap() {
			const heap = await call<{ usedSize: number; backingStorageSize: number }>(
				'Runtime.getHeapUsage',
			);
			return { usedBytes: heap.usedSize, bufferBytes: heap.backingStorageSize };
		},
		async readHeapLimit() {
			const { result } = await call<{ result: { value?: number } }>('Runtime.evaluate', {
				expression: "process.getBuiltinModule('node:v8').getHeapStatistics().heap_size_limit",
				returnByValue: true,
			});
			if (result.value === undefined) throw new Error('V8 does not tell its heap limit');
			return result.value;
		},
		close: () => socket.close(),
	};
}

/** Starts an n8n that keeps its data in a folder, and attaches to it. Both end with the suite. */
export async function startInspectedN8n(
	{ installation, tarball, cleanUp }: TestContext,
	folder: string,
	options: Pick<N8nInstanceOptions, 'environment' | 'nodeArguments'>,
): Promise<{ n8n: N8nInstance; inspector: Inspector }> {
	const port = await findFreePort();
	const n8n = await startN8n({
		installation,
		tarball,
		userFolder: folder,
		filesFolder: folder,
		...options,
		nodeArguments: [...(options.nodeArguments ?? []), `--inspect=127.0.0.1:${port}`],
	});
	cleanUp(() => n8n.stop());
	const inspector = await attachInspector(port);
	cleanUp(async () => inspector.close());
	return { n8n, inspector };
}
