import { imageSize } from 'image-size';

import type { ImageFormat } from '../catalogue/imageFormats';
import { FORMAT_PARTS } from './formatParts';
import { walkParts } from './partWalk';
import { formatOf, SIGNATURE_BYTES } from './signature';

/** In pixels, as stored; a rotation noted in the metadata is not applied. */
interface ImageSize {
	width: number;
	height: number;
}

/** What an image tells of itself without being decoded. */
export interface MeasuredImage {
	format: ImageFormat;
	/** In pixels; `null` where the size cannot be read. */
	width: number | null;
	height: number | null;
}

/** A HEIF file's size stands within its first boxes. */
const MAX_HEIF_BYTES = 64 * 1024;

/** The box that holds a size in HEIF. A photo has one, its parts and previews a few more. */
const HEIF_SIZE_BOX = 'ispe';
const MAX_HEIF_SIZES = 16;

/** The brand of every still image that follows HEIF, and where a file's own brand stands. */
const COMMON_HEIF_BRAND = 'mif1';
const HEIF_BRAND_AT = 8;

/**
 * How much of a file is given to image-size, which takes minutes over JPEG and TIFF files that were made for it. These,
 * and BMP, of which it knows one kind of header, are measured on the walk that looks for their end.
 */
const IMAGE_SIZE_BYTES: Partial<Record<ImageFormat, number>> = {
	png: SIGNATURE_BYTES,
	gif: SIGNATURE_BYTES,
	webp: SIGNATURE_BYTES,
	heif: MAX_HEIF_BYTES,
	avif: MAX_HEIF_BYTES,
};

/** Parts of a file within which its size must stand: a photo has a few hundred, and nothing else runs meanwhile. */
const MAX_MEASURED_PARTS = 200_000;

/** Bytes, or characters of Base64, of which four hold three bytes. */
const PIECE_LENGTH = 64 * 1024;

export type ImageInspector = NonNullable<ReturnType<typeof inspectImage>>;

/**
 * Follows an image piece by piece: how large it is, and whether it has come to its end.
 *
 * @param header the file's first `SIGNATURE_BYTES` or more, or all of it if it is shorter
 * @returns `undefined` when this is no raster image
 */
export function inspectImage(header: Buffer) {
	const format = formatOf(header);
	if (format === undefined) return undefined;
	const wantedBytes = IMAGE_SIZE_BYTES[format] ?? 0;
	let size: ImageSize | undefined;
	const note = (width: number, height: number) => {
		if (width > 0 && height > 0) size ??= { width, height };
	};
	const walk = walkParts((expect) => FORMAT_PARTS[format](expect, note));
	/** What is given to image-size, each time twice as much. */
	let beginning = Buffer.alloc(0);
	let bytesTried = 0;

	const tryBeginning = () => {
		if (size || bytesTried === beginning.length) return;
		bytesTried = beginning.length;
		size = readSize(format, beginning);
	};
	const measureBeginning = (piece: Buffer) => {
		if (size || beginning.length >= wantedBytes) return;
		beginning = Buffer.concat([beginning, piece.subarray(0, wantedBytes - beginning.length)]);
		if (beginning.length >= Math.min(bytesTried * 2, wantedBytes)) tryBeginning();
	};
	const write = (piece: Buffer) => {
		measureBeginning(piece);
		walk.write(piece);
	};
	write(header);

	return {
		format,
		/** Takes the next piece of the file. */
		write,
		/** What is known by now. */
		measured(): MeasuredImage {
			tryBeginning();
			return { format, width: size?.width ?? null, height: size?.height ?? null };
		},
		/** Whether more of the file may tell its size. */
		sizeMayFollow: () =>
			size === undefined &&
			(wantedBytes > 0
				? beginning.length < wantedBytes
				: !walk.isOver() && walk.partsRead() < MAX_MEASURED_PARTS),
		/** Whether the image may end with what has been written. */
		isWhole: walk.mayEnd,
	};
}

/**
 * Reads an image's format and size without decoding it.
 *
 * @param bytes the whole file
 * @returns `undefined` when this is no raster image
 */
export function measureImage(bytes: Buffer): MeasuredImage | undefined {
	return measurePieces(bytes.length, (start, end) => bytes.subarray(start, end));
}

/**
 * Reads the format and size of an image that is Base64 text, of which it decodes no more than that takes.
 *
 * @param text without white space
 */
export function measureBase64(text: string): MeasuredImage | undefined {
	return measurePieces(text.length, (start, end) => Buffer.from(text.slice(start, end), 'base64'));
}

/**
 * Whether an image that is Base64 text comes to its end.
 *
 * @param text without white space
 */
export function isWholeBase64(text: string): boolean {
	const pieceAt = (at: number) => Buffer.from(text.slice(at, at + PIECE_LENGTH), 'base64');
	const inspector = inspectImage(pieceAt(0));
	for (let at = PIECE_LENGTH; at < text.length; at += PIECE_LENGTH) inspector?.write(pieceAt(at));
	return inspector?.isWhole() === true;
}

function measurePieces(
	length: number,
	pieceOf: (start: number, end: number) => Buffer,
): MeasuredImage | undefined {
	const inspector = inspectImage(pieceOf(0, PIECE_LENGTH));
	for (let at = PIECE_LENGTH; at < length && inspector?.sizeMayFollow(); at += PIECE_LENGTH) {
		inspector.write(pieceOf(at, at + PIECE_LENGTH));
	}
	return inspector?.measured();
}

/**
 * Takes as many chunks as hold an image's signature.
 *
 * @returns the chunks' bytes; fewer than `SIGNATURE_BYTES` when there are no more
 */
export async function readHeader(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
	let header: Buffer = Buffer.alloc(0);
	while (header.length < SIGNATURE_BYTES) {
		const next = await chunks.next();
		if (next.done) break;
		header = header.length === 0 ? next.value : Buffer.concat([header, next.value]);
	}
	return header;
}

function readSize(format: ImageFormat, beginning: Buffer): ImageSize | undefined {
	// image-size reads past the end of a view, so it gets memory of its own.
	const bytes = new Uint8Array(beginning);
	if (IMAGE_SIZE_BYTES[format] === MAX_HEIF_BYTES) {
		// A file may be made so that image-size takes minutes over its boxes.
		const sizes = beginning.toString('latin1').split(HEIF_SIZE_BOX).length - 1;
		if (sizes > MAX_HEIF_SIZES) return undefined;
		// The brands differ in what a decoder must know, and image-size knows only some of them.
		bytes.set(Buffer.from(COMMON_HEIF_BRAND), HEIF_BRAND_AT);
	}
	try {
		const { type = '', width, height } = imageSize(bytes);
		const isExpected = [format, COMMON_HEIF_BRAND].includes(type);
		return isExpected && width > 0 && height > 0 ? { width, height } : undefined;
	} catch {
		return undefined;
	}
}
