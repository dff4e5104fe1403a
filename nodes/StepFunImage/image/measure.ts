import type { ImageFormat } from '../catalogue/imageFormats';
import { yieldToEventLoop } from '../transport/wait';
import { FORMATS, formatOf, SIGNATURE_BYTES } from './formats';
import { createPartReader } from './partReader';

/** The properties of an image that can be read without decoding it. */
export interface MeasuredImage {
	format: ImageFormat;
	/** In pixels, as stored, without the rotation in the metadata; `null` if the size cannot be read. */
	width: number | null;
	height: number | null;
}

/** How many parts are searched for the size. A crafted file may have millions; a photo has a few hundred. */
const MAX_MEASURED_PARTS = 200_000;

/** In bytes, or in characters of Base64; a multiple of four, because four characters encode three bytes. */
const PIECE_LENGTH = 64 * 1024;

export type ImageInspector = NonNullable<ReturnType<typeof inspectImage>>;

/**
 * Creates an inspector that reads an image piece by piece for its size, and for whether it is complete.
 *
 * @param header the file's first `SIGNATURE_BYTES` or more, or the whole file if it is shorter
 * @returns `undefined` if this is not a raster image
 */
export function inspectImage(header: Buffer) {
	const format = formatOf(header);
	if (format === undefined) return undefined;
	const { read, maxSizePosition = Infinity } = FORMATS[format];
	let measured: MeasuredImage = { format, width: null, height: null };
	const reader = createPartReader((progress) =>
		read(progress, (width, height) => {
			const isSize = width > 0 && height > 0 && progress.position <= maxSizePosition;
			if (isSize && measured.width === null) measured = { format, width, height };
		}),
	);
	reader.write(header);

	return {
		format,
		/** Takes the next piece of the file. */
		write: reader.write,
		/** The properties that are known so far. */
		measured: () => measured,
		/** Whether the size may be in the rest of the file. */
		sizeMayFollow: () =>
			measured.width === null &&
			!reader.isOver() &&
			reader.bytesRead() < maxSizePosition &&
			reader.partsRead() < MAX_MEASURED_PARTS,
		/** Whether the image is complete, unless something shows that it is not. */
		isWhole: reader.mayEnd,
		/** Whether the image is complete for certain. */
		hasEnded: reader.hasEnded,
	};
}

/**
 * Reads an image's format and size, and only as much of it as necessary.
 *
 * @param image the whole file, or its Base64 text without white space
 * @returns `undefined` if this is not a raster image
 */
export async function measureImage(image: Buffer | string): Promise<MeasuredImage | undefined> {
	const inspector = await inspectPieces(image, (each) => each.sizeMayFollow());
	return inspector?.measured();
}

/** Whether an image is complete. Its Base64 text must not contain white space. */
export async function isWholeImage(image: Buffer | string): Promise<boolean> {
	const inspector = await inspectPieces(image, () => true);
	return inspector?.isWhole() === true;
}

/** Inspects an image piece by piece, and yields to the event loop in between. */
async function inspectPieces(
	image: Buffer | string,
	goesOn: (inspector: ImageInspector) => boolean,
): Promise<ImageInspector | undefined> {
	const pieceAt = (at: number) =>
		typeof image === 'string'
			? Buffer.from(image.slice(at, at + PIECE_LENGTH), 'base64')
			: image.subarray(at, at + PIECE_LENGTH);
	const inspector = inspectImage(pieceAt(0));
	for (let at = PIECE_LENGTH; inspector && at < image.length; at += PIECE_LENGTH) {
		if (!goesOn(inspector)) break;
		await yieldToEventLoop();
		inspector.write(pieceAt(at));
	}
	return inspector;
}

/**
 * Reads as many chunks of a file as the signature of an image needs.
 *
 * @returns their bytes, fewer than `SIGNATURE_BYTES` if the file ends or breaks off before, and all bytes of the file,
 * these first, and then the error if it breaks off
 */
export async function readHeader(
	file: AsyncIterable<Buffer>,
): Promise<{ header: Buffer; bytes: AsyncIterable<Buffer> }> {
	const chunks = file[Symbol.asyncIterator]();
	let header: Buffer = Buffer.alloc(0);
	let failure: { error: unknown } | undefined;
	try {
		while (header.length < SIGNATURE_BYTES) {
			const next = await chunks.next();
			if (next.done) break;
			// A copy, because a chunk is valid only until the next one is requested.
			header = Buffer.concat([header, next.value]);
		}
	} catch (error) {
		failure = { error };
	}
	async function* all(): AsyncGenerator<Buffer> {
		if (header.length > 0) yield header;
		if (failure) throw failure.error as Error;
		for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
	}
	return { header, bytes: all() };
}
