import { crc32 } from 'node:zlib';
import { seededRandom } from './randomNumbers.cts';
import type { ImageFormat } from './types.cts';

/** Smallest padding each format can hold: the frame of its chunk or segment. */
const PNG_FRAME = 12;
const JPEG_FRAME = 4;
const WEBP_FRAME = 8;
const JPEG_SEGMENT_DATA = 65_533;

/**
 * Makes a picture about `bytes` long with data that decoders skip, so that it stays valid.
 * A picture that is long enough already comes back as it is.
 */
export function padImage(picture: Buffer, format: ImageFormat, bytes: number): Buffer {
	const missing = bytes - picture.length;
	if (missing <= PNG_FRAME) return picture;
	if (format === 'png') return padPng(picture, missing);
	return format === 'jpeg' ? padJpeg(picture, missing) : padWebp(picture, missing);
}

/** An ancillary, private chunk before IEND, which is always the last 12 bytes. */
function padPng(picture: Buffer, missing: number): Buffer {
	const data = noise(missing - PNG_FRAME);
	const head = Buffer.alloc(8);
	head.writeUInt32BE(data.length, 0);
	head.write('paDd', 4, 'latin1');
	const check = Buffer.alloc(4);
	check.writeUInt32BE(crc32(data, crc32(head.subarray(4))), 0);
	return Buffer.concat([picture.subarray(0, -12), head, data, check, picture.subarray(-12)]);
}

/** Comment segments right after the start-of-image marker. */
function padJpeg(picture: Buffer, missing: number): Buffer {
	const segments: Buffer[] = [];
	for (let left = missing; left > JPEG_FRAME; ) {
		const data = noise(Math.min(left - JPEG_FRAME, JPEG_SEGMENT_DATA));
		const head = Buffer.from([0xff, 0xfe, 0, 0]);
		head.writeUInt16BE(data.length + 2, 2);
		segments.push(head, data);
		left -= data.length + JPEG_FRAME;
	}
	return Buffer.concat([picture.subarray(0, 2), ...segments, picture.subarray(2)]);
}

/** A RIFF chunk of an unknown kind at the end; chunks have an even length. */
function padWebp(picture: Buffer, missing: number): Buffer {
	const data = noise((missing - WEBP_FRAME) & ~1);
	const head = Buffer.alloc(WEBP_FRAME);
	head.write('PADD', 0, 'latin1');
	head.writeUInt32LE(data.length, 4);
	const padded = Buffer.concat([picture, head, data]);
	padded.writeUInt32LE(padded.length - 8, 4);
	return padded;
}

let noiseBlock: Buffer | undefined;

function noise(length: number): Buffer {
	if (noiseBlock === undefined) {
		const random = seededRandom(1);
		noiseBlock = Buffer.from(Uint8Array.from({ length: 65_536 }, () => random() * 256));
	}
	return Buffer.alloc(length, noiseBlock);
}
