import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';
import { inputImage } from '../kit/images.cts';
import { bytesOf } from '../kit/runNode.cts';
import { runGenerate } from '../kit/localRuns.cts';

// Gateways and self-hosted servers speak the same API with an accent of their own.

let server: HostileServer;
let picture: Buffer;

beforeAll(async () => {
	picture = await inputImage(40, 30);
	server = await startHostileServer();
});
afterAll(async () => await server.close());

async function run(output: string, reply: unknown) {
	server.attackWith(({ url }, response) => {
		response.end(
			url === '/file.png' ? picture : typeof reply === 'string' ? reply : JSON.stringify(reply),
		);
	});
	return await runGenerate(server, { output, options: { maxTries: 1 } });
}

const fileUrl = () => `${server.origin}/file.png`;

test('A response with only the image results in null for the missing fields', async () => {
	const { items, error } = await run('file', {
		data: [{ b64_json: picture.toString('base64') }],
	});
	expect(error?.message).toBeUndefined();
	expect(items[0].json).toEqual({
		prompt: 'A red shoe',
		model: 'step-image-edit-2',
		seed: null,
		finishReason: null,
		width: 40,
		height: 30,
		fileName: 'a-red-shoe-1.png',
		mimeType: 'image/png',
		fileSize: picture.length,
		created: null,
		id: null,
		traceId: null,
		tries: 1,
	});
	expect((await bytesOf(items[0].binary?.data)).equals(picture)).toBe(true);
});

describe('Other servers: the text of an image', () => {
	const base64 = () => picture.toString('base64');
	const body = (image: string) => `{"data":[{"b64_json":"${image}"}]}`;

	test.each<[string, () => string]>([
		['as a data URI', () => body(`data:image/png;base64,${base64()}`)],
		['without padding', () => body(base64().replace(/=+$/, ''))],
		['in lines of 76 characters', () => body(base64().replace(/(.{76})/g, '$1\\n'))],
		['with escaped slashes', () => body(base64().replaceAll('/', '\\/'))],
		[
			'with \\u escapes',
			() => body(base64().replaceAll('+', '\\u002b').replaceAll('/', '\\u002F')),
		],
		['under a key with escapes', () => `{"data":[{"b64\\u005fjson" : "${base64()}"}]}`],
		['after null under the same key', () => `{"data":[{"url":null,"b64_json":"${base64()}"}]}`],
		[
			'after a text that looks like the key',
			() => `{"note":"\\"b64_json\\":\\"AAAA\\"","data":[{"b64_json":"${base64()}"}]}`,
		],
		[
			'before a second image, which n would have brought',
			() => `{"data":[{"b64_json":"${base64()}"},{"b64_json":"AAAA"}]}`,
		],
		['after a byte order mark', () => `\uFEFF${body(base64())}`],
	])('The image is read when it comes %s', async (_, spelled) => {
		const { items, error } = await run('file', spelled());
		expect(error?.message).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(picture)).toBe(true);
	});

	test.each([
		['no Base64', '%%%%%%%%%%%%'],
		['text in Base64', Buffer.from('no picture at all').toString('base64')],
	])('An image field that is %s fails as one that is not an image', async (_, image) => {
		const { error, items } = await run('file', body(image));
		expect(error?.message).toMatch(/^The response contains something that is not an image/);
		expect(items).toEqual([]);
	});

	test('Half an image is not accepted as a whole one', async () => {
		const half = picture.subarray(0, picture.length >> 1).toString('base64');
		const { error, items } = await run('file', body(half));
		expect(error?.message).toBe(
			'The response contains something that is not an image: The image file is incomplete',
		);
		expect(items).toEqual([]);
	});
});

describe('Other servers: response_format is ignored', () => {
	test('Image File downloads the link of a server that sends a link', async () => {
		const { items, error } = await run('file', { data: [{ url: fileUrl() }] });
		expect(error?.message).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(picture)).toBe(true);
		expect(
			server.requests.slice(1).map(({ url, headers }) => [url, headers.authorization]),
		).toEqual([['/file.png', undefined]]);
	});

	test('Image File and URL returns the file without a link if the server sends Base64', async () => {
		const { items, error } = await run('fileAndUrl', {
			data: [{ b64_json: picture.toString('base64') }],
		});
		expect(error?.message).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(picture)).toBe(true);
		expect(items[0].json.url).toBeNull();
	});

	test('Image URL keeps the paid image as a named file if the server sends Base64', async () => {
		const { items, error } = await run('url', {
			data: [{ b64_json: picture.toString('base64') }],
		});
		expect(error?.message).toBeUndefined();
		expect(Object.keys(items[0].binary ?? {})).toEqual(['data']);
		expect((await bytesOf(items[0].binary?.data)).equals(picture)).toBe(true);
	});

	test('An image as a data URI in place of the link is accepted', async () => {
		const url = `data:image/png;base64,${picture.toString('base64')}`;
		const { items, error } = await run('file', { data: [{ url }] });
		expect(error?.message).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(picture)).toBe(true);
		expect(items[0].json).not.toHaveProperty('url');
	});

	test('Image URL returns only the link if the server sends both', async () => {
		const { items } = await run('url', {
			data: [{ url: fileUrl(), b64_json: picture.toString('base64') }],
		});
		expect(items[0].json.url).toBe(fileUrl());
		expect(Object.keys(items[0].binary ?? {})).toEqual([]);
	});

	test('A path on the disk of the server, which Xinference sends, leads to the advice to ask for the image itself', async () => {
		server.attackWith(({ url }, response) => {
			const isRequest = url === '/v1/images/generations';
			const data = [{ url: '/root/.xinference/image/1.jpg', b64_json: null }];
			response.writeHead(isRequest ? 200 : 404);
			response.end(JSON.stringify(isRequest ? { created: 5, data } : { detail: 'Not Found' }));
		});
		const { error } = await runGenerate(server, { options: { maxTries: 1 } });
		expect(error?.description).toContain(
			`Send { "response_format": "b64_json" } in 'Additional Body Fields'`,
		);
	});

	test('A path in place of a link is resolved on the server itself', async () => {
		const { items } = await run('url', { data: [{ url: '/v1/images/1/content' }] });
		expect(items[0].json.url).toBe(new URL('/v1/images/1/content', fileUrl()).href);
	});

	test.each([
		['//host/file.png', 'http://host/file.png'],
		[' https://host/file.png\n', 'https://host/file.png'],
	])('The link %j leads to %s', async (link, address) => {
		const { items } = await run('url', { data: [{ url: link }] });
		expect(items[0].json.url).toBe(address);
	});

	// mistral.rs sends the first, relative to its own directory.
	test.each(['relative.png', 'ftp://host/file.png', 'C:\\images\\1.png'])(
		'The error contains the link %j, which the node cannot open, and advises to ask for the image itself',
		async (link) => {
			const { error } = await run('url', { data: [{ url: link }] });
			expect(error?.message).toBe(`The service responded without an image: ${link}`);
			expect(error?.description).toContain('may have been charged. Send { "response_format"');
		},
	);

	test('An empty link counts as missing', async () => {
		const { error } = await run('url', { data: [{ url: '' }] });
		expect(error?.message).toBe('The service responded without an image');
	});
});

test.each([
	[1752565891, '2025-07-15T07:51:31.000Z'],
	['1752565891', '2025-07-15T07:51:31.000Z'],
	[1752565891000, '2025-07-15T07:51:31.000Z'],
	[1e300, null],
])('Other servers: the time %j is %s', async (created, time) => {
	const data = [{ b64_json: picture.toString('base64') }];
	const { items } = await run('file', { created, data });
	expect(items[0].json.created).toBe(time);
});

describe('Other servers: responses without an image', () => {
	test.each<[string, unknown]>([
		['a list', []],
		['null', null],
		['data that is no list', { data: 'x' }],
		['data with null', { data: [null] }],
		['an image that is null', { data: [{ b64_json: null }] }],
		['an image that is empty', { data: [{ b64_json: '' }] }],
		['an image that is a number', { data: [{ b64_json: 5 }] }],
	])('A response that is %s fails as one without an image', async (_, reply) => {
		const { error } = await run('file', reply);
		expect(error?.message).toBe('The service responded without an image');
		expect(error?.httpCode).toBe('200');
	});

	test('An error with status 200 is shown in its own words', async () => {
		const { error } = await run('file', { error: { message: 'model is loading' } });
		expect(error?.message).toContain('model is loading');
	});
});
