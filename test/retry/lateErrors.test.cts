import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { INodeParameters } from 'n8n-workflow';

import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';
import { inputImage, itemWithFile } from '../kit/images.cts';
import { runGenerate } from '../kit/localRuns.cts';

// A proxy that stopped waiting may respond with an error while the server behind it finishes the image.

let server: HostileServer;
/** How much later than the real time it is. */
let offsetMs = 0;
let keys = 0;

beforeAll(async () => {
	server = await startHostileServer();
	const now = performance.now.bind(performance);
	jest.spyOn(performance, 'now').mockImplementation(() => now() + offsetMs);
});
afterAll(async () => {
	jest.restoreAllMocks();
	await server.close();
});

/** Runs Generate against a server that takes this long for an error, and returns what became of it. */
async function run(status: number, afterMs: number, apiFormat: string) {
	server.requests.length = 0;
	server.attackWith((_request, response) => {
		offsetMs += afterMs;
		response.writeHead(status).end('{"error":{"message":"busy"}}');
	});
	const { error } = await runGenerate(
		server,
		{ options: { maxTries: 3 } },
		{ credential: { apiFormat, apiKey: `late-${++keys}` } },
	);
	return { requests: server.requests.length, description: error?.description };
}

test.each([
	[408, 'openai', 1],
	[500, 'openai', 1],
	[502, 'vllmOmni', 1],
	[503, 'sglang', 1],
	[503, 'stepfun', 2],
])('A late %i with %s leads to %i requests in all', async (status, apiFormat, times) => {
	const { requests, description } = await run(status, 11_000, apiFormat);
	expect(requests).toBe(times);
	expect(description).toContain('The response came late, so the image may have been charged.');
});

test.each([408, 500, 503])(
	'A %i that comes at once was not charged, and is repeated',
	async (status) => {
		const { requests, description } = await run(status, 0, 'openai');
		expect(requests).toBe(3);
		expect(description).not.toContain('charged');
	},
);

test.each([521, 530])(
	'A %i comes from a proxy that did not reach the server, however late',
	async (status) => {
		expect((await run(status, 11_000, 'openai')).requests).toBe(3);
	},
);

test.each<[string, INodeParameters]>([
	['a file', { operation: 'edit' }],
	[
		'long JSON',
		{ operation: 'generate', additionalBodyFields: { image: 'a'.repeat(1024 * 1024) } },
	],
])('The time of a long upload of %s does not count', async (_what, { operation, ...fields }) => {
	let requests = 0;
	const slow = createServer((request, response) => {
		requests++;
		request.once('data', () => (offsetMs += 11_000));
		request.resume().on('end', () => response.writeHead(503).end());
	}).listen(0, '127.0.0.1');
	await once(slow, 'listening');
	const file = Buffer.concat([await inputImage(64, 64), randomBytes(1024 * 1024)]);
	const url = `http://127.0.0.1:${(slow.address() as AddressInfo).port}/v1`;
	const { error } = await runGenerate(
		{ url },
		{ operation, options: { maxTries: 3, ...fields } },
		{
			items: [await itemWithFile(file)],
			credential: { apiFormat: 'openai', apiKey: `late-${++keys}` },
		},
	);
	slow.close();
	expect(requests).toBe(3);
	expect(error?.description).not.toContain('charged');
});
