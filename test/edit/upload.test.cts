import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import type { INodeExecutionData, INodeParameters } from 'n8n-workflow';

import { openUpload, piecesOf } from '../../nodes/StepFunImage/transport/upload';
import { itemWithFile, pngOfBytes } from '../kit/images.cts';
import { runEdit } from '../kit/localRuns.cts';
import { countOpenFiles } from '../kit/processFigures.cts';
import { runNode } from '../kit/runNode.cts';
import { localCredential } from '../kit/stepFunCredential.cts';
import { waitFor } from '../kit/waitFor.cts';

const MEGABYTE = 1024 * 1024;

jest.setTimeout(60_000);

const MODEL_OF_AN_OWN_SERVER = 'image-model';

async function serve(
	respond: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; server: Server }> {
	const server = createServer(respond);
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, server };
}

async function close(server: Server): Promise<void> {
	server.closeAllConnections();
	await new Promise((resolve) => server.close(resolve));
}

describe('Edit: a server that responds before it has read the upload', () => {
	const tooLarge = JSON.stringify({ error: { message: 'The image is over 10 MB.' } });

	it.each<[string, (request: IncomingMessage, response: ServerResponse) => void]>([
		[
			'and then reads on',
			(request, response) => {
				response.writeHead(413, { 'content-type': 'application/json' }).end(tooLarge);
				request.resume();
			},
		],
		[
			'and then closes the connection',
			(request, response) => {
				response.writeHead(413, { 'content-type': 'application/json', connection: 'close' });
				response.end(tooLarge, () => setTimeout(() => request.destroy(), 50));
			},
		],
	])('The message of an early response %s is shown, and no file stays open', async (_, respond) => {
		const { url, server } = await serve(respond);
		try {
			const file = await itemWithFile(await pngOfBytes(20 * MEGABYTE));
			const items: INodeExecutionData[] = Array.from({ length: 8 }, () => file);
			const before = await countOpenFiles(process.pid);
			const result = await runEdit(
				{ url },
				items,
				{ model: MODEL_OF_AN_OWN_SERVER },
				{ onError: 'continueRegularOutput' },
			);

			expect(result.items).toHaveLength(8);
			for (const { json } of result.items) {
				expect(JSON.stringify(json)).toContain('The image is over 10 MB.');
			}
			await close(server);
			await waitFor(
				'the end of every connection',
				async () => (await countOpenFiles(process.pid)) <= before,
				{ timeoutMs: 5_000 },
			);
		} finally {
			await close(server).catch(() => undefined);
		}
	});
});

describe('A server in another process that refuses an upload by its headers', () => {
	const long = JSON.stringify({ image: 'a'.repeat(5 * MEGABYTE) });
	test.each<[number, string, string, INodeParameters]>([
		[413, 'keeps the connection', 'edits', { operation: 'edit' }],
		[413, 'closes the connection', 'edits', { operation: 'edit' }],
		[413, 'breaks the connection', 'edits', { operation: 'edit' }],
		[400, 'breaks the connection a moment later', 'edits', { operation: 'edit' }],
		[413, 'closes the connection', 'images from images', { operation: 'imageToImage' }],
		[
			400,
			'breaks the connection',
			'generations',
			{ operation: 'generate', options: { additionalBodyFields: long } },
		],
	])('The message of a %i arrives if it %s, in 30 of 30 %s of 5 MB', async (...row) => {
		const [status, way, , parameters] = row;
		const child = fork(join(__dirname, 'refusingServer.cjs'), [String(status), way]);
		let requests = 0;
		child.on('message', (message: { requests?: number }) => {
			requests = message.requests ?? requests;
		});
		try {
			const [{ port }] = (await once(child, 'message')) as [{ port: number }];
			const file = await itemWithFile(await pngOfBytes(5 * MEGABYTE));
			const { items } = await runNode({
				items: Array.from({ length: 30 }, () => file),
				parameters: { prompt: 'Make it blue', model: MODEL_OF_AN_OWN_SERVER, ...parameters },
				credential: localCredential({ url: `http://127.0.0.1:${port}/v1` }),
				onError: 'continueRegularOutput',
			});
			expect(items.map(({ json }) => json.error)).toEqual(
				Array(30).fill(expect.stringContaining(': The image is over 1 MB.')),
			);
			// A server that a busy machine keeps waiting says it at the second try. Its count arrives late as well.
			expect(requests).toBeLessThan(40);
		} finally {
			child.kill();
		}
	});
});

describe('Edit: an upload that ends early', () => {
	async function nextAfter(end: (close: () => void, cancel: AbortController) => void) {
		const file = {
			name: 'shoe.png',
			mimeType: 'image/png',
			size: MEGABYTE,
			open: async () => piecesOf(Buffer.alloc(MEGABYTE)),
		};
		const progress = {
			onActivity: () => {},
			lastActivityAt: () => 0,
			setTimeoutError: () => {},
			fail: () => {},
		};
		const cancel = new AbortController();
		const { file: upload, close: closeFile } = await openUpload(file, progress, cancel.signal);
		const chunks = upload.stream() as unknown as AsyncIterator<Uint8Array>;
		expect((await chunks.next()).done).toBe(false);
		end(closeFile, cancel);
		return await chunks.next().catch((error: Error) => error.name);
	}

	// n8n 1.x copies it field by field, which a DOMException such as AbortError does not bear.
	test('fails with a plain error', async () => {
		expect(await nextAfter((closeFile) => closeFile())).toBe('Error');
		expect(await nextAfter((_, cancel) => cancel.abort())).toBe('Error');
	});
});
