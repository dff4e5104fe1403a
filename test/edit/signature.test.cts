import { formatOf, needsMore, SIGNATURE_BYTES } from '../../nodes/StepFunImage/image/formats';

/** The beginning of a file, from text in which a character is a byte, and as long as a header. */
function header(text: string, bytes = SIGNATURE_BYTES): Buffer {
	const buffer = Buffer.alloc(bytes);
	buffer.write(text, 'latin1');
	return buffer;
}

/** The first box of a HEIF or AVIF file. */
const fileType = (brands: string, length = 8 + brands.length) =>
	header(`\0\0\0${String.fromCharCode(length)}ftyp${brands}`);

/** A BMP's file header and the length of the header behind it. */
function bmpHeader(length: number, bytes?: number): Buffer {
	const buffer = header('BM');
	buffer.writeUInt32LE(length, 14);
	return buffer.subarray(0, bytes);
}

test.each([
	['png', '\x89PNG\r\n\x1a\n'],
	['jpg', '\xff\xd8\xff'],
	['webp', 'RIFF\x24\0\0\0WEBP'],
	['gif', 'GIF87a'],
	['gif', 'GIF89a'],
	['tiff', 'II*\0'],
	['tiff', 'MM\0*'],
	['tiff', 'II+\0'],
	['tiff', 'MM\0+'],
])('A file is %s if it begins with %j', (format, text) => {
	expect(formatOf(header(text))).toBe(format);
	expect(formatOf(header(text, text.length))).toBe(format);
	// Every byte counts, and they stand at the beginning.
	expect(formatOf(header(text, text.length - 1))).toBeUndefined();
	expect(formatOf(header(` ${text}`))).toBeUndefined();
});

test.each([
	['another file of the family of WebP', 'RIFF\x24\0\0\0WAVE'],
	['WEBP without RIFF', 'RIFX\x24\0\0\0WEBP'],
	['another version of GIF', 'GIF90a'],
	['the byte orders of TIFF mixed up', 'II\0*'],
	['an icon', '\0\0\x01\0'],
	['zeros', ''],
])('A file is not an image if it begins with %s', (_what, text) => {
	expect(formatOf(header(text))).toBeUndefined();
});

test.each([
	['<svg>', 'svg'],
	['<SVG xmlns="http://www.w3.org/2000/svg">', 'svg'],
	['\xef\xbb\xbf <?xml version="1.0"?> <!-- a --> <!DOCTYPE svg [<!ENTITY a ">">]>\n<svg>', 'svg'],
	['<svgfont>', undefined],
	['<!-- a <svg>', undefined],
	['<!DOCTYPE html><svg>', undefined],
	['<?xml version="1.0"?><error><svg>', undefined],
	['text <svg>', undefined],
])('The format of %j is %s', (text, format) => {
	expect(formatOf(Buffer.from(text, 'latin1'))).toBe(format);
});

test.each([
	[SIGNATURE_BYTES - 1, '', true],
	[SIGNATURE_BYTES, '', false],
	[SIGNATURE_BYTES, '<?xml', true],
	[SIGNATURE_BYTES, '\xef\xbb\xbf <!--', true],
	[SIGNATURE_BYTES, '<!DOCTYPE svg', true],
	[4095, '<!--', true],
	[4096, '<!--', false],
	[SIGNATURE_BYTES, '<!DOCTYPE html', false],
	[SIGNATURE_BYTES, '<?xml version="1.0"?><svg>', false],
	[SIGNATURE_BYTES, '{"<!--', false],
])(
	'A file of %i bytes that begins with %j needs more to be recognized: %s',
	(bytes, text, more) => {
		expect(needsMore(header(text, bytes))).toBe(more);
	},
);

test('An empty file is not an image', () => {
	expect(formatOf(Buffer.alloc(0))).toBeUndefined();
});

describe('BMP', () => {
	test.each([12, 16, 40, 52, 56, 64, 108, 124])(
		'may have a second header of %i bytes',
		(length) => {
			expect(formatOf(bmpHeader(length))).toBe('bmp');
		},
	);

	test.each([0, 13, 41, 123, 125])('has no second header of %i bytes', (length) => {
		expect(formatOf(bmpHeader(length))).toBeUndefined();
	});

	test('is not recognized by its two letters alone', () => {
		expect(formatOf(bmpHeader(40, 18))).toBe('bmp');
		expect(formatOf(bmpHeader(40, 17))).toBeUndefined();
		expect(formatOf(Buffer.from('BMW'))).toBeUndefined();
		const other = bmpHeader(40);
		other.write('BA');
		expect(formatOf(other)).toBeUndefined();
	});
});

describe('HEIF and AVIF', () => {
	test.each(['avif', 'avis'])('A file of the brand %s is AVIF', (brand) => {
		expect(formatOf(fileType(`${brand}\0\0\0\0`))).toBe('avif');
	});

	test.each('heic heix heim heis hevc hevx hevm hevs mif1 mif2 mif3 msf1 miaf'.split(' '))(
		'A file of the brand %s is HEIF',
		(brand) => {
			expect(formatOf(fileType(`${brand}\0\0\0\0`))).toBe('heif');
		},
	);

	test('A video with the same start but other brands is not an image', () => {
		expect(formatOf(fileType('isom\0\0\x02\0isomiso2avc1mp41'))).toBeUndefined();
	});

	test('A compatible brand is recognized too', () => {
		expect(formatOf(fileType('abcd\0\0\0\0efghmif1'))).toBe('heif');
		expect(formatOf(fileType('mif1\0\0\0\0mif1miafavif'))).toBe('avif');
		expect(formatOf(fileType('abcd\0\0\0\0'.padEnd(52, 'efgh') + 'heic'))).toBe('heif');
	});

	test('The main brand counts whatever the length of its box is', () => {
		for (const length of [0, 1, 11]) expect(formatOf(fileType('heic', length))).toBe('heif');
	});

	test('The version between the brands is not a brand', () => {
		expect(formatOf(fileType('abcdheic'))).toBeUndefined();
	});

	test('Brands end where their box does, and where the header does', () => {
		expect(formatOf(fileType('abcd\0\0\0\0heic', 16))).toBeUndefined();
		expect(formatOf(fileType('abcd\0\0\0\0heic', 19))).toBeUndefined();
		expect(formatOf(fileType('abcd\0\0\0\0heic', 20))).toBe('heif');
		const beyond = Buffer.concat([
			fileType('abcd\0\0\0\0'.padEnd(56, 'efgh'), 72),
			Buffer.from('heic'),
		]);
		expect(formatOf(beyond)).toBeUndefined();
		expect(formatOf(fileType('abcd\0\0\0\0efghheic').subarray(0, 23))).toBeUndefined();
	});

	test('Brands without the name of their box are ignored', () => {
		expect(formatOf(header('\0\0\0\x14free' + 'heic\0\0\0\0heic'))).toBeUndefined();
	});
});
