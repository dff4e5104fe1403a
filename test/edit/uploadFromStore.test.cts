import { Container } from '@n8n/di';
import { BinaryDataService } from 'n8n-core';
import type { INodeExecutionData } from 'n8n-workflow';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';

import { itemWithFile, pngOfBytes } from '../kit/images.cts';
import { loadEngine, runEdit, runGenerate } from '../kit/localRuns.cts';
import { countOpenFiles } from '../kit/processFigures.cts';
import { waitFor } from '../kit/waitFor.cts';
import {
	LOCAL_API_KEY,
	startStepFunServer,
	type StepFunServer,
} from '../stepfun-server/server.cts';

// An input image in n8n's binary store is read while it is sent.

const MEGABYTE = 1024 * 1024;
const MODEL_OF_AN_OWN_SERVER = 'image-model';

let stepFun: StepFunServer;
let png: Buffer;
let small: Buffer;
let item: INodeExecutionData;

beforeAll(async () => {
	png = await pngOfBytes(2 * MEGABYTE);
	small = await pngOfBytes(10_000);
	await loadEngine();
});
beforeEach(async () => {
	stepFun = await startStepFunServer({ drawing: 'once' });
	item = await itemWithFile(png);
});
afterEach(async () => {
	jest.restoreAllMocks();
	await stepFun.close();
});

/** The store hands out the file once, to be checked, and from then on what the test makes of it. */
function storeThen(handOut: (bytes: Buffer) => Readable): void {
	const service = Container.get(BinaryDataService);
	const original = service.getAsStream.bind(service);
	let isChecked = false;
	jest.spyOn(service, 'getAsStream').mockImplementation(async (...request) => {
		if (isChecked) return handOut(png);
		isChecked = true;
		return await original(...request);
	});
}

async function* brokenAfter(bytes: Buffer): AsyncGenerator<Buffer> {
	yield bytes;
	throw new Error('the disk is gone');
}

async function* stalledAfter(bytes: Buffer): AsyncGenerator<Buffer> {
	yield bytes;
	await new Promise(() => undefined);
}

describe('Edit: an input image that cannot be read when it is sent', () => {
	test.each<[string, (bytes: Buffer) => Readable, string]>([
		[
			'is missing',
			() => {
				throw new Error('there is no such file');
			},
			': there is no such file',
		],
		['breaks off at once', () => Readable.from(brokenAfter(Buffer.alloc(0))), ': the disk is gone'],
		[
			'breaks off in the middle',
			(bytes) => Readable.from(brokenAfter(bytes.subarray(0, MEGABYTE))),
			': the disk is gone',
		],
		[
			'stalls in the middle',
			(bytes) => Readable.from(stalledAfter(bytes.subarray(0, MEGABYTE))),
			' within 0.5 seconds',
		],
		[
			'has become shorter',
			(bytes) => Readable.from([bytes.subarray(0, MEGABYTE)]),
			`: the stored file has changed, and no longer has ${2 * MEGABYTE} bytes`,
		],
		[
			'has become longer',
			(bytes) => Readable.from([Buffer.concat([bytes, bytes])]),
			`: the stored file has changed, and no longer has ${2 * MEGABYTE} bytes`,
		],
	])('fails the item without a charge or a retry if it %s', async (_what, handOut, detail) => {
		storeThen(handOut);
		const apiKey = LOCAL_API_KEY;
		const credential = { apiKey, concurrentRequests: 1 };
		const { error } = await runEdit(
			stepFun,
			[item],
			{ options: { timeout: 0.5, maxTries: 3 } },
			{ credential },
		);
		expect(error?.message).toBe(`The input image could not be read${detail}`);
		expect(error?.description).toContain("n8n's binary data storage");
		expect(error?.context.itemIndex).toBe(0);
		expect(stepFun.billed).toHaveLength(0);
		expect(Container.get(BinaryDataService).getAsStream).toHaveBeenCalledTimes(2);
		// The place of the account is free again.
		expect((await runGenerate(stepFun, {}, { credential })).error).toBeUndefined();
	});
});

describe('Edit: an upload', () => {
	let server: Server;
	const serve = async (
		respond: (request: IncomingMessage, response: ServerResponse) => void,
	): Promise<{ url: string }> => {
		server = createServer((request, response) => {
			request.on('error', () => undefined);
			respond(request, response);
		});
		await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
		return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
	};
	afterEach(async () => {
		server.closeAllConnections();
		await new Promise((resolve) => server.close(resolve));
	});

	const respond = (response: ServerResponse) =>
		response
			.writeHead(200, { 'content-type': 'application/json' })
			.end(JSON.stringify({ data: [{ b64_json: small.toString('base64') }] }));

	it('that makes progress does not time out, however long it takes', async () => {
		const large = await itemWithFile(await pngOfBytes(12 * MEGABYTE));
		const target = await serve(async (request, response) => {
			for await (const chunk of request) await wait((chunk as Buffer).length / 3_000);
			respond(response);
		});
		const { error, items } = await runEdit(target, [large], {
			model: MODEL_OF_AN_OWN_SERVER,
			options: { timeout: 3, maxTries: 1 },
		});
		expect(error?.message).toBeUndefined();
		expect(items[0].binary?.data.mimeType).toBe('image/png');
	});

	it('that the server does not read times out', async () => {
		const large = await itemWithFile(await pngOfBytes(20 * MEGABYTE));
		const target = await serve((request) => void request.pause());
		const { error } = await runEdit(target, [large], {
			model: MODEL_OF_AN_OWN_SERVER,
			options: { timeout: 0.5, maxTries: 1 },
		});
		expect(error?.message).toContain('0.5 seconds');
	});

	test.each<[string, (request: IncomingMessage, response: ServerResponse) => void, number]>([
		['gets a response before it is read', (_request, response) => void respond(response), 4],
		[
			'gets a response before it is read, and is cut off',
			(request, response) => {
				respond(response).on('finish', () => setTimeout(() => request.destroy(), 500));
			},
			4,
		],
		['is not read', (request) => void request.pause(), 0],
		['is cut off', (request) => void setTimeout(() => request.destroy(), 300), 0],
	])('that %s leaves no file open', async (_what, handle, delivered) => {
		const large = await itemWithFile(await pngOfBytes(20 * MEGABYTE));
		const target = await serve(handle);
		const before = await countOpenFiles(process.pid);
		const { items } = await runEdit(
			target,
			[large, large, large, large],
			{ model: MODEL_OF_AN_OWN_SERVER, options: { timeout: 1, maxTries: 1 } },
			{ onError: 'continueRegularOutput' },
		);
		expect(items.filter(({ binary }) => binary?.data)).toHaveLength(delivered);
		server.closeAllConnections();
		await waitFor(
			'the end of every connection and file',
			async () => (await countOpenFiles(process.pid)) <= before,
			{ timeoutMs: 5_000 },
		);
	});

	it('that the user stops leaves no file open', async () => {
		const large = await itemWithFile(await pngOfBytes(20 * MEGABYTE));
		const target = await serve((request) => void request.pause());
		const before = await countOpenFiles(process.pid);
		const { status } = await runEdit(
			target,
			[large, large],
			{ model: MODEL_OF_AN_OWN_SERVER },
			{ onStart: (cancel) => void wait(800).then(cancel) },
		);
		expect(status).toBe('canceled');
		await waitFor(
			'the end of every connection and file',
			// The server's side of each connection stays open until it reads on.
			async () => (await countOpenFiles(process.pid)) <= before + 2,
			{ timeoutMs: 5_000 },
		);
		server.closeAllConnections();
		await waitFor(
			'the end of every connection',
			async () => (await countOpenFiles(process.pid)) <= before,
			{ timeoutMs: 5_000 },
		);
	});
});
