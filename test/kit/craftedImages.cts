/** Images built byte by byte, for what no encoder at hand writes. */

import { inspectFile, type MeasuredImage } from '../../nodes/StepFunImage/image/measure';
import { piecesOf } from '../../nodes/StepFunImage/transport/upload';

const SIDE = 8;

/** A box of ISO-BMFF, which HEIF and AVIF are made of. */
export function box(name: string, content: Buffer): Buffer {
	const head = Buffer.alloc(8);
	head.writeUInt32BE(8 + content.length);
	head.write(name, 4, 'latin1');
	return Buffer.concat([head, content]);
}

/** The property of HEIF that holds a size. */
export function heifSize(width: number, height: number): Buffer {
	const content = Buffer.alloc(12);
	content.writeUInt32BE(width, 4);
	content.writeUInt32BE(height, 8);
	return box('ispe', content);
}

/** The beginning of a HEIF file: its type and its properties, without the data of the image. */
export function heifHead(properties: Buffer, brands = 'heic\0\0\0\0heicmif1'): Buffer {
	const type = box('ftyp', Buffer.from(brands));
	const inner = box('iprp', box('ipco', properties));
	return Buffer.concat([type, box('meta', Buffer.concat([Buffer.alloc(4), inner]))]);
}

/** A whole HEIF file; its data is no real picture. */
export function heif(width: number, height: number, brands?: string): Buffer {
	return Buffer.concat([
		heifHead(heifSize(width, height), brands),
		box('mdat', Buffer.alloc(20_000, 7)),
	]);
}

/** A JPEG segment, no longer than 65,533 bytes. */
export function jpegSegment(marker: number, content: Buffer): Buffer {
	const head = Buffer.from([0xff, marker, 0, 0]);
	head.writeUInt16BE(content.length + 2, 2);
	return Buffer.concat([head, content]);
}

/** A JPEG with something between its start and its first segment. */
export function afterJpegStart(jpeg: Buffer, ...inserted: Buffer[]): Buffer {
	return Buffer.concat([jpeg.subarray(0, 2), ...inserted, jpeg.subarray(2)]);
}

/** A JPEG with fill bytes before each marker up to its scan. */
export function withFillBytes(jpeg: Buffer): Buffer {
	const parts = [jpeg.subarray(0, 2)];
	for (let position = 2; ; ) {
		const end = position + 2 + jpeg.readUInt16BE(position + 2);
		parts.push(Buffer.alloc(3, 0xff), jpeg.subarray(position, end));
		if (jpeg[position + 1] === 0xda) return Buffer.concat([...parts, jpeg.subarray(end)]);
		position = end;
	}
}

interface TiffOptions {
	width: number;
	height: number;
	isBig?: boolean;
	isBigEndian?: boolean;
}

/** A grey TIFF of one strip, its directory behind the pixels. */
export function tiff({ width, height, isBig = false, isBigEndian = false }: TiffOptions): Buffer {
	const number = (bytes: number, value: number) => {
		const buffer = Buffer.alloc(bytes);
		if (isBigEndian) buffer.writeUIntBE(value, Math.max(0, bytes - 6), Math.min(bytes, 6));
		else buffer.writeUIntLE(value, 0, Math.min(bytes, 6));
		return buffer;
	};
	const wide = isBig ? 8 : 4;
	const pixels = Buffer.alloc(width * height, 0x55);
	const begin = isBig ? 16 : 8;
	const entries = [
		[256, width],
		[257, height],
		[258, 8],
		[259, 1],
		[262, 1],
		[273, begin],
		[277, 1],
		[278, height],
		[279, pixels.length],
	].map(([tag, value]) =>
		Buffer.concat([
			number(2, tag),
			// LONG, once.
			number(2, 4),
			number(wide, 1),
			number(4, value),
			Buffer.alloc(wide - 4),
		]),
	);
	return Buffer.concat([
		Buffer.from(isBigEndian ? 'MM' : 'II'),
		number(2, isBig ? 43 : 42),
		...(isBig ? [number(2, 8), number(2, 0)] : []),
		number(wide, begin + pixels.length),
		pixels,
		number(isBig ? 8 : 2, entries.length),
		...entries,
		number(wide, 0),
	]);
}

/** A BMP of 24 bits a pixel, as OS/2 wrote it (BITMAPCOREHEADER) or as Windows does (BITMAPINFOHEADER). */
export function bmp(width: number, height: number, system: 'os2' | 'windows'): Buffer {
	const headerBytes = system === 'os2' ? 12 : 40;
	const rowBytes = Math.ceil((width * 3) / 4) * 4;
	const head = Buffer.alloc(14 + headerBytes);
	head.write('BM');
	head.writeUInt32LE(head.length + rowBytes * height, 2);
	head.writeUInt32LE(head.length, 10);
	head.writeUInt32LE(headerBytes, 14);
	const fieldBytes = system === 'os2' ? 2 : 4;
	head.writeUIntLE(width, 18, fieldBytes);
	head.writeUIntLE(height, 18 + fieldBytes, fieldBytes);
	head.writeUInt16LE(1, 18 + 2 * fieldBytes);
	head.writeUInt16LE(24, 20 + 2 * fieldBytes);
	return Buffer.concat([head, Buffer.alloc(rowBytes * height, 0x7f)]);
}

/** A PNG chunk whose check sum is left at zero. */
export function pngChunk(name: string, content: Buffer): Buffer {
	return Buffer.concat([box(name, content), Buffer.alloc(4)]).fill(
		Buffer.from([0, 0, content.length >> 8, content.length & 0xff]),
		0,
		4,
	);
}

/** The signature of a format and nothing that tells a size. */
export const SIGNATURE_ONLY = {
	/** A PNG whose first chunk is not its header. */
	png: Buffer.concat([
		Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
		pngChunk('prIv', Buffer.alloc(SIDE * SIDE)),
		pngChunk('IEND', Buffer.alloc(0)),
	]),
	/** A JPEG without a frame. */
	jpeg: Buffer.concat([
		Buffer.from([0xff, 0xd8]),
		jpegSegment(0xe0, Buffer.alloc(SIDE * SIDE)),
		Buffer.from([0xff, 0xd9]),
	]),
	/** A HEIF without properties. */
	heif: Buffer.concat([heifHead(Buffer.alloc(0)), box('mdat', Buffer.alloc(SIDE * SIDE))]),
};

/** What the node reads of an image, or of its Base64 text; `undefined` if it is not a raster image. */
export async function measureImage(image: Buffer | string): Promise<MeasuredImage | undefined> {
	return (await inspectFile(piecesOf(image))).image;
}
