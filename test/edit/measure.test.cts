import { Readable } from 'node:stream';

import {
	inspectFile,
	inspectImage,
	readHeader,
	type MeasuredImage,
} from '../../nodes/StepFunImage/image/measure';
import { piecesOf } from '../../nodes/StepFunImage/transport/upload';
import {
	afterJpegStart,
	bmp,
	heif,
	heifHead,
	heifSize,
	jpegSegment,
	measureImage,
	pngChunk,
	tiff,
} from '../kit/craftedImages.cts';

function png(width: number, height: number): Buffer {
	const header = Buffer.alloc(13);
	header.writeUInt32BE(width);
	header.writeUInt32BE(height, 4);
	return Buffer.concat([
		Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
		pngChunk('IHDR', header),
		pngChunk('IDAT', Buffer.alloc(100)),
		pngChunk('IEND', Buffer.alloc(0)),
	]);
}

function jpeg(width: number, height: number): Buffer {
	const frame = Buffer.alloc(6);
	frame.writeUInt16BE(height, 1);
	frame.writeUInt16BE(width, 3);
	return Buffer.concat([
		Buffer.from([0xff, 0xd8]),
		jpegSegment(0xe0, Buffer.alloc(60)),
		jpegSegment(0xc0, frame),
		Buffer.from([0xff, 0xd9]),
	]);
}

function gif(width: number, height: number): Buffer {
	const file = Buffer.alloc(100);
	file.write('GIF89a');
	file.writeUInt16LE(width, 6);
	file.writeUInt16LE(height, 8);
	return file;
}

function webp(width: number, height: number): Buffer {
	const file = Buffer.alloc(100);
	file.write('RIFF');
	file.writeUInt32LE(file.length - 8, 4);
	file.write('WEBPVP8X', 8);
	file.writeUInt32LE(10, 16);
	file.writeUIntLE(width - 1, 24, 3);
	file.writeUIntLE(height - 1, 27, 3);
	return file;
}

const AVIF_BRANDS = 'avif\0\0\0\0avifmif1miaf';

const IMAGES: Array<[MeasuredImage['format'], (width: number, height: number) => Buffer]> = [
	['png', png],
	['jpg', jpeg],
	['gif', gif],
	['webp', webp],
	['bmp', (width, height) => bmp(width, height, 'windows')],
	['tiff', (width, height) => tiff({ width, height })],
	['heif', heif],
	['avif', (width, height) => heif(width, height, AVIF_BRANDS)],
];

describe.each(IMAGES)('The size of a %s', (format, make) => {
	const file = make(30, 20);
	const measured = { format, width: 30, height: 20 };

	test('is read from the file and from its Base64 text', async () => {
		expect(await measureImage(file)).toEqual(measured);
		expect(await measureImage(file.toString('base64'))).toEqual(measured);
	});

	test('is read however the file is split into pieces', () => {
		for (const pieceBytes of [1, 3, 64, 1000]) {
			const inspector = inspectImage(file.subarray(0, 64))!;
			for (let at = 64; at < file.length; at += pieceBytes) {
				inspector.write(file.subarray(at, at + pieceBytes));
			}
			expect(inspector.format).toBe(format);
			expect(inspector.measured()).toEqual(measured);
		}
	});

	test('is unknown if the file ends before it', async () => {
		const beginning = file.subarray(0, format === 'gif' ? 9 : 18);
		expect(await measureImage(beginning)).toEqual({ format, width: null, height: null });
	});

	test.each([
		[0, 20],
		[30, 0],
	])('is not %i × %i', async (width, height) => {
		// The size of WebP is stored as one less, so that it cannot be zero.
		if (format === 'webp') return;
		expect(await measureImage(make(width, height))).toEqual({ format, width: null, height: null });
	});
});

test('A file that is not an image has no size', async () => {
	expect(await measureImage(Buffer.from('hello'))).toBeUndefined();
	expect(await measureImage(Buffer.alloc(0))).toBeUndefined();
	expect(await measureImage('aGVsbG8=')).toBeUndefined();
	expect(inspectImage(Buffer.from('hello'))).toBeUndefined();
});

test('The size is that of the first frame of a JPEG', async () => {
	const second = jpegSegment(0xc0, Buffer.from([8, 0, 7, 0, 9, 0]));
	const file = Buffer.concat([jpeg(30, 20).subarray(0, -2), second]);
	expect(await measureImage(file)).toMatchObject({ width: 30, height: 20 });
});

describe('A size after much other data', () => {
	const segment = jpegSegment(0xe2, Buffer.alloc(60_000));

	test('is found in a JPEG, of which Base64 is decoded piece by piece', async () => {
		const file = afterJpegStart(jpeg(30, 20), ...Array<Buffer>(5).fill(segment));
		expect(await measureImage(file)).toMatchObject({ width: 30, height: 20 });
		expect(await measureImage(file.toString('base64'))).toMatchObject({ width: 30, height: 20 });
	});
});

describe('HEIF', () => {
	test('may have sixteen sizes, of which the largest counts', async () => {
		const withSizes = (previews: number) =>
			heifHead(
				Buffer.concat([heifSize(4032, 3024), ...Array<Buffer>(previews).fill(heifSize(320, 240))]),
			);
		expect(await measureImage(withSizes(15))).toMatchObject({ width: 4032, height: 3024 });
		expect(await measureImage(withSizes(16))).toMatchObject({ width: null, height: null });
	});

	test.each(['heic', 'hevs', 'mif3', 'abcd'])('is measured with the brand %s', async (brand) => {
		const file = heif(30, 20, `${brand}\0\0\0\0heic`);
		expect(await measureImage(file)).toEqual({ format: 'heif', width: 30, height: 20 });
	});

	test('is left as it is', async () => {
		const file = heif(30, 20);
		const before = Buffer.from(file);
		await measureImage(file);
		expect(file.equals(before)).toBe(true);
	});
});

test('An image is complete after its last part, although its size is known long before', () => {
	const file = png(30, 20);
	const inspector = inspectImage(file.subarray(0, 64))!;
	expect(inspector.measured()).toEqual({ format: 'png', width: 30, height: 20 });
	expect(inspector.isWhole()).toBe(false);
	inspector.write(file.subarray(64));
	expect(inspector.isWhole()).toBe(true);
});

const all = async (chunks: AsyncIterable<Buffer>): Promise<Buffer[]> =>
	await Readable.from(chunks).toArray();

/** A file in chunks, and how many of them have been taken. */
function chunksOf(...chunks: Buffer[]) {
	const file = { taken: 0, chunks: take() };
	async function* take(): AsyncGenerator<Buffer> {
		for (const chunk of chunks) {
			file.taken++;
			yield chunk;
		}
	}
	return file;
}

describe('The reading of a file', () => {
	const image = png(30, 20);
	const more = Buffer.alloc(100);

	test('goes on to the end of an image, and not further', async () => {
		const file = chunksOf(image.subarray(0, 70), image.subarray(70), more, more);
		expect(await inspectFile(file.chunks)).toEqual({
			image: { format: 'png', width: 30, height: 20 },
			isWhole: true,
		});
		expect(file.taken).toBe(2);
	});

	test('finds that an image is incomplete', async () => {
		const { isWhole } = await inspectFile(chunksOf(image.subarray(0, -20)).chunks);
		expect(isWhole).toBe(false);
	});

	test.each([[64], [40, 40], [100]])(
		'ends early for another file in chunks of %j',
		async (...lengths) => {
			const beginning = lengths.map((length) => Buffer.alloc(length));
			const file = chunksOf(...beginning, more, more);
			expect(await inspectFile(file.chunks)).toEqual({ image: undefined, isWhole: false });
			expect(file.taken).toBe(beginning.length);
		},
	);

	test('divides it into pieces, and Base64 without decoding a piece twice', async () => {
		const bytes = Buffer.from(Array.from({ length: 150_000 }, (_, at) => at % 251));
		const inBytes = await all(piecesOf(bytes, 65_536));
		expect(inBytes.map(({ length }) => length)).toEqual([65_536, 65_536, 18_928]);
		expect(Buffer.concat(inBytes).equals(bytes)).toBe(true);
		const inBase64 = await all(piecesOf(bytes.toString('base64'), 65_536));
		expect(inBase64.map(({ length }) => length)).toEqual([49_152, 49_152, 49_152, 2_544]);
		expect(Buffer.concat(inBase64).equals(bytes)).toBe(true);
		expect(await all(piecesOf(bytes.subarray(0, 65_536), 65_536))).toHaveLength(1);
	});
});

describe('The header of an image', () => {
	async function read(...lengths: number[]) {
		let taken = 0;
		async function* chunks(): AsyncGenerator<Buffer> {
			for (const length of lengths) yield Buffer.alloc(length, ++taken);
		}
		const { header } = await readHeader(chunks());
		return { bytes: [...header], taken };
	}

	const bytesOf = (...lengths: number[]) =>
		lengths.flatMap((length, index) => Array<number>(length).fill(index + 1));

	test('is as many chunks as hold 64 bytes', async () => {
		expect(await read(64, 10)).toEqual({ bytes: bytesOf(64), taken: 1 });
		expect(await read(63, 10, 10)).toEqual({ bytes: bytesOf(63, 10), taken: 2 });
		expect(await read(0, 1, 2, 61, 5)).toEqual({ bytes: bytesOf(0, 1, 2, 61), taken: 4 });
		expect(await read(1000)).toEqual({ bytes: bytesOf(1000), taken: 1 });
	});

	test('comes first when the file is read, and then the rest of it', async () => {
		const [first, second, third] = [Buffer.alloc(64, 1), Buffer.alloc(10, 2), Buffer.alloc(5, 3)];
		const { bytes } = await readHeader(chunksOf(first, second, third).chunks);
		expect(await all(bytes)).toEqual([first, second, third]);
		const { bytes: none } = await readHeader(chunksOf().chunks);
		expect(await all(none)).toEqual([]);
	});

	test('comes before the error of a file that breaks off', async () => {
		async function* broken(): AsyncGenerator<Buffer> {
			yield Buffer.from('beginning');
			throw new Error('broken off');
		}
		const { header, bytes } = await readHeader(broken());
		expect(header.toString()).toBe('beginning');
		const read: Buffer[] = [];
		await expect(async () => {
			for await (const chunk of bytes) read.push(chunk);
		}).rejects.toThrow('broken off');
		expect(read).toEqual([header]);
	});

	test('is the whole of a shorter file', async () => {
		expect(await read()).toEqual({ bytes: [], taken: 0 });
		expect(await read(5, 6)).toEqual({ bytes: bytesOf(5, 6), taken: 2 });
	});
});

describe('A WebP', () => {
	const withChunk = (name: string, content: number[]) => {
		const file = webp(1, 1).fill(0, 16);
		file.write(name, 12, 'latin1');
		Buffer.from(content).copy(file, 20);
		return file;
	};

	test.each<[string, string, number[]]>([
		// The two upper bits of each number are the scale of a preview.
		['lossy', 'VP8 ', [0, 0, 0, 0x9d, 0x01, 0x2a, 30, 0x40, 20, 0xc0]],
		// Both numbers are one less, in 14 bits each.
		['lossless', 'VP8L', [0x2f, 29, 0xc0, 4, 0]],
		['extended', 'VP8X', [0, 0, 0, 0, 29, 0, 0, 19, 0, 0]],
	])('has its size in its %s header', async (_kind, name, content) => {
		expect(await measureImage(withChunk(name, content))).toMatchObject({ width: 30, height: 20 });
	});

	test('has no size in a header of another name', async () => {
		const other = withChunk('VP8?', [0, 0, 0, 0, 29, 0, 0, 19, 0, 0]);
		expect(await measureImage(other)).toMatchObject({ width: null, height: null });
	});
});
