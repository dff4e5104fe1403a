import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';

import {
	afterJpegStart,
	bmp,
	box,
	heif,
	heifHead,
	heifSize,
	jpegSegment,
	SIGNATURE_ONLY,
	tiff,
	withFillBytes,
} from '../kit/craftedImages.cts';
import { imageResponse, linkResponse, startHostileServer } from '../kit/hostileServer.cts';
import type { HostileServer } from '../kit/hostileServer.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { bytesOf } from '../kit/runNode.cts';
import { padImage } from '../stepfun-server/imagePadding.cts';

const KILOBYTE = 1024;
const WIDTH = 300;
const HEIGHT = 200;

let server: HostileServer;

beforeAll(async () => (server = await startHostileServer()));
afterAll(async () => await server.close());

/** A picture that compression cannot make small. */
const noise = (width = WIDTH, height = HEIGHT) =>
	sharp({
		create: {
			width,
			height,
			channels: 3,
			background: '#888',
			noise: { type: 'gaussian', mean: 128, sigma: 40 },
		},
	});
const png = async () => await noise().png().toBuffer();
const jpeg = async () => await noise().jpeg().toBuffer();
const withTrailer = (image: Buffer, bytes = 300 * KILOBYTE) =>
	Buffer.concat([image, Buffer.alloc(bytes, 'trailer ')]);
const half = (image: Buffer) => image.subarray(0, image.length >> 1);

let animation: Buffer;
let avif: Buffer;

beforeAll(async () => {
	const pages = await Promise.all([1, 2, 3].map(async () => await noise().raw().toBuffer()));
	const raw = { width: WIDTH, height: HEIGHT * 3, channels: 3, pageHeight: HEIGHT } as const;
	animation = await sharp(Buffer.concat(pages), { raw }).gif({ delay: 100, effort: 1 }).toBuffer();
	avif = await noise().avif({ effort: 0 }).toBuffer();
});

/** A photo with a preview, which ends as a photo does, in a segment before the photo itself. */
const withPreview = async () => {
	const preview = await noise(100, 80).jpeg({ quality: 60 }).toBuffer();
	const segment = jpegSegment(0xe1, Buffer.concat([Buffer.from('Exif\0\0'), preview]));
	return afterJpegStart(await jpeg(), segment);
};

/** A HEIF that is only a little longer than the box that tells its size. */
const heifWithLateSize = () =>
	Buffer.concat([
		heifHead(Buffer.concat([box('free', Buffer.alloc(52_000)), heifSize(WIDTH, HEIGHT)])),
		box('mdat', Buffer.alloc(2_000, 7)),
	]);

/** Lets the server respond with an image, in the response itself or behind a link. */
function sendImage(image: Buffer, output: 'file' | 'fileAndUrl') {
	server.attackWith((request, response) => {
		if (request.method === 'GET') response.end(image);
		else if (output === 'file') response.end(imageResponse(image.toString('base64')));
		else response.end(linkResponse(`${server.origin}/picture`));
	});
}

const run = async (image: Buffer, output: 'file' | 'fileAndUrl' = 'file') => {
	sendImage(image, output);
	return await runGenerate(server, { output, options: { maxTries: 1, giveUpAfter: 0 } });
};

const SIZE = { width: WIDTH, height: HEIGHT };
const NO_SIZE = { width: null, height: null };

describe.each(['file', 'fileAndUrl'] as const)(
	'Output %s: whole images are delivered',
	(output) => {
		test.each<[string, string, () => Buffer | Promise<Buffer>, object]>([
			[
				'a JPEG with fill bytes before its markers',
				'jpeg',
				async () => withFillBytes(await jpeg()),
				SIZE,
			],
			[
				'a JPEG with 2 MB before its size',
				'jpeg',
				async () =>
					afterJpegStart(
						await jpeg(),
						...Array<Buffer>(35).fill(jpegSegment(0xe2, Buffer.alloc(60_000, 1))),
					),
				SIZE,
			],
			[
				'a progressive JPEG',
				'jpeg',
				async () => await noise().jpeg({ progressive: true }).toBuffer(),
				SIZE,
			],
			['a JPEG with a preview', 'jpeg', withPreview, SIZE],
			['a JPEG with 300 kB behind its end', 'jpeg', async () => withTrailer(await jpeg()), SIZE],
			['a PNG', 'png', png, SIZE],
			['a PNG with 300 kB behind its end', 'png', async () => withTrailer(await png()), SIZE],
			['a PNG without its last check sum', 'png', async () => (await png()).subarray(0, -4), SIZE],
			[
				'a GIF of one pixel',
				'gif',
				async () => await noise(1, 1).gif().toBuffer(),
				{ width: 1, height: 1 },
			],
			['an animated GIF', 'gif', () => animation, SIZE],
			['a GIF without its trailer', 'gif', () => animation.subarray(0, -1), SIZE],
			['a GIF with 300 kB behind its end', 'gif', () => withTrailer(animation), SIZE],
			['a WebP', 'webp', async () => await noise().webp().toBuffer(), SIZE],
			[
				'a WebP with 300 kB behind its end',
				'webp',
				async () => withTrailer(await noise().webp().toBuffer()),
				SIZE,
			],
			['an AVIF', 'avif', () => avif, SIZE],
			['an AVIF with 300 kB behind its end', 'avif', () => withTrailer(avif), SIZE],
			['a HEIF', 'heif', () => heif(WIDTH, HEIGHT), SIZE],
			['a HEIF whose size stands behind 50 kB', 'heif', () => heifWithLateSize(), SIZE],
			['a HEIF of another brand', 'heif', () => heif(WIDTH, HEIGHT, 'mif1\0\0\0\0mif1heic'), SIZE],
			['an AVIF of another brand', 'avif', () => heif(WIDTH, HEIGHT, 'mif1\0\0\0\0mif1avif'), SIZE],
			[
				'a TIFF with its directory at the end',
				'tiff',
				() => tiff({ width: 1500, height: 1000 }),
				{ width: 1500, height: 1000 },
			],
			['a TIFF of big-endian numbers', 'tiff', () => tiff({ ...SIZE, isBigEndian: true }), SIZE],
			['a BigTIFF', 'tiff', () => tiff({ ...SIZE, isBig: true }), SIZE],
			[
				'a BigTIFF of big-endian numbers',
				'tiff',
				() => tiff({ ...SIZE, isBig: true, isBigEndian: true }),
				SIZE,
			],
			['a TIFF of another writer', 'tiff', async () => await noise().tiff().toBuffer(), SIZE],
			['an OS/2 BMP', 'bmp', () => bmp(WIDTH, HEIGHT, 'os2'), SIZE],
			['a Windows BMP', 'bmp', () => bmp(WIDTH, HEIGHT, 'windows'), SIZE],
			['a PNG whose size is not at its beginning', 'png', () => SIGNATURE_ONLY.png, NO_SIZE],
			['a JPEG without a size', 'jpeg', () => SIGNATURE_ONLY.jpeg, NO_SIZE],
			['a HEIF without a size', 'heif', () => SIGNATURE_ONLY.heif, NO_SIZE],
		])('%s', async (_what, type, make, size) => {
			const image = await make();
			const { items, error } = await run(image, output);
			expect(error?.message).toBeUndefined();
			expect(items[0].json).toMatchObject({
				...size,
				mimeType: `image/${type}`,
				fileSize: image.length,
			});
			expect((await bytesOf(items[0].binary?.data)).equals(image)).toBe(true);
		});
	},
);

describe('Output: half images are refused', () => {
	test.each<[string, () => Buffer | Promise<Buffer>]>([
		['half a PNG', async () => half(await png())],
		['a PNG up to its last chunk', async () => (await png()).subarray(0, -12)],
		['the first 40 bytes of a PNG', async () => (await png()).subarray(0, 40)],
		['half a JPEG', async () => half(await jpeg())],
		['a JPEG without its end', async () => (await jpeg()).subarray(0, -2)],
		['half a JPEG with a preview', async () => half(await withPreview())],
		[
			'a JPEG that ends just behind its preview',
			async () => (await withPreview()).subarray(0, 4_000),
		],
		['half a GIF', () => half(animation)],
		['half a WebP', async () => half(await noise().webp().toBuffer())],
		['half an AVIF', () => half(avif)],
		['half a HEIF', () => half(heif(WIDTH, HEIGHT))],
		['a HEIF without its data', () => heif(WIDTH, HEIGHT).subarray(0, -20_008)],
		['half a TIFF with its directory at the end', () => half(tiff(SIZE))],
		['half an OS/2 BMP', () => half(bmp(WIDTH, HEIGHT, 'os2'))],
		['half a Windows BMP', () => half(bmp(WIDTH, HEIGHT, 'windows'))],
	])('%s', async (_what, make) => {
		const image = await make();
		const inResponse = await run(image);
		expect(inResponse.items).toEqual([]);
		expect(inResponse.error?.message).toBe(
			'The response contains something that is not an image: The image file is incomplete',
		);
		const behindLink = await run(image, 'fileAndUrl');
		expect(behindLink.items).toEqual([]);
		expect(behindLink.error?.message).toMatch(
			/^The image was made, but could not be downloaded: .*The image file is incomplete$/,
		);
	});
});

test.each([
	['a text that begins as a BMP does', 'BMW makes cars, and this text is no picture of one.'],
	['a text that begins as a JPEG does', Buffer.from('ÿØ is how this text begins', 'latin1')],
	['a video', Buffer.from('\0\0\0\x18ftypisom\0\0\0\0isommp42', 'latin1')],
])('Output: %s is not an image', async (_what, text) => {
	const { items, error } = await run(Buffer.from(text as string));
	expect(items).toEqual([]);
	expect(error?.message).toMatch(/^The response contains something that is not an image/);
});

describe.each(['filesystem', 'default'] as const)('A large image in the store %s', (binaryMode) => {
	// Below, around and above what the node keeps of an image before it passes it on.
	test.each([3, 4.2, 8.4])('of %d MB arrives as it was sent', async (megabytes) => {
		const image = padImage(await png(), 'png', megabytes * 1_000_000);
		const responders = [
			(response: ServerResponse) => response.end(imageResponse(image.toString('base64'))),
			(response: ServerResponse) => {
				response.setHeader('Content-Encoding', 'gzip');
				response.end(gzipSync(imageResponse(image.toString('base64')), { level: 1 }));
			},
			(response: ServerResponse) => response.end(image),
		];
		for (const respond of responders) {
			server.attackWith((_request, response) => respond(response));
			const { items, error } = await runGenerate(server, {}, { binaryMode });
			expect(error).toBeUndefined();
			expect((await bytesOf(items[0].binary?.data)).equals(image)).toBe(true);
		}
	});
});
