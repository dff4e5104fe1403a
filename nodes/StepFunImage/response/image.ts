import type { IBinaryData, IExecuteSingleFunctions } from 'n8n-workflow';

import { FORMATS, measureImage, sizeMayFollow } from '../catalogue/formats';
import type { ImageFormat } from '../catalogue/models';
import { failureError, failureOf } from '../errors/failure';

/** The kind of stream that n8n's helpers give and take. */
export type ByteStream = Awaited<ReturnType<IExecuteSingleFunctions['helpers']['getBinaryStream']>>;

/** An image that is in n8n's binary store. */
export interface StoredImage {
	binaryData: IBinaryData;
	width: number;
	height: number;
	mimeType: string;
	fileName: string;
	/** In bytes. */
	fileSize: number;
}

/** No model makes anything near this; it stops a server that never ends. */
const MAX_IMAGE_BYTES = 256 * 1024 * 1024;

/** Enough to recognise every format. */
const SIGNATURE_BYTES = 64;

/** What stands at the end of a whole image. */
const END_MARKS: Partial<Record<ImageFormat, Buffer>> = {
	png: Buffer.from('IEND'),
	jpg: Buffer.from([0xff, 0xd9]),
};

/** How far from the end the mark may stand: some writers put data of their own behind it. */
const TAIL_BYTES = 64 * 1024;

/**
 * Puts an image into n8n's binary store as it arrives, and learns its format and size on the way.
 *
 * @param context the item's execution context
 * @param bytes the image
 * @param source the stream that the bytes come from; n8n's store takes a stream of the same family
 * @param baseName the file's name without extension
 * @throws a failure of kind `notAnImage`, `cutOff` or `tooLarge`; nothing is stored then
 */
export async function storeImage(
	context: IExecuteSingleFunctions,
	bytes: AsyncIterable<Buffer>,
	source: ByteStream,
	baseName: string,
): Promise<StoredImage> {
	const chunks = bytes[Symbol.asyncIterator]();
	const { header, format, width, height } = await readHeader(chunks);
	let fileSize = 0;

	async function* checkedImage(): AsyncGenerator<Buffer> {
		const end = findLast(END_MARKS[format]);
		for (
			let next: IteratorResult<Buffer> = { value: header };
			!next.done;
			next = await chunks.next()
		) {
			const chunk = next.value;
			fileSize += chunk.length;
			if (fileSize > MAX_IMAGE_BYTES) {
				throw failureError({ kind: 'tooLarge', text: 'The image is larger than 256 MB' });
			}
			end.lookAt(chunk);
			yield chunk;
		}
		if (!isWhole(format, header, end.distance(), fileSize)) {
			throw failureError({ kind: 'cutOff', text: 'The image ends in the middle' });
		}
	}

	const { mimeType, extension } = FORMATS[format];
	const fileName = `${baseName}.${extension}`;
	const binaryData = await keep(context, streamLike(source, checkedImage()), fileName, mimeType);
	return { binaryData, width, height, mimeType, fileName, fileSize };
}

async function keep(
	context: IExecuteSingleFunctions,
	stream: ByteStream,
	fileName: string,
	mimeType: string,
): Promise<IBinaryData> {
	try {
		return await context.helpers.prepareBinaryData(stream, fileName, mimeType);
	} catch (error) {
		throw failureError(failureOf(error) ?? { kind: 'storage', text: (error as Error).message });
	}
}

/**
 * A Node stream of the given bytes. Code in n8n's verified packages must not import `stream`, and
 * n8n's store takes nothing but its streams, so the class comes from a stream that n8n handed out.
 */
function streamLike(source: ByteStream, bytes: AsyncIterable<Buffer>): ByteStream {
	const { from } = source.constructor as unknown as {
		from(bytes: AsyncIterable<Buffer>): ByteStream;
	};
	return from(bytes);
}

async function readHeader(chunks: AsyncIterator<Buffer>) {
	let parts: Buffer[] = [];
	let bytes = 0;
	let tryAt = SIGNATURE_BYTES;
	for (;;) {
		const next = await chunks.next();
		if (!next.done) {
			parts.push(next.value);
			bytes += next.value.length;
		}
		if (next.done || bytes >= tryAt) {
			const header = Buffer.concat(parts);
			parts = [header];
			tryAt = bytes * 2;
			const measured = measureImage(header);
			if (measured) return { header, ...measured };
			if (next.done || !sizeMayFollow(header)) {
				throw failureError({ kind: 'notAnImage', text: printable(header) });
			}
		}
	}
}

/** Follows bytes that pass by for the last place of a mark, which may lie across their pieces. */
function findLast(mark: Buffer | undefined) {
	let distance = Infinity;
	/** The last bytes that passed, in which a mark may have begun. */
	let before = Buffer.alloc(0);
	return {
		lookAt(piece: Buffer) {
			if (!mark) return;
			const overlap = mark.length - 1;
			distance += piece.length;
			const seam = Buffer.concat([before, piece.subarray(0, overlap)]);
			const inSeam = seam.lastIndexOf(mark);
			if (inSeam !== -1) distance = piece.length + before.length - inSeam;
			const inPiece = piece.lastIndexOf(mark);
			if (inPiece !== -1) distance = piece.length - inPiece;
			before = Buffer.concat([before, piece.subarray(-overlap)]).subarray(-overlap);
		},
		/** How many bytes there are from the mark on; without a mark, infinitely many. */
		distance: () => distance,
	};
}

/** Whether the end that the format promises is there. Formats without such an end pass. */
function isWhole(
	format: ImageFormat,
	header: Buffer,
	endMarkDistance: number,
	fileSize: number,
): boolean {
	if (END_MARKS[format]) return endMarkDistance <= TAIL_BYTES;
	return format === 'webp' ? fileSize >= header.readUInt32LE(4) + 8 : true;
}

function printable(bytes: Buffer): string {
	return bytes
		.toString('utf8', 0, 200)
		.replace(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ')
		.trim();
}
