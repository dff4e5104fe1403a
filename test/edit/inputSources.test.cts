import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';
import { inputImage } from '../kit/images.cts';
import { runEdit } from '../kit/localRuns.cts';
import {
	LOCAL_API_KEY,
	startStepFunServer,
	type StepFunServer,
} from '../stepfun-server/server.cts';

let server: StepFunServer;
let files: HostileServer;
let image: Buffer;
let failures = 0;

beforeAll(async () => {
	server = await startStepFunServer();
	image = await inputImage(120, 90);
	files = await startHostileServer();
});
beforeEach(() => {
	failures = 0;
	files.attackWith(({ url }, response) => {
		if (failures-- > 0) response.writeHead(503).end();
		// A plain proxy is sent the whole address.
		else if (url?.endsWith('/shoe.png')) response.end(image);
		else if (url === '/page') response.end('<html>Please log in</html>');
		else if (url === '/endless') response.end(Buffer.alloc(70 * 1024 * 1024));
		else response.writeHead(404).end('no such file');
	});
});
afterEach(() => server.reset());
afterAll(async () => {
	await files.close();
	await server.close();
});

const fromUrl = async (inputUrl: string, options = {}) =>
	await runEdit(server, [{ json: {} }], { inputSource: 'url', inputUrl, options });

describe('Edit: an image from a URL', () => {
	test('An image from a URL is downloaded without the key and uploaded byte for byte', async () => {
		const { items, error } = await fromUrl(`${files.origin}/shoe.png`);
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file).toEqual({ name: 'shoe.png', type: 'image/png', bytes: image });
		expect(items[0].json).toMatchObject({ width: 120, height: 90, fileName: 'shoe-edited-1.png' });
		expect(files.requests).toHaveLength(1);
		expect(JSON.stringify(files.requests[0].headers)).not.toContain(LOCAL_API_KEY);
	});

	test('The download of an input image is tried again when that can help', async () => {
		failures = 1;
		const { error } = await fromUrl(`${files.origin}/shoe.png`);
		expect(error?.message).toBeUndefined();
		expect(files.requests).toHaveLength(2);
		expect(server.requests).toHaveLength(1);
	});

	test.each([
		['/missing.png', "The image at 'Image URL' could not be downloaded: 127.0.0.1:"],
		['/page', "The file behind 'Image URL' is not an image that can be edited"],
		['/endless', "The image at 'Image URL' could not be downloaded: the file is larger than"],
	])(
		'An Image URL that leads to %s is told as what it is, and nothing is sent to the service',
		async (path, message) => {
			const { error } = await fromUrl(`${files.origin}${path}`);
			expect(error?.message).toContain(message);
			expect(error?.context.itemIndex).toBe(0);
			expect(error?.httpCode ?? '').not.toMatch(/\d/);
			expect(server.requests).toEqual([]);
		},
	);

	test('An input image that is missing does not end the run for other items', async () => {
		const { items } = await runEdit(
			server,
			[{ json: { file: 'missing.png' } }, { json: { file: 'shoe.png' } }],
			{ inputSource: 'url', inputUrl: `=${files.origin}/{{ $json.file }}` },
			{ onError: 'continueRegularOutput', credential: { concurrentRequests: 1 } },
		);
		// The 404 is the other host's; the image service was not asked.
		expect(items[0].json.details).toMatchObject({ httpCode: null });
		expect(items[1].json.finishReason).toBe('success');
	});

	test.each([
		'={{ "" }}',
		'shoe.png',
		'ftp://example.com/shoe.png',
		'file:///etc/passwd',
		'https://',
	])('The Image URL %p is refused', async (inputUrl) => {
		const { error } = await fromUrl(inputUrl);
		expect(error?.message).toMatch(
			/^'Image URL' must be an address that starts with https:\/\/ or http:\/\//,
		);
		expect(server.requests).toEqual([]);
	});
});

describe('Edit: an image as Base64 text', () => {
	const fromText = async (inputText: string) =>
		await runEdit(server, [{ json: { image: inputText } }], {
			inputSource: 'text',
			inputText: '={{ $json.image }}',
		});

	test.each([
		['Base64', () => image.toString('base64')],
		['a data URI', () => `data:image/jpeg;base64,${image.toString('base64')}`],
		['Base64 in lines', () => image.toString('base64').replace(/.{76}/g, '$&\r\n')],
	])('An image as %s is uploaded with its own type, not the claimed one', async (_form, text) => {
		const { error } = await fromText(text());
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].file).toEqual({
			name: 'image.png',
			type: 'image/png',
			bytes: image,
		});
	});

	test.each([
		['', "'Base64 Text' is empty"],
		['a red shoe', "'Base64 Text' does not hold an image that can be edited"],
	])('The Base64 Text %p is refused', async (text, message) => {
		const { error } = await fromText(text);
		expect(error?.message).toBe(message);
		expect(server.requests).toEqual([]);
	});
});
