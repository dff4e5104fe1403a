import { unreadableImage } from '../errors/nodeErrors';
import { toServerTimeout, type Progress, type ToTimeoutError } from './timeLimits';
import { wait } from './wait';

/** A file to upload. One in n8n's storage is read while it is sent, so that it is never completely in memory. */
export interface UploadFile {
	name: string;
	mimeType: string;
	/** In bytes. */
	size: number;
	/** Called again for each request. */
	open(): Promise<AsyncIterable<Uint8Array>>;
}

/** The body of a multipart/form-data request. */
export interface Form {
	fields: Record<string, unknown>;
	fileField: string;
	file: UploadFile;
}

export type Upload = Awaited<ReturnType<typeof openUpload>>;

/** A server receives files up to this size before it can refuse them. */
const MAX_UNPACED_BYTES = 128 * 1024;
/** How long an upload waits for an early response: short compared with the duration of an edit. */
const EARLY_RESPONSE_MS = 200;
/**
 * The size of the pieces that a file is read and sent in: small for the memory, large for the speed, and a multiple of
 * four, because four characters of Base64 encode three bytes.
 */
export const UPLOAD_CHUNK_BYTES = 256 * 1024;

/** The error if n8n's binary data storage does not return an input image in time. */
export const toReadingTimeout: ToTimeoutError = (limit) => unreadableImage(` within ${limit}`);

/**
 * Reads a file, and checks that it has the expected size.
 *
 * @param progress learns whether the wait is for the file or for its consumer, and fails if the file cannot be read
 */
export async function* readUpload(
	file: UploadFile,
	progress: Progress,
): AsyncGenerator<Uint8Array, void> {
	let bytes = 0;
	try {
		progress.setTimeoutError(toReadingTimeout);
		for await (const chunk of await file.open()) {
			bytes += chunk.length;
			if (bytes > file.size) break;
			progress.onActivity();
			progress.setTimeoutError(toServerTimeout);
			yield chunk;
			if (bytes === file.size) return;
			progress.setTimeoutError(toReadingTimeout);
		}
		throw new Error(`the stored file has changed, and no longer has ${file.size} bytes`);
	} catch (error) {
		const failure = unreadableImage(`: ${(error as Error).message}`);
		progress.fail(failure);
		throw failure;
	}
}

/** The bytes of a file in pieces. Its Base64 text must not contain white space. */
export async function* piecesOf(
	file: Buffer | string,
	length = UPLOAD_CHUNK_BYTES,
): AsyncGenerator<Buffer> {
	for (let at = 0; at < file.length; at += length) {
		yield typeof file === 'string'
			? Buffer.from(file.slice(at, at + length), 'base64')
			: file.subarray(at, at + length);
	}
}

/** A JSON body as a file, if it is so long that a server may refuse it before all of it has arrived. */
export function toLongFile(json: Buffer): UploadFile | undefined {
	if (json.length <= MAX_UNPACED_BYTES) return undefined;
	const mimeType = 'application/json';
	return { name: 'body.json', mimeType, size: json.length, open: async () => piecesOf(json) };
}

/** A multipart/form-data body with a file that has been opened. */
export function toFormData({ fields, fileField }: Form, file: File): FormData {
	const body = new FormData();
	for (const [name, value] of Object.entries(fields)) {
		body.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
	}
	body.append(fileField, file);
	return body;
}

/**
 * Opens a file for a request. It reads the beginning of the file first, so that a file that cannot be read causes no
 * request.
 *
 * The upload waits briefly, so that a server can refuse it by its headers, as with `Expect: 100-continue`. Otherwise
 * the server would close the connection, Node.js would fail to write, and the unread response would be lost.
 */
export async function openUpload(file: UploadFile, progress: Progress, signal: AbortSignal) {
	const chunks = readUpload(file, progress);
	const first = await chunks.next();
	const closed = new AbortController();
	let isHeld = false;

	async function* stream(): AsyncGenerator<Uint8Array> {
		try {
			let next = first;
			if (!next.done && file.size > MAX_UNPACED_BYTES) {
				// Node.js sends the head of a request together with its first byte.
				yield next.value.subarray(0, 1);
				next = { value: next.value.subarray(1) };
				await wait(EARLY_RESPONSE_MS, signal);
			}
			for (; !next.done; next = await chunks.next()) {
				// Lets Node.js read what has arrived before it writes more.
				await wait(0, signal);
				if (isHeld && !closed.signal.aborted) {
					await new Promise((resolve) => closed.signal.addEventListener('abort', resolve));
				}
				closed.signal.throwIfAborted();
				yield next.value;
			}
			// n8n's HTTP client would take the early end of a closed file for its real end.
			closed.signal.throwIfAborted();
		} catch (error) {
			// n8n 1.x copies an error field by field, which throws an uncaught error for a DOMException.
			throw error instanceof DOMException ? new Error(error.message) : (error as Error);
		}
	}

	const streamed = new File([], file.name, { type: file.mimeType });
	// n8n's HTTP client uses only the size and the stream of a file. Without an enumerable property, n8n sends no body.
	Object.defineProperties(streamed, {
		size: { value: file.size, enumerable: true },
		stream: { value: stream },
	});
	return {
		/** The file as n8n's HTTP client sends it: as the body of a request, or in a form. */
		file: streamed,
		/** Pauses the upload without closing the connection, because the server has responded and reads no further. */
		hold: () => (isHeld = true),
		/** Closes the file and ends the upload. */
		close: () => {
			closed.abort();
			void chunks.return();
		},
	};
}
