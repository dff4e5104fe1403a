import { box, heifHead, heifSize, measureImage } from '../kit/craftedImages.cts';
import { inputImage } from '../kit/images.cts';
import { inspectFile, inspectImage } from '../../nodes/StepFunImage/image/measure';

const MEGABYTE = 1024 * 1024;

/** Measuring these takes a fraction of a second, and took minutes. The bound leaves room for a busy machine. */
const LONGEST_READING_MS = 5_000;

/** A TIFF whose directory continues to the end of the file. */
function endlessTiff(entry: number[], bytes = MEGABYTE): Buffer {
	const head = Buffer.from([0x49, 0x49, 0x2a, 0, 8, 0, 0, 0, 0xff, 0xff]);
	return Buffer.concat([head, Buffer.alloc(bytes, Buffer.from(entry))]);
}

describe('a file that is made to keep the size reader busy', () => {
	test.each<[string, () => Buffer]>([
		['JPEG of a million empty segments', () => Buffer.alloc(MEGABYTE, Buffer.from([0xff, 0xd8]))],
		[
			'JPEG of a quarter of a million segments',
			() =>
				Buffer.concat([
					Buffer.from([0xff, 0xd8]),
					Buffer.alloc(MEGABYTE, Buffer.from([0xff, 0xe2, 0, 2])),
				]),
		],
		[
			'JPEG without any marker',
			() => Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.alloc(MEGABYTE, 1)]),
		],
		[
			'TIFF with a directory of a megabyte',
			() => endlessTiff([9, 1, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
		],
		['portable any map of comments', () => Buffer.from(`P7\n${'#\n'.repeat(MEGABYTE / 2)}`)],
		[
			'icon of a hundred thousand icons',
			() => Buffer.from(`icns\x7f${'ICON\0\0\0\x08'.repeat(100_000)}`, 'latin1'),
		],
		['HEIF of fifty thousand sizes', () => heifHead(Buffer.alloc(MEGABYTE, heifSize(1, 1)))],
		[
			'HEIF of some sizes and seven thousand empty boxes',
			() =>
				heifHead(
					Buffer.concat([
						Buffer.alloc(15 * 20, heifSize(1, 1)),
						Buffer.alloc(60_000, box('free', Buffer.alloc(0))),
					]),
				),
		],
		['SVG of opening tags', () => Buffer.from('<svg x='.repeat(100_000))],
		[
			'JPEG of 64 MB',
			() => Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.alloc(64 * MEGABYTE, 1)]),
		],
	])('%s is measured quickly', async (_name, make) => {
		const file = make();
		const startedAt = performance.now();
		await measureImage(file);
		expect(performance.now() - startedAt).toBeLessThan(LONGEST_READING_MS);
	});
});

describe('other work of n8n continues', () => {
	/** A JPEG without a size, whose bytes are all to be looked at. */
	const jpeg = Buffer.alloc(24 * MEGABYTE, Buffer.from([0xff, 0]));
	jpeg.set([0xff, 0xd8, 0xff]);

	async function* inOneChunk(file: Buffer): AsyncGenerator<Buffer> {
		yield file;
	}

	test.each<[string, () => Promise<unknown>]>([
		['a file is measured', async () => await measureImage(jpeg)],
		[
			'a file that a store gives in one chunk is measured',
			async () => await inspectFile(inOneChunk(jpeg)),
		],
		['Base64 text is measured', async () => await measureImage(jpeg.toString('base64'))],
	])('while %s', async (_what, read) => {
		let turns = 0;
		const timer = setInterval(() => turns++, 1);
		await read();
		clearInterval(timer);
		expect(turns).toBeGreaterThan(2);
	});

	test('also while eight files are measured at once', async () => {
		const files = Array<Buffer>(8).fill(jpeg.subarray(0, 8 * MEGABYTE));
		let turns = 0;
		const timer = setInterval(() => turns++, 1);
		const before = process.cpuUsage();
		await Promise.all(files.map(measureImage));
		const { user, system } = process.cpuUsage(before);
		clearInterval(timer);
		// Processor time, because other programs may use the processor too.
		expect((user + system) / 1000 / turns).toBeLessThan(20);
	});
});

test('the size of a HEIF photo and its preview is read', async () => {
	const properties = Buffer.concat([heifSize(4032, 3024), heifSize(320, 240)]);
	expect(await measureImage(heifHead(properties))).toEqual({
		format: 'heif',
		width: 4032,
		height: 3024,
	});
	// Phones store the size of the photo's tiles first.
	const tiled = heifHead(Buffer.concat([heifSize(512, 512), properties]));
	expect(await measureImage(tiled)).toEqual({ format: 'heif', width: 4032, height: 3024 });
});

test('a view into a larger buffer is read no further than its end', async () => {
	const picture = await inputImage(120, 90);
	const surrounded = Buffer.concat([Buffer.alloc(100, 1), picture, Buffer.alloc(100, 1)]);
	expect(await measureImage(surrounded.subarray(100, 100 + picture.length))).toMatchObject({
		width: 120,
		height: 90,
	});
	expect(await measureImage(surrounded.subarray(100, 118))).toMatchObject({
		width: null,
		height: null,
	});
});

describe('an image with endless parts', () => {
	const BYTES = 20 * MEGABYTE;
	/** As large as a piece that a socket gives. */
	const PIECE_BYTES = 64 * 1024;
	/**
	 * The slowest take a few seconds in a test's process; a time that grows with the square of the size would be hours.
	 */
	const MOST_TIME_MS = 30_000;
	/** A piece takes a few ms; the garbage collection of a test's process, and a busy machine, much longer. */
	const LONGEST_PIECE_MS = 1_000;

	const JPEG = [0xff, 0xd8, 0xff, 0xe0, 0, 2];
	const GIF = [...Buffer.from('GIF89a'), 1, 0, 1, 0, 0, 0, 0];
	const PNG = [...Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')];
	const BIG_TIFF = [
		0x49,
		0x49,
		43,
		0,
		8,
		0,
		0,
		0,
		16,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		...Array<number>(8).fill(9),
	];
	const HEIF = [...heifHead(heifSize(1, 1))];

	test.each<[string, number[], number[], boolean]>([
		['JPEG of fill bytes', JPEG, [0xff], false],
		['JPEG of stuffed bytes', JPEG, [0xff, 0x00], false],
		['JPEG of restarts', JPEG, [0xff, 0xd0], false],
		['JPEG of empty segments', JPEG, [0xff, 0xe2, 0, 2], false],
		['JPEG of impossible segments', JPEG, [0xff, 0xe2, 0, 0], false],
		['JPEG without any marker', JPEG, [1], false],
		['PNG of empty chunks', PNG, [0, 0, 0, 0, 0x61, 0x61, 0x61, 0x61, 0, 0, 0, 0], false],
		['PNG of a huge chunk', PNG, [0x7f, 0xff, 0xff, 0xff], false],
		['GIF of sub-blocks of one byte', [...GIF, 0x21, 0xfe], [1], false],
		['GIF of empty extensions', GIF, [0x21, 0xfe, 0], false],
		['TIFF of a huge directory', BIG_TIFF, [9], false],
		['HEIF of empty boxes', HEIF, [...box('free', Buffer.alloc(0))], false],
		['HEIF of a huge box', HEIF, [0x7f, ...Buffer.from('\xff\xffmdat', 'latin1')], true],
	])('%s is followed in linear time, piece by piece', (_name, begin, part, isWhole) => {
		const inspector = inspectImage(Buffer.from([...begin, ...Array(64).fill(part).flat()]))!;
		const parts = Buffer.alloc(PIECE_BYTES + part.length, Buffer.from(part));
		let longest = 0;
		const startedAt = performance.now();
		for (let written = 0; written < BYTES; written += PIECE_BYTES) {
			const start = written % part.length;
			const before = performance.now();
			inspector.write(parts.subarray(start, start + PIECE_BYTES));
			longest = Math.max(longest, performance.now() - before);
		}
		expect(performance.now() - startedAt).toBeLessThan(MOST_TIME_MS);
		expect(longest).toBeLessThan(LONGEST_PIECE_MS);
		expect(inspector.isWhole()).toBe(isWhole);
	});

	test('The end of an image is found however its bytes are split into pieces', async () => {
		for (const format of ['png', 'jpeg', 'gif', 'webp'] as const) {
			const image = await inputImage(40, 30, format);
			for (const pieceBytes of [1, 2, 3, 5, 7]) {
				const inspector = inspectImage(image.subarray(0, 64))!;
				for (let at = 64; at < image.length; at += pieceBytes) {
					// Only the check sum of a PNG's last chunk may be missing.
					if (at < image.length - 4) expect(inspector.isWhole()).toBe(false);
					inspector.write(image.subarray(at, at + pieceBytes));
				}
				expect(inspector.isWhole()).toBe(true);
				expect(inspector.measured()).toMatchObject({ width: 40, height: 30 });
			}
		}
	});
});
