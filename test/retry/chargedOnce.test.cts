import { setTimeout as sleep } from 'node:timers/promises';

import { inputImage } from '../kit/images.cts';
import { bytesOf } from '../kit/runNode.cts';
import {
	imageResponse,
	sendEndlessly,
	startHostileServer,
	type HostileServer,
} from '../kit/hostileServer.cts';
import { runGenerate } from '../kit/localRuns.cts';

// What arrived whole was charged, and would be charged again with each further request.

let server: HostileServer;
let png: Buffer;
let jpeg: Buffer;

beforeAll(async () => {
	png = await inputImage(40, 30, 'png');
	jpeg = await inputImage(40, 30, 'jpeg');
	server = await startHostileServer();
});
afterAll(async () => await server.close());

test('An image with invalid Base64 in a later piece is not requested again', async () => {
	server.attackWith((_request, response) => {
		response.write(`{"id":"id","data":[{"b64_json":"${png.subarray(0, 66).toString('base64')}`);
		void sleep(200).then(() => response.end('%%%%"}]}'));
	});
	const { error } = await runGenerate(server, { options: { maxTries: 3 } });
	expect(error?.message).toBe(
		'The response contains something that is not an image: The image in the response is not valid Base64',
	);
	expect(server.requests).toHaveLength(1);
});

test('A complete response with half an image is not requested again', async () => {
	server.attackWith((_request, response) => {
		response.end(imageResponse(png.subarray(0, png.length >> 1).toString('base64')));
	});
	const { error } = await runGenerate(server, { options: { maxTries: 3 } });
	expect(error?.message).toBe(
		'The response contains something that is not an image: The image file is incomplete',
	);
	expect(error?.description).toContain('Request ID: id.');
	expect(server.requests).toHaveLength(1);
});

test('Half an image that is the whole response is not requested again', async () => {
	server.attackWith((_request, response) => {
		response.setHeader('Content-Type', 'image/png');
		response.end(png.subarray(0, png.length >> 1));
	});
	const { error } = await runGenerate(server, { options: { maxTries: 3 } });
	expect(error?.message).toBe(
		'The response contains something that is not an image: The image file is incomplete',
	);
	expect(server.requests).toHaveLength(1);
});

test.each<[string, () => Buffer]>([
	['PNG', () => png],
	['JPEG', () => jpeg],
])('A %s with something behind its end is kept unchanged', async (_format, image) => {
	const file = Buffer.concat([image(), Buffer.alloc(60_000, 'trailer ')]);
	server.attackWith(
		(_request, response) => void response.end(imageResponse(file.toString('base64'))),
	);
	const { items, error } = await runGenerate(server, { options: { maxTries: 1 } });
	expect(error?.message).toBeUndefined();
	expect((await bytesOf(items[0].binary?.data)).equals(file)).toBe(true);
});

test.each([1, 2, 3, 5, 7, 11])(
	'The end of an image is found even if one of %i characters is escaped, which cuts it into small pieces',
	async (nth) => {
		const escaped = [...png.toString('base64')].map((character, index) =>
			index % nth === 0 ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : character,
		);
		server.attackWith((_request, response) => {
			response.end(imageResponse('IMAGE').replace('IMAGE', escaped.join('')));
		});
		const { items, error } = await runGenerate(server, { options: { maxTries: 1 } });
		expect(error?.message).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(png)).toBe(true);
	},
);

test.each(['gzip', 'deflate', 'br'])(
	'A response that is not compressed as it says (%s) is not requested again',
	async (encoding) => {
		server.attackWith((_request, response) => {
			response.setHeader('Content-Encoding', encoding);
			response.end(imageResponse(png.toString('base64')));
		});
		const { error } = await runGenerate(server, { options: { maxTries: 3 } });
		expect(error?.message).toMatch(/^The response arrived, but could not be decompressed: /);
		expect(error?.description).toContain('Content-Encoding');
		expect(error?.description).toContain('The image has been charged');
		expect(error?.httpCode).toBe('200');
		expect(server.requests).toHaveLength(1);
	},
);

test.each<[string, () => Buffer]>([
	['png', () => png],
	['jpeg', () => jpeg],
])('An image that is the whole response (image/%s) is delivered unchanged', async (type, image) => {
	server.attackWith((_request, response) => {
		response.writeHead(200, { 'Content-Type': `image/${type}`, 'X-Trace-Id': 'trace-1' });
		response.end(image());
	});
	const { items, error } = await runGenerate(server);
	expect(error?.message).toBeUndefined();
	expect((await bytesOf(items[0].binary?.data)).equals(image())).toBe(true);
	expect(items[0].json).toMatchObject({ width: 40, height: 30, traceId: 'trace-1' });
	expect(server.requests).toHaveLength(1);
});

test('An endless response that claims to be an image is abandoned, and not requested again', async () => {
	server.attackWith((_request, response) => {
		response.setHeader('Content-Type', 'image/png');
		sendEndlessly(response, 'This is no image. ', 'text ');
	});
	const { error } = await runGenerate(server, { options: { maxTries: 3 } });
	expect(error?.message).toMatch(
		/^The response contains something that is not an image: This is no/,
	);
	expect(server.requests).toHaveLength(1);
	await server.untilNobodyIsConnected();
});

test.each([
	['text', () => png.toString('base64'), 1],
	['a page, which a login or a proxy sends', () => '<html>Please log in</html>', 3],
])('Retry On Fail repeats only what may be free: %s', async (_what, body, requests) => {
	server.attackWith((_request, response) => response.end(body()));
	await runGenerate(server, {}, { retryOnFail: { maxTries: 3 } });
	expect(server.requests).toHaveLength(requests);
});

test('A whole image as the response is kept although its connection breaks', async () => {
	server.attackWith((_request, response) => {
		response.writeHead(200, { 'Content-Type': 'image/png', 'Content-Length': png.length + 9 });
		response.write(png, () => response.destroy());
	});
	const { items, error } = await runGenerate(server, {});
	expect(error?.message).toBeUndefined();
	expect((await bytesOf(items[0].binary?.data)).equals(png)).toBe(true);
	expect(server.requests).toHaveLength(1);
});

test('A whole image in JSON is kept although its connection breaks before the quote behind it', async () => {
	server.attackWith((_request, response) => {
		const body = `{"id":"abc","data":[{"b64_json":"${png.toString('base64')}`;
		response.writeHead(200, { 'Content-Length': body.length + 5 });
		response.write(body, () => response.destroy());
	});
	const { items, error } = await runGenerate(server, {});
	expect(error?.message).toBeUndefined();
	expect(items[0].json.id).toBe('abc');
	expect((await bytesOf(items[0].binary?.data)).equals(png)).toBe(true);
	expect(server.requests).toHaveLength(1);
});

test.each<[string, () => Promise<Buffer>]>([
	[
		'a TIFF whose directory comes first',
		async () =>
			Buffer.from('49492a000800000001000001040001000000280000000000'.padEnd(140, '0'), 'hex'),
	],
	[
		'a WebP of unknown length',
		async () => {
			const webp = await inputImage(40, 30, 'webp');
			return webp.fill(0xff, 4, 8);
		},
	],
])('Half of %s is not kept if the connection breaks', async (_what, start) => {
	const image = Buffer.concat([await start(), Buffer.alloc(1000)]);
	server.attackWith((_request, response) => {
		response.writeHead(200, { 'Content-Length': image.length });
		if (server.requests.length > 1) response.end(image);
		else response.write(image.subarray(0, -500), () => response.destroy());
	});
	const { items, error } = await runGenerate(server, {});
	expect(error?.message).toBeUndefined();
	expect((await bytesOf(items[0].binary?.data)).equals(image)).toBe(true);
});

test('A response that is not HTTP is not requested again', async () => {
	server.attackWith(({ socket }) => {
		socket.end(
			'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
		);
	});
	const { error } = await runGenerate(server, {});
	expect(error?.message).toContain('Parse Error');
	expect(server.requests).toHaveLength(1);
});

test.each([
	[
		'a withheld image',
		imageResponse('', { data: [{ finish_reason: 'content_filtered' }] }),
		/content_filtered/,
	],
	['no image', imageResponse('', { data: [] }), /without an image/],
	['a task', JSON.stringify({ task_id: 'task-7' }), /started a task/],
	['an error', JSON.stringify({ error: { message: 'out of memory' } }), /out of memory/],
])(
	'Whole JSON with %s is not requested again, whatever happens to its connection',
	async (...given) => {
		const [, body, message] = given;
		for (const end of ['broken', 'without an end']) {
			server.attackWith((_request, response) => {
				response.writeHead(200, { 'Content-Length': body.length + 5 });
				response.write(body, () => end === 'broken' && setTimeout(() => response.destroy(), 50));
			});
			const { error } = await runGenerate(server, { options: { timeout: 1 } });
			expect(error?.message).toMatch(message);
			expect(server.requests).toHaveLength(1);
		}
	},
);

test.each<[string, (image: string) => string]>([
	['text', () => Buffer.from('not stored').toString('base64')],
	['half of the image', (image) => image.slice(0, image.length >> 1)],
	['invalid Base64', (image) => `${image.slice(0, 100)}%%%%`],
])('The link beside %s instead of an image leads to the image', async (_what, spoil) => {
	const spoiled = spoil(png.toString('base64'));
	const url = `${server.origin}/image.png`;
	for (const data of [
		[{ b64_json: spoiled, url }],
		[{ url, b64_json: spoiled }],
		[{ b64_json: spoiled }, { url }],
	]) {
		server.attackWith((request, response) => {
			response.end(request.url === '/image.png' ? png : JSON.stringify({ id: 'id', data }));
		});
		const { items, error } = await runGenerate(server);
		expect(error?.message).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(png)).toBe(true);
		expect(server.requests).toHaveLength(2);
	}
});

test('A link before an image that breaks off leads to the image', async () => {
	server.attackWith((request, response) => {
		if (request.url === '/image.png') return void response.end(png);
		const data = [{ url: `${server.origin}/image.png`, b64_json: png.toString('base64') }];
		const body = JSON.stringify({ id: 'id', data });
		response.writeHead(200, { 'Content-Length': body.length });
		response.write(body.slice(0, -60), () => setTimeout(() => response.destroy(), 50));
	});
	const { items, error } = await runGenerate(server);
	expect(error?.message).toBeUndefined();
	expect((await bytesOf(items[0].binary?.data)).equals(png)).toBe(true);
	expect(server.requests).toHaveLength(2);
});
