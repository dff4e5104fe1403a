import type { ImageFormat } from '../catalogue/imageFormats';
import { piecesOf } from '../transport/upload';
import { yieldToEventLoop } from '../transport/wait';
import { FORMATS, formatOf, needsMore, SIGNATURE_BYTES } from './formats';
import { createPartReader } from './partReader';

/** The properties of an image that can be read without decoding it. */
export interface MeasuredImage {
	format: ImageFormat;
	/** In pixels, as stored, without the rotation in the metadata; `null` if the size cannot be read, and for SVG. */
	width: number | null;
	height: number | null;
}

/**
 * Creates an inspector that reads an image piece by piece for its size, and for whether it is complete.
 *
 * @param header the beginning of the file, as `readHeader` returns it
 * @returns `undefined` if this is not an image
 */
export function inspectImage(header: Buffer) {
	const format = formatOf(header);
	if (format === undefined) return undefined;
	let measured: MeasuredImage = { format, width: null, height: null };
	const reader = createPartReader((file) =>
		FORMATS[format].read(file, (width, height) => {
			const isFirst = measured.width === null && width > 0 && height > 0;
			if (isFirst) measured = { format, width, height };
		}),
	);
	reader.write(header);

	return {
		...reader,
		format,
		/** The properties that are known so far. */
		measured: () => measured,
	};
}

/**
 * Reads an image to its end, and yields to the event loop in between. Reads only the beginning of any other file.
 *
 * @returns no `image` if the file is not a raster image
 * @throws the errors of the file
 */
export async function inspectFile(
	file: AsyncIterable<Buffer>,
): Promise<{ image?: MeasuredImage; isWhole: boolean }> {
	const { header, bytes } = await readHeader(inPieces(file));
	const inspected = inspectImage(header);
	const inspector = inspected?.format === 'svg' ? undefined : inspected;
	for await (const piece of bytes) {
		if (piece !== header) inspector?.write(piece);
		const isDone = inspector ? inspector.hasEnded() : piece.length >= SIGNATURE_BYTES;
		if (isDone) break;
		await yieldToEventLoop();
	}
	return { image: inspector?.measured(), isWhole: inspector?.isWhole() === true };
}

/** Some of n8n's stores give a whole file in one chunk, which would take too long to read at once. */
async function* inPieces(file: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
	for await (const chunk of file) yield* piecesOf(chunk, 64 * 1024);
}

/**
 * Reads as many chunks of a file as it takes to recognize an image.
 *
 * @returns their bytes, fewer if the file ends or breaks off before, and all bytes of the file, these first, and then the
 * error if it breaks off
 */
export async function readHeader(
	file: AsyncIterable<Buffer>,
): Promise<{ header: Buffer; bytes: AsyncIterable<Buffer> }> {
	const chunks = file[Symbol.asyncIterator]();
	let header: Buffer = Buffer.alloc(0);
	let failure: { error: unknown } | undefined;
	try {
		while (needsMore(header)) {
			// A copy, because a chunk is valid only until the next one is requested.
			header = Buffer.from(header);
			const next = await chunks.next();
			if (next.done) break;
			header = header.length === 0 ? next.value : Buffer.concat([header, next.value]);
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
