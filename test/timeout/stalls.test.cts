import { Container } from '@n8n/di';
import { BinaryDataService } from 'n8n-core';
import type { INodeExecutionData } from 'n8n-workflow';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';

import { inputImage, itemWithFile } from '../kit/images.cts';
import {
	imageResponse,
	linkResponse,
	startHostileServer,
	type HostileServer,
} from '../kit/hostileServer.cts';
import { loadEngine, runEdit, runGenerate } from '../kit/localRuns.cts';
import { bytesOf } from '../kit/runNode.cts';
import { padImage } from '../stepfun-server/imagePadding.cts';
import {
	LOCAL_API_KEY,
	startStepFunServer,
	type StepFunServer,
} from '../stepfun-server/server.cts';

// Network disks hang, and so does what n8n keeps on them.

let server: StepFunServer;
let hostile: HostileServer;
let png: Buffer;
let key: string;
let keys = 0;

beforeAll(async () => {
	png = await inputImage(40, 30, 'png');
	await loadEngine();
});
beforeEach(async () => {
	key = `${LOCAL_API_KEY}-stalls-${++keys}`;
	server = await startStepFunServer({ drawing: 'once', keys: [key] });
	hostile = await startHostileServer();
});
afterEach(async () => {
	jest.restoreAllMocks();
	await server.close();
	await hostile.close();
});

const store = () => Container.get(BinaryDataService);
const never = async () => await new Promise<never>(() => undefined);

/**
 * A store that takes all bytes, which older releases of n8n give it in another place, and never says that it has kept
 * them.
 */
const stallBehindTheEnd = () =>
	jest.spyOn(store(), 'store').mockImplementation(async (...given: unknown[]) => {
		for (const each of given) if (each instanceof Readable) each.resume();
		return await never();
	});
/** A store that takes nothing. */
const stallAtTheBeginning = () => jest.spyOn(store(), 'store').mockImplementation(never);

const quick = { options: { timeout: 0.9, maxTries: 3 } };
const oneAtATime = () => ({ apiKey: key, concurrentRequests: 1 });

describe('A binary store that stalls', () => {
	test.each<[string, () => jest.SpyInstance, RegExp]>([
		['behind the end of the image', stallBehindTheEnd, /Trace ID: .* Request ID: \w/],
		['before it takes a byte', stallAtTheBeginning, /Trace ID: /],
	])(
		'fails the item as charged when it stalls %s, and buys nothing again',
		async (_, stall, references) => {
			const spy = stall();
			const { error } = await runGenerate(server, quick, { credential: oneAtATime() });
			expect(error?.message).toBe(
				'The image arrived, but n8n could not store it: its storage did not accept it within 0.9 seconds',
			);
			expect(error?.description).toContain('The image has been charged');
			expect(error?.description).toMatch(references);
			expect(error?.context.itemIndex).toBe(0);
			expect(server.billed).toHaveLength(1);
			// The place of the account is free again.
			spy.mockRestore();
			const next = await runGenerate(server, quick, { credential: oneAtATime() });
			expect(next.error).toBeUndefined();
		},
	);

	test('and a disk that is full: the item fails as charged, and buys nothing again', async () => {
		// The store gets a large image while it arrives.
		const half = padImage(png, 'png', 20_000_000).toString('base64', 0, 9_000_000);
		hostile.attackWith((_request, response) => {
			response.write(`{"data":[{"b64_json":"${half}`);
		});
		jest.spyOn(store(), 'store').mockImplementation(async (...given: unknown[]) => {
			const stream = given.find((each) => each instanceof Readable);
			stream?.once('data', () => undefined);
			await wait(100);
			stream?.destroy();
			throw new Error('ENOSPC: no space left on device');
		});
		const { error } = await runGenerate(hostile, { options: { timeout: 1, maxTries: 2 } });
		expect(error?.message).toBe(
			'The image arrived, but n8n could not store it: ENOSPC: no space left on device',
		);
		expect(hostile.requests).toHaveLength(1);
		await hostile.untilNobodyIsConnected();
	});

	test('reports the link if there is one', async () => {
		stallBehindTheEnd();
		const { error } = await runGenerate(
			server,
			{ output: 'fileAndUrl', ...quick },
			{ credential: oneAtATime() },
		);
		expect(error?.message).toContain('n8n could not store it');
		expect(error?.description).toContain(`It is still at ${server.resultOrigin}/`);
		expect(server.billed).toHaveLength(1);
		expect(server.resultRequests).toHaveLength(1);
	});

	test('reports the link that came beside the image', async () => {
		stallBehindTheEnd();
		const url = `${hostile.origin}/image.png`;
		hostile.attackWith((_request, response) => {
			const data = [{ b64_json: png.toString('base64'), url }];
			response.end(JSON.stringify({ id: 'id', data }));
		});
		const { error } = await runGenerate(hostile, quick);
		expect(error?.description).toContain(`It is still at ${url}`);
		expect(hostile.requests).toHaveLength(1);
	});

	test('lets the run end when the user stops it', async () => {
		stallBehindTheEnd();
		let canceledAt = 0;
		const onStart = (cancel: () => void) =>
			void wait(300).then(() => {
				canceledAt = performance.now();
				cancel();
			});
		const { status } = await runGenerate(server, {}, { credential: oneAtATime(), onStart });
		expect(status).toBe('canceled');
		// The stall would run into the timeout after two minutes.
		expect(performance.now() - canceledAt).toBeLessThan(20_000);
	});
});

describe('A response that is whole and does not end', () => {
	test.each([
		['an image', () => imageResponse(png.toString('base64'))],
		['a link', () => linkResponse(`${hostile.origin}/image.png`)],
	])('delivers %s once', async (_what, body) => {
		hostile.attackWith((request, response) => {
			if (request.method === 'GET') response.end(png);
			else response.write(body());
		});
		const { items, error } = await runGenerate(hostile, quick);
		expect(error?.message).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(png)).toBe(true);
		expect(hostile.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
	});
});

test('A page behind the link of an image is recognized before it ends', async () => {
	hostile.attackWith((request, response) => {
		if (request.method === 'GET') response.write(`<p>${'Please log in. '.repeat(9)}`);
		else response.end(linkResponse(`${hostile.origin}/image.png`));
	});
	const { error } = await runGenerate(hostile, quick);
	expect(error?.message).toContain('sent something that is not an image: Please log in.');
	expect(hostile.requests.map(({ method }) => method)).toEqual(['POST', 'GET']);
});

describe('An input image that cannot be read', () => {
	let item: INodeExecutionData;
	beforeEach(async () => {
		item = await itemWithFile(png);
	});

	/** The store returns this many normal streams, and then streams without data. */
	const stallAfter = (streams: number) => {
		const service = store();
		const original = service.getAsStream.bind(service);
		let handedOut = 0;
		jest
			.spyOn(service, 'getAsStream')
			.mockImplementation(async (...request) =>
				handedOut++ < streams ? await original(...request) : new PassThrough(),
			);
	};

	test.each([
		['when the items are checked', 0],
		['when its turn has come', 1],
	])('fails the item, and holds no place of the account, %s', async (_when, streams) => {
		stallAfter(streams);
		const { error } = await runEdit(server, [item], quick, { credential: oneAtATime() });
		expect(error?.message).toBe('The input image could not be read within 0.9 seconds');
		expect(error?.description).toContain('received no complete request');
		expect(server.requests).toHaveLength(0);
		const next = await runGenerate(server, quick, { credential: oneAtATime() });
		expect(next.error).toBeUndefined();
	});

	test('is waited for as long as it keeps coming', async () => {
		async function* slowly() {
			for (let at = 0; at < png.length; at += png.length / 4) {
				await wait(400);
				yield png.subarray(Math.floor(at), Math.floor(at + png.length / 4));
			}
		}
		jest.spyOn(store(), 'getAsStream').mockImplementation(async () => Readable.from(slowly()));
		const { error } = await runEdit(server, [item], quick, { credential: oneAtATime() });
		expect(error).toBeUndefined();
		expect(server.billed).toHaveLength(1);
	});

	test('is not taken for something else when its first bytes are the last', async () => {
		async function* firstBytes() {
			yield png.subarray(0, 5);
			throw new Error('the connection is lost');
		}
		jest.spyOn(store(), 'getAsStream').mockImplementation(async () => Readable.from(firstBytes()));
		const { error } = await runEdit(server, [item], quick, { credential: oneAtATime() });
		expect(error?.message).toBe("The file in 'data' could not be opened: the connection is lost");
	});

	test.each([0, 1])('lets the run end when the user stops it (%i)', async (streams) => {
		stallAfter(streams);
		let canceledAt = 0;
		const onStart = (cancel: () => void) =>
			void wait(300).then(() => {
				canceledAt = performance.now();
				cancel();
			});
		const { status } = await runEdit(
			server,
			[item, item, item],
			{},
			{ credential: oneAtATime(), onStart },
		);
		expect(status).toBe('canceled');
		// The stall would run into the timeout after two minutes.
		expect(performance.now() - canceledAt).toBeLessThan(20_000);
		const next = await runGenerate(server, quick, { credential: oneAtATime() });
		expect(next.error).toBeUndefined();
	});
});
