import { inputImage } from '../kit/images';
import { measureImage } from '../../nodes/StepFunImage/image/measure';

const MEGABYTE = 1024 * 1024;

/**
 * While a file is measured, nothing else runs in n8n's process. These take a second at most, and took minutes; the
 * bound leaves room for a busy machine.
 */
const LONGEST_STANDSTILL_MS = 20_000;

function box(name: string, content: Buffer): Buffer {
	const head = Buffer.alloc(8);
	head.writeUInt32BE(8 + content.length);
	head.write(name, 4, 'latin1');
	return Buffer.concat([head, content]);
}

/** A HEIF file whose properties are as given. */
function heif(properties: Buffer): Buffer {
	const type = box('ftyp', Buffer.from('heic\0\0\0\0heicmif1'));
	const inner = box('iprp', box('ipco', properties));
	return Buffer.concat([type, box('meta', Buffer.concat([Buffer.alloc(4), inner]))]);
}

function heifSize(width: number, height: number): Buffer {
	const content = Buffer.alloc(12);
	content.writeUInt32BE(width, 4);
	content.writeUInt32BE(height, 8);
	return box('ispe', content);
}

/** A TIFF whose directory goes on to the end of the file. */
function tiff(entry: number[]): Buffer {
	const head = Buffer.from([0x49, 0x49, 0x2a, 0, 8, 0, 0, 0, 0xff, 0xff]);
	return Buffer.concat([head, Buffer.alloc(MEGABYTE, Buffer.from(entry))]);
}

describe('a file that is made to keep the reader of its size busy', () => {
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
		['TIFF with a directory of a megabyte', () => tiff([9, 1, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0])],
		['portable any map of comments', () => Buffer.from(`P7\n${'#\n'.repeat(MEGABYTE / 2)}`)],
		[
			'icon of a hundred thousand icons',
			() => Buffer.from(`icns\x7f${'ICON\0\0\0\x08'.repeat(100_000)}`, 'latin1'),
		],
		['HEIF of fifty thousand sizes', () => heif(Buffer.alloc(MEGABYTE, heifSize(1, 1)))],
		[
			'HEIF of some sizes and seven thousand empty boxes',
			() =>
				heif(
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
	])('%s does not make n8n stand still', (_name, make) => {
		const file = make();
		const startedAt = performance.now();
		measureImage(file);
		expect(performance.now() - startedAt).toBeLessThan(LONGEST_STANDSTILL_MS);
	});
});

test('the size of a HEIF photo and its preview is read', () => {
	const properties = Buffer.concat([heifSize(4032, 3024), heifSize(320, 240)]);
	expect(measureImage(heif(properties))).toEqual({ format: 'heif', width: 4032, height: 3024 });
});

test('a view into a larger buffer is read no further than its end', async () => {
	const picture = await inputImage(120, 90);
	const surrounded = Buffer.concat([Buffer.alloc(100, 1), picture, Buffer.alloc(100, 1)]);
	expect(measureImage(surrounded.subarray(100, 100 + picture.length))).toMatchObject({
		width: 120,
		height: 90,
	});
	expect(measureImage(surrounded.subarray(100, 118))).toBeUndefined();
});
