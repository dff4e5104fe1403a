import { imageSize } from 'image-size';

import type { ImageFormat } from '../catalogue/imageFormats';
import { FORMAT_PARTS } from './formatParts';
import { createPartReader } from './partReader';
import { formatOf, SIGNATURE_BYTES } from './signature';

/** In pixels, as stored, without the rotation in the metadata. */
interface ImageSize {
	width: number;
	height: number;
}

/** The properties of an image that can be read without decoding it. */
export interface MeasuredImage {
	format: ImageFormat;
	/** In pixels; `null` if the size cannot be read. */
	width: number | null;
	height: number | null;
}

/** The size of a HEIF image is in its first boxes. */
const MAX_HEIF_BYTES = 64 * 1024;

/** The box for a size in HEIF. A photo has one, and a few more for its parts and previews. */
const HEIF_SIZE_BOX = 'ispe';
const MAX_HEIF_SIZES = 16;

/** The brand of all HEIF still images, and the position of a file's own brand. */
const COMMON_HEIF_BRAND = 'mif1';
const HEIF_BRAND_AT = 8;

/**
 * How much of a file image-size gets. It takes minutes for crafted JPEG and TIFF files, and knows only one kind of BMP
 * header, so the size of these formats comes from the reader that also searches for their end.
 */
const IMAGE_SIZE_BYTES: Partial<Record<ImageFormat, number>> = {
	png: SIGNATURE_BYTES,
	gif: SIGNATURE_BYTES,
	webp: SIGNATURE_BYTES,
	heif: MAX_HEIF_BYTES,
	avif: MAX_HEIF_BYTES,
};

/**
 * How many parts are searched for the size, because the search blocks the event loop. A photo has a few hundred parts.
 */
const MAX_MEASURED_PARTS = 200_000;

/** In bytes, or in characters of Base64; a multiple of four, because four characters encode three bytes. */
const PIECE_LENGTH = 64 * 1024;

export type ImageInspector = NonNullable<ReturnType<typeof inspectImage>>;

/**
 * Creates an inspector that reads an image piece by piece, and determines its size and whether it is complete.
 *
 * @param header the file's first `SIGNATURE_BYTES` or more, or the whole file if it is shorter
 * @returns `undefined` if this is not a raster image
 */
export function inspectImage(header: Buffer) {
	const format = formatOf(header);
	if (format === undefined) return undefined;
	const wantedBytes = IMAGE_SIZE_BYTES[format] ?? 0;
	let size: ImageSize | undefined;
	const onSize = (width: number, height: number) => {
		if (width > 0 && height > 0) size ??= { width, height };
	};
	const reader = createPartReader((expect) => FORMAT_PARTS[format](expect, onSize));
	/** The data for image-size. Each attempt uses twice as much. */
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
		reader.write(piece);
	};
	write(header);

	return {
		format,
		/** Takes the next piece of the file. */
		write,
		/** The properties that are known so far. */
		measured(): MeasuredImage {
			tryBeginning();
			return { format, width: size?.width ?? null, height: size?.height ?? null };
		},
		/** Whether the size may be in the rest of the file. */
		sizeMayFollow: () =>
			size === undefined &&
			(wantedBytes > 0
				? beginning.length < wantedBytes
				: !reader.isOver() && reader.partsRead() < MAX_MEASURED_PARTS),
		/** Whether the image is complete. */
		isWhole: reader.mayEnd,
	};
}

/**
 * Reads an image's format and size without decoding it.
 *
 * @param bytes the whole file
 * @returns `undefined` if this is not a raster image
 */
export function measureImage(bytes: Buffer): MeasuredImage | undefined {
	return measurePieces(bytes.length, (start, end) => bytes.subarray(start, end));
}

/**
 * Reads the format and size of an image in Base64, and decodes only as much of the text as necessary.
 *
 * @param text without white space
 */
export function measureBase64(text: string): MeasuredImage | undefined {
	return measurePieces(text.length, (start, end) => Buffer.from(text.slice(start, end), 'base64'));
}

/**
 * Whether an image in Base64 is complete.
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
 * Reads as many chunks as the signature of an image needs.
 *
 * @returns the chunks' bytes, fewer than `SIGNATURE_BYTES` if the file is shorter
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
	// A copy, because image-size reads past the end of a view.
	const bytes = new Uint8Array(beginning);
	if (IMAGE_SIZE_BYTES[format] === MAX_HEIF_BYTES) {
		// image-size takes minutes for a crafted file with many of these boxes.
		const sizes = beginning.toString('latin1').split(HEIF_SIZE_BOX).length - 1;
		if (sizes > MAX_HEIF_SIZES) return undefined;
		// The brands matter only to decoders, and image-size knows only some of them.
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
