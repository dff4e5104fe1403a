import { createHash, randomInt } from 'node:crypto';
import sharp from 'sharp';
import type { ImageFormat, UploadedFile } from '../stepfun-server/types.cts';
import type { Drawing, ReceivedRequest } from './types.cts';

const CELLS = 12;

/**
 * Draws a picture of exactly the asked size. Equal settings give equal pixels, and any other seed,
 * prompt, setting or input gives others.
 */
export async function drawPicture(drawing: Drawing): Promise<Buffer> {
	const { width, height, format = 'png', inputs = [], ...settings } = drawing;
	const hash = createHash('sha256').update(JSON.stringify(settings));
	for (const input of inputs) hash.update(input);
	const digest = hash.digest();
	const cells = Buffer.alloc(CELLS * CELLS * 3);
	for (let offset = 0; offset < cells.length; offset += digest.length) {
		createHash('sha256').update(digest).update(String(offset)).digest().copy(cells, offset);
	}
	const picture = sharp(cells, { raw: { width: CELLS, height: CELLS, channels: 3 } }).resize(
		width,
		height,
		{ fit: 'fill', kernel: 'nearest' },
	);
	if (format === 'jpeg') return await picture.jpeg({ quality: 90 }).toBuffer();
	if (format === 'webp') return await picture.webp({ quality: 90, effort: 0 }).toBuffer();
	return await picture.png({ compressionLevel: 1 }).toBuffer();
}

/** The media type of a format. */
export function mediaType(format: ImageFormat): string {
	return `image/${format}`;
}

/** The size of an uploaded image; `undefined` if it is not an image. */
export async function measure(
	file: UploadedFile | Buffer,
): Promise<{ width: number; height: number } | undefined> {
	try {
		const { width, height } = await sharp(Buffer.isBuffer(file) ? file : file.bytes).metadata();
		return { width, height };
	} catch {
		return undefined;
	}
}

/** The files of a form, from the first of these fields that has any. */
export function uploads({ files }: ReceivedRequest, ...fields: string[]): Buffer[] {
	const field = fields.find((name) => files[name]);
	return field === undefined ? [] : files[field].map(({ bytes }) => bytes);
}

/** Reads WIDTHxHEIGHT. */
export function parseSize(size: string): { width: number; height: number } | undefined {
	const [, width, height] = /^\s*(\d{1,5})\s*x\s*(\d{1,5})\s*$/i.exec(size) ?? [];
	if (width === undefined || Number(width) === 0 || Number(height) === 0) return undefined;
	return { width: Number(width), height: Number(height) };
}

/** A random seed, for requests without one. */
export function randomSeed(): number {
	return randomInt(0, 2 ** 32);
}

/** The time in whole seconds, as `created` states it. */
export function now(): number {
	return Math.floor(Date.now() / 1000);
}
