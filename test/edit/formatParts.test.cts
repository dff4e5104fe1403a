import type { ImageFormat } from '../../nodes/StepFunImage/catalogue/imageFormats';
import { FORMATS } from '../../nodes/StepFunImage/image/formats';
import { createPartReader } from '../../nodes/StepFunImage/image/partReader';
import { bmp, box, heif, jpegSegment, pngChunk, tiff } from '../kit/craftedImages.cts';

const bytes = (...values: Array<number | string | Buffer>) =>
	Buffer.concat(
		values.map((value) =>
			typeof value === 'number'
				? Buffer.from([value])
				: typeof value === 'string'
					? Buffer.from(value, 'latin1')
					: value,
		),
	);

const zeros = (count: number) => Buffer.alloc(count);

function numberOf(byteCount: number, value: number, isIntel = true): Buffer {
	const buffer = Buffer.alloc(byteCount);
	if (isIntel) buffer.writeUIntLE(value, 0, Math.min(byteCount, 6));
	else buffer.writeUIntBE(value, Math.max(0, byteCount - 6), Math.min(byteCount, 6));
	return buffer;
}

function walk(format: ImageFormat) {
	const sizes: string[] = [];
	let isOver = false;
	const parts = createPartReader(function* (file) {
		const onSize = (width: number, height: number) => sizes.push(`${width} × ${height}`);
		const isWhole = yield* FORMATS[format].read(file, onSize);
		isOver = true;
		return isWhole;
	});
	return { ...parts, isOver: () => isOver, sizes };
}

/** At how many bytes an image may end, and the sizes that are noted on the way. */
function follow(format: ImageFormat, file: Buffer) {
	const { write, isWhole, isOver, sizes } = walk(format);
	const ends: number[] = [];
	for (let count = 1; count <= file.length; count++) {
		write(file.subarray(count - 1, count));
		if (isWhole()) ends.push(count);
	}
	// In one piece it comes to the same.
	const once = walk(format);
	once.write(file);
	expect([once.isWhole(), once.isOver(), once.sizes]).toEqual([isWhole(), isOver(), sizes]);
	return { ends, sizes, isOver: isOver() };
}

const endsOf = (format: ImageFormat, file: Buffer) => follow(format, file).ends;

/** All lengths from one to that of the file. */
const from = (first: number, file: Buffer) =>
	Array.from({ length: Math.max(0, file.length - first + 1) }, (_, index) => first + index);

describe('PNG', () => {
	const SIGNATURE = '\x89PNG\r\n\x1a\n';

	test('ends with the head of its chunk IEND', () => {
		const before = bytes(
			SIGNATURE,
			pngChunk('IHDR', zeros(13)),
			pngChunk('IDAT', bytes('some data in which IEND stands')),
		);
		const file = bytes(before, pngChunk('IEND', zeros(0)), 'what stands behind it');
		expect(endsOf('png', file)).toEqual(from(before.length + 8, file));
	});

	test('cannot be followed after a chunk that is too long', () => {
		const longest = bytes(SIGNATURE, 0x7f, 0xff, 0xff, 0xff, 'IDAT');
		expect(endsOf('png', longest)).toEqual([]);
		const longer = bytes(SIGNATURE, 0x80, 0, 0, 0, 'IDAT');
		expect(endsOf('png', longer)).toEqual([longer.length]);
	});
});

describe('JPEG', () => {
	const START = bytes(0xff, 0xd8);
	const END = bytes(0xff, 0xd9);

	const frame = (marker: number, width: number, height: number) =>
		jpegSegment(marker, bytes(8, numberOf(2, height, false), numberOf(2, width, false), zeros(3)));

	test('ends with its marker EOI, wherever else the bytes of one stand', () => {
		const before = bytes(
			START,
			jpegSegment(0xe0, bytes('JFIF', END, 'and more')),
			frame(0xc0, 640, 480),
			jpegSegment(0xda, bytes(1, 2, 3)),
			// Scan data: stuffed, restarted, and stuffed again.
			bytes(7, 0xff, 0, 0xd9, 0xff, 0, 0xff, 0, 9, 0xff, 0xd0, 8, 0xff, 0xd7, 0xff, 0),
		);
		const file = bytes(before, END, 'what stands behind it');
		expect(follow('jpg', file)).toEqual({
			ends: from(before.length + 2, file),
			sizes: ['640 × 480'],
			isOver: true,
		});
	});

	test('may have fill bytes before a marker', () => {
		const file = bytes(START, 0xff, 0xff, frame(0xc2, 5, 6), 0xff, 0xff, 0xff, END);
		expect(follow('jpg', file)).toMatchObject({ ends: [file.length], sizes: ['5 × 6'] });
	});

	test('has its size in one of thirteen kinds of frames', () => {
		const markers = Array.from({ length: 255 }, (_, index) => index).filter(
			(marker) => follow('jpg', bytes(START, frame(marker, 3, 2), END)).sizes.length > 0,
		);
		expect(markers.map((marker) => marker.toString(16)).join(' ')).toBe(
			'c0 c1 c2 c3 c5 c6 c7 c9 ca cb cd ce cf',
		);
	});

	test.each([0x00, 0x01, 0xd0, 0xd1, 0xd7, 0xd8])('has no length behind marker %i', (marker) => {
		const file = bytes(START, 0xff, marker, END);
		expect(endsOf('jpg', file)).toEqual([file.length]);
	});

	test.each([0x02, 0xbf, 0xc4, 0xc8, 0xcc, 0xda, 0xdb, 0xe0, 0xfe])(
		'has a length behind marker %i',
		(marker) => {
			const file = bytes(START, 0xff, marker, 0, 4, END, END);
			expect(endsOf('jpg', file)).toEqual([file.length]);
		},
	);

	test('continues after a segment whose length is too small', () => {
		for (const length of [0, 1, 2]) {
			const file = bytes(START, 0xff, 0xe0, 0, length, END);
			expect(endsOf('jpg', file)).toEqual([file.length]);
		}
	});
});

describe('GIF', () => {
	const HEADER = bytes('GIF89a', zeros(4));
	const TRAILER = 0x3b;
	const noTables = bytes(HEADER, zeros(3));
	/** An image without a colour table, and with two sub-blocks. */
	const image = (flags = 0, table = zeros(0)) =>
		bytes(',', zeros(8), flags, table, 2, bytes(3, '\0,;'), bytes(1, ';'), 0);

	test('ends with its trailer', () => {
		const file = bytes(noTables, '!', 0xfe, bytes(4, 'note'), 0, TRAILER, 'what stands behind it');
		expect(endsOf('gif', file)).toEqual(from(22, file));
	});

	test('may lack its trailer after an image', () => {
		const file = bytes(noTables, image(), image(), TRAILER);
		const first = noTables.length + image().length;
		expect(endsOf('gif', file)).toEqual([first, first + image().length, file.length]);
	});

	test.each([
		[0x00, 0],
		[0x07, 0],
		[0x80, 6],
		[0x81, 12],
		[0x87, 768],
		[0xf0, 6],
	])('has, with flags of %i, a colour table of %i bytes', (flags, tableBytes) => {
		const table = Buffer.alloc(tableBytes, TRAILER);
		const common = bytes(HEADER, flags, zeros(2), table, '!', 0xfe, 0, TRAILER);
		expect(endsOf('gif', common)).toEqual([common.length]);
		const own = bytes(noTables, image(flags, table), TRAILER);
		expect(endsOf('gif', own)).toEqual([own.length - 1, own.length]);
	});
});

describe('WebP', () => {
	test('ends where the length at its beginning says', () => {
		const file = bytes('RIFF', numberOf(4, 12), 'WEBPVP8 data', 'what stands behind it');
		expect(endsOf('webp', file)).toEqual(from(20, file));
		expect(follow('webp', file).isOver).toBe(true);
		expect(follow('webp', file.subarray(0, 20)).isOver).toBe(false);
	});

	test('is not followed if its encoder did not know its length', () => {
		const file = bytes('RIFF', numberOf(4, 0xffff_ffff), 'WEBP');
		expect(endsOf('webp', file)).toEqual(from(8, file));
		expect(endsOf('webp', bytes('RIFF', numberOf(4, 0xffff_fffe), 'WEBP'))).toEqual([]);
	});
});

describe('BMP', () => {
	test.each(['os2', 'windows'] as const)('ends behind its pixels (%s)', (system) => {
		const image = bmp(3, 2, system);
		const file = bytes(image, 'what stands behind it');
		expect(follow('bmp', file)).toEqual({
			ends: from(image.length, file),
			sizes: ['3 × 2'],
			isOver: true,
		});
	});

	test('has rows that end at a multiple of four bytes', () => {
		for (const [bits, rowBytes] of [
			[1, 4],
			[4, 4],
			[8, 8],
			[32, 20],
		]) {
			const header = bmp(5, 3, 'windows').subarray(0, 54);
			header.writeUInt16LE(bits, 28);
			const file = bytes(header, zeros(3 * rowBytes));
			expect(endsOf('bmp', file)).toEqual([file.length]);
		}
	});

	test('has a negative height if it is stored from top to bottom', () => {
		const file = bmp(3, 2, 'windows');
		file.writeInt32LE(-2, 22);
		expect(follow('bmp', file)).toMatchObject({ ends: [file.length], sizes: ['3 × 2'] });
	});

	test('may have something between its header and its pixels', () => {
		const image = bmp(3, 2, 'windows');
		image.writeUInt32LE(image.readUInt32LE(10) + 10, 10);
		const file = bytes(image, zeros(10));
		expect(endsOf('bmp', file)).toEqual([file.length]);
	});

	test.each([0, 3, 6])('is as long as its pixels with compression %i', (compression) => {
		const file = bmp(3, 2, 'windows');
		file.writeUInt32LE(compression, 30);
		expect(endsOf('bmp', file)).toEqual([file.length]);
	});

	test.each([1, 2, 4, 5])('is not followed with compression %i', (compression) => {
		const file = bmp(3, 2, 'windows');
		file.writeUInt32LE(compression, 30);
		expect(endsOf('bmp', file)).toEqual(from(34, file));
	});

	test('has no compression in a header that is shorter than that of Windows', () => {
		const file = bmp(3, 2, 'windows');
		file.writeUInt32LE(16, 14);
		file.writeUInt32LE(1, 30);
		expect(endsOf('bmp', file)).toEqual([file.length]);
	});
});

describe('TIFF', () => {
	test.each([
		['TIFF', { isBig: false, isBigEndian: false }],
		['TIFF of the other byte order', { isBig: false, isBigEndian: true }],
		['BigTIFF', { isBig: true, isBigEndian: false }],
		['BigTIFF of the other byte order', { isBig: true, isBigEndian: true }],
	])('%s ends with the last entry of its directory', (_what, kind) => {
		const image = tiff({ width: 3, height: 2, ...kind });
		const file = bytes(image, 'what stands behind it');
		const { ends, sizes, isOver } = follow('tiff', file);
		// Behind the entries stands the place of the next directory.
		expect(ends).toEqual(from(image.length - (kind.isBig ? 8 : 4), file));
		expect(sizes.at(-1)).toBe('3 × 2');
		// One was noted at every entry; the first of them is the width.
		expect(sizes.slice(0, 2)).toEqual(['3 × 0', '3 × 2']);
		expect(sizes).toHaveLength(9);
		expect(isOver).toBe(true);
	});

	/** A TIFF of nothing but a directory of these entries. */
	const directory = (
		isBig: boolean,
		...entries: Array<[tag: number, type: number, value: number]>
	) => {
		const wide = isBig ? 8 : 4;
		return bytes(
			...(isBig ? ['II', 43, 0, 8, 0, 0, 0] : ['II', 42, 0]),
			numberOf(wide, isBig ? 16 : 8),
			numberOf(isBig ? 8 : 2, entries.length),
			...entries.map(([tag, type, value]) =>
				bytes(numberOf(2, tag), numberOf(2, type), numberOf(wide, 1), numberOf(wide, value)),
			),
		);
	};

	test('has its width and height as numbers of 16, 32 or 64 bits', () => {
		const SHORT = 3;
		const LONG = 4;
		const LONG8 = 16;
		const sizeOf = (isBig: boolean, type: number) =>
			follow('tiff', directory(isBig, [256, type, 0x1_0005], [257, type, 0x2_0006])).sizes.at(-1);
		expect(sizeOf(false, SHORT)).toBe('5 × 6');
		expect(sizeOf(false, LONG)).toBe('65541 × 131078');
		expect(sizeOf(true, SHORT)).toBe('5 × 6');
		expect(sizeOf(true, LONG)).toBe('65541 × 131078');
		const wide = directory(true, [256, LONG8, 2 ** 33], [257, LONG8, 7]);
		expect(follow('tiff', wide).sizes.at(-1)).toBe(`${2 ** 33} × 7`);
		// Other types are not valid for a size.
		expect(sizeOf(false, 2)).toBe('0 × 0');
	});

	test('has its directory behind its header, or none that could be followed', () => {
		const classic = directory(false, [1, 3, 0]);
		const big = directory(true, [1, 3, 0]);
		for (const [file, headerBytes] of [
			[classic, 8],
			[big, 16],
		] as const) {
			const before = Buffer.from(file);
			before.writeUInt32LE(headerBytes - 1, headerBytes / 2);
			expect(endsOf('tiff', before)).toEqual(from(headerBytes, before));
			expect(endsOf('tiff', file)).toEqual([file.length]);
		}
	});

	test('may have a directory without entries', () => {
		const file = directory(false);
		expect(endsOf('tiff', file)).toEqual([file.length]);
		expect(follow('tiff', file).isOver).toBe(true);
	});
});

describe.each(['heif', 'avif'] as const)('%s', (format) => {
	const TYPE = box('ftyp', bytes('heic', zeros(4)));
	const META = box('meta', zeros(4));
	const DATA = box('mdat', bytes('mdat meta data'));

	test('ends with the box after which it has a description and data', () => {
		const file = bytes(TYPE, META, DATA, box('free', zeros(3)));
		const whole = TYPE.length + META.length + DATA.length;
		expect(endsOf(format, file)).toEqual([...from(whole, file).slice(0, 8), file.length]);
		expect(endsOf(format, heif(2, 2).subarray(0, -1))).toEqual([]);
	});

	test('may have its data before its description', () => {
		const file = bytes(TYPE, DATA, META);
		expect(endsOf(format, file)).toEqual([file.length]);
	});

	test('is not whole without a description or without data', () => {
		expect(endsOf(format, bytes(TYPE, META, META))).toEqual([]);
		expect(endsOf(format, bytes(TYPE, DATA, DATA))).toEqual([]);
	});

	test.each([
		['meta', 'mdat'],
		['moov', 'mdat'],
		['mini', 'free'],
	])('may be described in %s with data in %s', (description, data) => {
		const file = bytes(TYPE, box(description, zeros(4)), box(data, zeros(1)));
		expect(endsOf(format, file)).toContain(file.length);
	});

	test.each('styp free skip wide uuid pdin sidx ssix moof mfra prft imda etyp'.split(' '))(
		'may have a box %s',
		(name) => {
			const file = bytes(TYPE, box(name, zeros(5)), META, DATA);
			expect(endsOf(format, file)).toEqual([file.length]);
		},
	);

	test('is not followed behind a box of another name', () => {
		const file = bytes(TYPE, box('abcd', zeros(5)), META);
		expect(endsOf(format, file)).toEqual(from(TYPE.length + 8, file));
	});

	test('is not followed behind a box with an invalid length', () => {
		for (const length of [0, 2, 7]) {
			const file = bytes(TYPE, META, numberOf(4, length, false), 'mdat', 'data');
			expect(endsOf(format, file)).toEqual(from(TYPE.length + META.length + 8, file));
		}
		const empty = bytes(TYPE, META, numberOf(4, 8, false), 'mdat');
		expect(endsOf(format, empty)).toEqual([empty.length]);
		expect(follow(format, empty).isOver).toBe(false);
	});

	test('may have boxes whose length has 64 bits', () => {
		const long = (length: number, name: string) =>
			bytes(numberOf(4, 1, false), name, numberOf(8, length, false));
		const file = bytes(TYPE, META, long(20, 'mdat'), 'data');
		expect(endsOf(format, file)).toEqual([file.length]);
		const short = bytes(TYPE, META, long(15, 'mdat'), 'data');
		expect(endsOf(format, short)).toEqual(from(TYPE.length + META.length + 16, short));
		const described = bytes(TYPE, long(24, 'meta'), zeros(8), DATA);
		expect(endsOf(format, described)).toEqual([described.length]);
	});

	test('may have its data in its meta box', () => {
		const meta = (...boxes: Buffer[]) => box('meta', bytes(zeros(4), ...boxes));
		for (const boxes of [
			[box('idat', zeros(3))],
			[box('idat', zeros(0))],
			[box('iprp', zeros(0)), box('idat', zeros(0))],
			[box('iprp', zeros(9)), box('idat', zeros(3))],
			[box('iprp', zeros(0)), box('idat', zeros(0)), box('iloc', zeros(5))],
		]) {
			const file = bytes(TYPE, meta(...boxes));
			expect(endsOf(format, file)).toEqual([file.length]);
		}
		expect(endsOf(format, bytes(TYPE, meta(box('iprp', box('idat', zeros(3))))))).toEqual([]);
		const elsewhere = box('free', bytes(zeros(4), box('idat', zeros(3))));
		expect(endsOf(format, bytes(TYPE, META, elsewhere))).toEqual([]);
	});

	test('continues after a meta box, whatever the lengths in it are', () => {
		const inner = (length: number) => bytes(numberOf(4, length, false), 'iprp', zeros(12));
		for (const length of [0, 7, 13, 20, 21, 4_000_000_000]) {
			const file = bytes(TYPE, box('meta', bytes(zeros(4), inner(length))), DATA);
			expect(endsOf(format, file)).toEqual([file.length]);
		}
	});
});
