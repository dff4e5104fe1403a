import { waitFor } from '../kit/waitFor.cts';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { INodeParameters } from 'n8n-workflow';

import { pngChunk } from '../kit/craftedImages.cts';
import { inputImage } from '../kit/images.cts';
import { userFolder } from '../kit/userFolder.cts';
import { runGenerate } from '../kit/localRuns.cts';
import {
	ENCODINGS,
	imageResponse,
	linkResponse,
	sendEndlessly,
	startHostileServer,
	type Attack,
	type Encoding,
	type HostileServer,
} from '../kit/hostileServer.cts';

jest.setTimeout(60_000);

const MEGABYTE = 1024 * 1024;

/** Far less than what these servers send, and room for the lazy garbage collection of a test's process. */
const MOST_GROWTH = 200 * MEGABYTE;

let server: HostileServer;
let picture: Buffer;

beforeAll(async () => {
	picture = await inputImage(64, 64);
	server = await startHostileServer();
});
afterAll(() => server.close());

/** Everything in n8n's binary store, the files that are being written among it. */
function storedFiles(): string[] {
	const folder = join(userFolder, 'storage');
	return existsSync(folder)
		? readdirSync(folder, { recursive: true, withFileTypes: true })
				.filter((entry) => entry.isFile())
				.map(({ parentPath, name }) => join(parentPath, name))
		: [];
}

/** Runs the node against an attack and expects that it ends well: no memory, no file and no connection is left. */
async function expectSafeFailure(attack: Attack, parameters: INodeParameters = {}) {
	server.attackWith(attack);
	const before = storedFiles();
	const memoryBefore = process.memoryUsage().rss;
	let memoryAtMost = memoryBefore;
	const probe = setInterval(() => {
		memoryAtMost = Math.max(memoryAtMost, process.memoryUsage().rss);
	}, 20);
	const options = { maxTries: 1, timeout: 20, ...(parameters.options as INodeParameters) };
	const { error, items } = await runGenerate(server, { ...parameters, options });
	clearInterval(probe);

	expect(items).toEqual([]);
	expect(memoryAtMost - memoryBefore).toBeLessThan(MOST_GROWTH);
	await server.untilNobodyIsConnected();
	// n8n's store clears away what it had begun once its stream has ended.
	await waitFor('n8n to clear its store', () => storedFiles().join() === before.join());
	return error?.message;
}

/** The response that brings a link to a file of this server. */
const link: Attack = (_request, response) => {
	response.end(linkResponse(`${server.origin}/picture.png`));
};

/** Responds with a link, and attacks who follows it. */
const behindLink =
	(attack: Attack): Attack =>
	(request, response, body) =>
		(request.method === 'GET' ? attack : link)(request, response, body);

const endless =
	(begin: () => string | Buffer, piece: string, encoding?: Encoding, status = 200): Attack =>
	(_request, response) => {
		response.statusCode = status;
		sendEndlessly(response, begin(), piece, encoding);
	};

/** The beginning of a response, up to the Base64 text of its image. */
const imageBegins = (base64 = '') => `{"data":[{"finish_reason":"success","b64_json":"${base64}`;
/** Base64 of a picture's first bytes. */
const pictureBegins = () => imageBegins(picture.toString('base64', 0, 99));
/** Base64 of a picture's signature and header, up to its second chunk. */
const pictureHead = () => imageBegins(picture.toString('base64', 0, 33));
const EMPTY_CHUNK = pngChunk('prIv', Buffer.alloc(0)).toString('base64');
const wholePicture = () => imageBegins(picture.toString('base64'));

const FAR_TOO_LARGE = /^The response is far larger than any valid response of this API$/;
const LARGE_IMAGE = /^The image is larger than 256 MB$/;

describe('Hostile servers: endless responses', () => {
	test.each<[string, () => string, string, RegExp]>([
		['of one text', () => '{"id":"', 'x', FAR_TOO_LARGE],
		['of white space', () => '', ' ', FAR_TOO_LARGE],
		['of lists in lists', () => '', '[', FAR_TOO_LARGE],
		['of objects in objects', () => '', '{"a":', FAR_TOO_LARGE],
		['of empty texts', () => '[', '"",', FAR_TOO_LARGE],
		['of escapes in a text', () => '{"id":"', '\\u0041', FAR_TOO_LARGE],
		['that is no JSON', () => '', 'x', FAR_TOO_LARGE],
		['in a picture', pictureBegins, 'A', LARGE_IMAGE],
		['of empty chunks in a picture', pictureHead, EMPTY_CHUNK, LARGE_IMAGE],
		['in an image that is none', () => imageBegins(), 'A', FAR_TOO_LARGE],
		['in a second image', () => `${wholePicture()}","b64_json":"`, 'A', FAR_TOO_LARGE],
		['behind a whole picture', () => `${wholePicture()}","more":"`, 'x', FAR_TOO_LARGE],
		['of white space in an image', pictureBegins, ' ', FAR_TOO_LARGE],
	])('An endless response %s ends the request', async (_what, begin, piece, message) => {
		expect(await expectSafeFailure(endless(begin, piece))).toMatch(message);
	});

	test('An endless series of escapes in an image ends with the timeout', async () => {
		const message = await expectSafeFailure(endless(pictureBegins, '\\u0041'), {
			options: { timeout: 1 },
		});
		expect(message).toMatch(
			/did not finish its response within 10? seconds|larger than|did not accept it/,
		);
	});

	test.each([403, 500])('An endless response with status %d ends the request', async (status) => {
		expect(await expectSafeFailure(endless(() => '', '<p>no</p>', undefined, status))).toMatch(
			/^(Something in front of the server|The service failed with status 500)/,
		);
	});

	test('An endless response to Get Balance ends the request', async () => {
		const parameters = { resource: 'account', operation: 'getBalance' };
		const message = await expectSafeFailure(
			endless(() => '{"type":"', 'x'),
			parameters,
		);
		expect(message).toBe('The response is far too large for an account balance');
	});
});

describe.each(ENCODINGS)('Hostile servers: a body that %s has made small', (encoding) => {
	test('An endless compressed response ends the request', async () => {
		expect(await expectSafeFailure(endless(() => '{"id":"', 'x', encoding))).toMatch(FAR_TOO_LARGE);
	});

	test('An endless compressed error ends the request', async () => {
		expect(await expectSafeFailure(endless(() => '', 'x', encoding, 500))).toMatch(
			/^The service failed/,
		);
	});

	test('An endless compressed image to edit ends the download', async () => {
		const message = await expectSafeFailure(
			endless(() => picture.subarray(0, 99), '\0', encoding),
			{
				operation: 'edit',
				inputSource: 'url',
				inputUrl: `${server.origin}/shoe.png`,
			},
		);
		expect(message).toMatch(/could not be downloaded: the file is larger than \d+ bytes$/);
	});
});

test('A picture that decompression makes enormous ends the download', async () => {
	const message = await expectSafeFailure(
		behindLink(endless(() => picture.subarray(0, 99), '\0', 'gzip')),
	);
	expect(message).toMatch(/could not be downloaded: The image is larger than 256 MB$/);
	// It was unpacked on the way: what was sent is a hundredth of that.
	expect(server.bytesSent).toBeLessThan(8 * MEGABYTE);
});

describe('Hostile servers: a response that goes wrong after its picture', () => {
	test.each<[string, () => string, RegExp]>([
		[
			'filtered',
			() =>
				`{"data":[{"b64_json":"${picture.toString('base64')}","finish_reason":"content_filtered"}]}`,
			/stopped by moderation/,
		],
	])('A response %s after its picture delivers no picture', async (_what, body, message) => {
		expect(await expectSafeFailure((_request, response) => void response.end(body()))).toMatch(
			message,
		);
	});
});

describe('Hostile servers: a byte now and then', () => {
	/** Sends the text byte by byte, far too slowly to ever be done. */
	const slowly =
		(text: () => string): Attack =>
		(_request, response) => {
			const bytes = Buffer.from(text(), 'latin1');
			let sent = 0;
			const drip = setInterval(() => response.write(bytes.subarray(sent, ++sent)), 50);
			response.on('close', () => clearInterval(drip));
		};
	const quick = { options: { timeout: 0.5 } };
	/** Long enough that it is never here in time. */
	const padded = () => `${picture.toString('latin1')}${' '.repeat(10_000)}`;

	test.each<[string, () => string]>([
		['of the response', () => `{"id":"${'x'.repeat(10_000)}`],
		['of the image', () => imageBegins(Buffer.alloc(10_000).toString('base64'))],
	])('A server that sends a byte %s now and then runs into the timeout', async (_what, text) => {
		expect(await expectSafeFailure(slowly(text), quick)).toBe(
			// It is never silent for as long as the timeout, so ten times as long is the limit.
			'The service did not finish its response within 5 seconds',
		);
	});

	test('A server that sends a byte of the head of a response now and then runs into the timeout', async () => {
		const message = await expectSafeFailure((_request, response) => {
			const { socket } = response;
			const drip = setInterval(() => socket?.write('H'), 50);
			socket?.write('HTTP/1.1 200 OK\r\nX-');
			socket?.on('close', () => clearInterval(drip));
		}, quick);
		expect(message).toBe('The service did not finish its response within 0.5 seconds');
	});

	test('A server that sends a byte of an error now and then runs into the timeout', async () => {
		const drip = slowly(() => 'x'.repeat(10_000));
		const message = await expectSafeFailure((request, response, body) => {
			response.statusCode = 403;
			drip(request, response, body);
		}, quick);
		expect(message).toMatch(/within 0.5 seconds$|^This key may not use/);
	});

	test('A server that sends a byte of the picture behind the link now and then runs into the timeout', async () => {
		const message = await expectSafeFailure(behindLink(slowly(padded)), quick);
		expect(message).toMatch(/did not send the whole file within 5 seconds$/);
	});

	test('A server that sends a byte of the image to edit now and then runs into the timeout', async () => {
		const message = await expectSafeFailure(slowly(padded), {
			...quick,
			operation: 'edit',
			inputSource: 'url',
			inputUrl: `${server.origin}/shoe.png`,
		});
		expect(message).toMatch(/did not send the whole file within 5 seconds$/);
	});
});

describe('Hostile servers: a picture that claims to be enormous', () => {
	const enormous = () => {
		const bytes = Buffer.from(picture);
		bytes.writeUInt32BE(100_000, 16);
		bytes.writeUInt32BE(100_000, 20);
		return bytes;
	};

	test('A result that claims to be enormous is kept unchanged, and never decompressed', async () => {
		server.attackWith((_request, response) => {
			response.end(imageResponse(enormous().toString('base64')));
		});
		const before = process.memoryUsage().rss;
		const { items } = await runGenerate(server);
		expect(items[0].json).toMatchObject({
			width: 100_000,
			height: 100_000,
			fileSize: picture.length,
		});
		expect(process.memoryUsage().rss - before).toBeLessThan(MOST_GROWTH);
	});

	test.each([
		['from an address', () => ({ inputSource: 'url', inputUrl: `${server.origin}/shoe.png` })],
		['as text', () => ({ inputSource: 'text', inputText: enormous().toString('base64') })],
	])('An image to edit %s that claims to be enormous is refused', async (_where, source) => {
		const message = await expectSafeFailure((_request, response) => void response.end(enormous()), {
			operation: 'edit',
			...source(),
		});
		expect(message).toMatch(/^The image in '.*' is too large: 100000 × 100000 pixels$/);
		expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
	});
});
