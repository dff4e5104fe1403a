import { createHash } from 'node:crypto';
import type { IBinaryData, IExecuteFunctions } from 'n8n-workflow';

import { IMAGE_FORMATS } from '../catalogue/imageFormats';
import { RequestFailure, type FailureKind } from '../errors/requestFailure';
import { freeMemory, type ByteStream } from '../transport/response';
import { SIGNATURE_BYTES } from './formats';
import { inspectImage, readHeader } from './measure';

/** An image in n8n's binary store. */
export interface StoredImage {
	binaryData: IBinaryData;
	/** In pixels; `null` if the size cannot be read. */
	width: number | null;
	height: number | null;
	mimeType: string;
	fileName: string;
	/** In bytes. */
	fileSize: number;
	/** A hash of its bytes, if the image is to be compared with others. */
	digest?: string;
}

/** How reading fails if nothing more arrives. */
const BROKEN_KINDS: FailureKind[] = ['truncated', 'connection', 'timeout'];

/** Far larger than any model's images; guards against endless responses. */
const MAX_IMAGE_BYTES = 256 * 1024 * 1024;

/** Larger images are passed on while they arrive, so that they are never completely in memory. */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024;

/**
 * Puts an image into n8n's binary store, and determines its format and size on the way.
 *
 * @param bytes a chunk needs to be valid only until the next one is requested
 * @param source a stream of n8n, whose class n8n's store accepts
 * @param baseName the file's name without extension
 * @param withDigest whether to hash the image, to compare it with others
 * @throws RequestFailure of kind `notAnImage`, `truncated` or `tooLarge`, or the error of `bytes`; nothing is stored then.
 * Of kind `storage` if n8n cannot store the image.
 */
export async function storeImage(
	functions: IExecuteFunctions,
	bytes: AsyncIterable<Buffer>,
	source: ByteStream,
	baseName: string,
	withDigest: boolean,
): Promise<StoredImage> {
	const { header, bytes: chunks } = await readHeader(bytes);
	const inspector = inspectImage(header);
	if (!inspector) {
		// Throws if the connection broke after so few bytes.
		for await (const { length } of chunks) if (length >= SIGNATURE_BYTES) break;
		if (header.length === 0) throw new RequestFailure('truncated', { text: 'The file is empty' });
		throw new RequestFailure('notAnImage', { text: printable(header) });
	}
	const hash = withDigest ? createHash('sha256') : undefined;
	let fileSize = 0;

	const checkedImage = async function* (): AsyncGenerator<Buffer> {
		try {
			for await (const chunk of chunks) {
				fileSize += chunk.length;
				if (fileSize > MAX_IMAGE_BYTES) {
					throw new RequestFailure('tooLarge', { text: 'The image is larger than 256 MB' });
				}
				if (chunk !== header) inspector.write(chunk);
				hash?.update(chunk);
				yield chunk;
			}
		} catch (error) {
			// A broken connection does not matter after a whole image.
			const isBroken = error instanceof RequestFailure && BROKEN_KINDS.includes(error.kind);
			if (!isBroken || !inspector.hasEnded()) throw error as Error;
		}
		if (!inspector.isWhole()) {
			throw new RequestFailure('truncated', { text: 'The image file is incomplete' });
		}
	};

	const { mimeType, extension } = IMAGE_FORMATS[inspector.format];
	const fileName = `${baseName}.${extension}`;
	const content = await contentOf(checkedImage(), source);
	const binaryData = await functions.helpers
		.prepareBinaryData(content, fileName, mimeType)
		.catch((error: Error) => {
			if (error instanceof RequestFailure) throw error;
			throw new RequestFailure('storage', { text: error.message });
		});
	if (Buffer.isBuffer(content)) freeMemory(content.buffer);
	const { width, height } = inspector.measured();
	return { binaryData, width, height, mimeType, fileName, fileSize, digest: hash?.digest('hex') };
}

/** An image in one piece, which n8n's store writes in fewer steps, or as a stream if it is large. */
async function contentOf(
	chunks: AsyncGenerator<Buffer>,
	source: ByteStream,
): Promise<Buffer | ByteStream> {
	let memory: Buffer = Buffer.alloc(0);
	let length = 0;
	for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
		const end = length + next.value.length;
		if (end > MAX_WHOLE_BYTES) {
			const beginning = Buffer.concat([memory.subarray(0, length), next.value]);
			return streamOf(beginning, chunks, source);
		}
		if (end > memory.length) {
			const grown = Buffer.allocUnsafeSlow(Math.max(end, memory.length * 2));
			memory.copy(grown, 0, 0, length);
			freeMemory(memory.buffer);
			memory = grown;
		}
		next.value.copy(memory, length);
		length = end;
	}
	return memory.subarray(0, length);
}

/** n8n's store accepts only Node.js streams, but verified packages must not import `stream`. */
function streamOf(beginning: Buffer, rest: AsyncIterable<Buffer>, source: ByteStream): ByteStream {
	const { from } = source.constructor as unknown as {
		from(bytes: AsyncIterable<Buffer>): ByteStream;
	};
	async function* all(): AsyncGenerator<Buffer> {
		yield beginning;
		for await (const chunk of rest) yield Buffer.from(chunk);
	}
	return from(all());
}

function printable(bytes: Buffer): string {
	const text = bytes.toString('utf8', 0, 200);
	return text.replace(/[^\x20-\x7e\u00a0-\uffff]+/g, ' ').trim();
}
