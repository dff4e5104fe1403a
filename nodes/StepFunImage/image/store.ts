import type { IBinaryData, IExecuteFunctions } from 'n8n-workflow';

import { IMAGE_FORMATS, type ImageFormat } from '../catalogue/imageFormats';
import { RequestFailure } from '../errors/requestFailure';
import type { ByteStream } from '../transport/send';
import { measureImage, sizeMayFollow } from './measure';

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
const END_MARKERS: Partial<Record<ImageFormat, Buffer>> = {
	png: Buffer.from('IEND'),
	jpg: Buffer.from([0xff, 0xd9]),
};

/** How far from the end the marker may stand: some writers put data of their own behind it. */
const TAIL_BYTES = 64 * 1024;

/**
 * Puts an image into n8n's binary store as it arrives, and learns its format and size on the way.
 *
 * @param bytes the image
 * @param source the stream that the bytes come from; n8n's store takes a stream of the same family
 * @param baseName the file's name without extension
 * @throws RequestFailure of kind `notAnImage`, `truncated` or `tooLarge`; nothing is stored then
 */
export async function storeImage(
	functions: IExecuteFunctions,
	bytes: AsyncIterable<Buffer>,
	source: ByteStream,
	baseName: string,
): Promise<StoredImage> {
	const chunks = bytes[Symbol.asyncIterator]();
	const { header, format, width, height } = await readHeader(chunks);
	let fileSize = 0;

	async function* checkedImage(): AsyncGenerator<Buffer> {
		const end = trackMarker(END_MARKERS[format]);
		for (
			let next: IteratorResult<Buffer> = { value: header };
			!next.done;
			next = await chunks.next()
		) {
			const chunk = next.value;
			fileSize += chunk.length;
			if (fileSize > MAX_IMAGE_BYTES) {
				throw new RequestFailure('tooLarge', { text: 'The image is larger than 256 MB' });
			}
			end.lookAt(chunk);
			yield chunk;
		}
		if (!isWhole(format, header, end.distance(), fileSize)) {
			throw new RequestFailure('truncated', { text: 'The image ends in the middle' });
		}
	}

	const { mimeType, extension } = IMAGE_FORMATS[format];
	const fileName = `${baseName}.${extension}`;
	const binaryData = await storeBinary(
		functions,
		streamLike(source, checkedImage()),
		fileName,
		mimeType,
	);
	return { binaryData, width, height, mimeType, fileName, fileSize };
}

async function storeBinary(
	functions: IExecuteFunctions,
	stream: ByteStream,
	fileName: string,
	mimeType: string,
): Promise<IBinaryData> {
	try {
		return await functions.helpers.prepareBinaryData(stream, fileName, mimeType);
	} catch (error) {
		throw error instanceof RequestFailure
			? error
			: new RequestFailure('storage', { text: (error as Error).message });
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
				throw new RequestFailure('notAnImage', { text: printable(header) });
			}
		}
	}
}

/** Follows bytes that pass by for the last place of a marker, which may lie across their pieces. */
function trackMarker(marker: Buffer | undefined) {
	let distance = Infinity;
	/** The last bytes that passed, in which a marker may have begun. */
	let before = Buffer.alloc(0);
	return {
		lookAt(piece: Buffer) {
			if (!marker) return;
			const overlap = marker.length - 1;
			distance += piece.length;
			const seam = Buffer.concat([before, piece.subarray(0, overlap)]);
			const inSeam = seam.lastIndexOf(marker);
			if (inSeam !== -1) distance = piece.length + before.length - inSeam;
			const inPiece = piece.lastIndexOf(marker);
			if (inPiece !== -1) distance = piece.length - inPiece;
			before = Buffer.concat([before, piece.subarray(-overlap)]).subarray(-overlap);
		},
		/** How many bytes there are from the marker on; without a marker, infinitely many. */
		distance: () => distance,
	};
}

/** Whether the end that the format promises is there. Formats without such an end pass. */
function isWhole(
	format: ImageFormat,
	header: Buffer,
	endMarkerDistance: number,
	fileSize: number,
): boolean {
	if (END_MARKERS[format]) return endMarkerDistance <= TAIL_BYTES;
	return format === 'webp' ? fileSize >= header.readUInt32LE(4) + 8 : true;
}

function printable(bytes: Buffer): string {
	return bytes
		.toString('utf8', 0, 200)
		.replace(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ')
		.trim();
}
