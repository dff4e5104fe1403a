import type { Progress } from './timeLimits';
import { toServerTimeout } from './timeLimits';
import { wait } from './wait';

/** A file that is read while it is sent, so that it never stands in memory as a whole. */
export interface UploadFile {
	name: string;
	mimeType: string;
	/** Its size in bytes. */
	size: number;
	/** Opens it. Called anew for each request. */
	open(): Promise<AsyncIterable<Uint8Array>>;
	/**
	 * The error when it cannot be read.
	 *
	 * @param detail what follows "The image could not be read", such as ` within 3 seconds`
	 */
	toError(detail: string): Error;
}

/** The body of a multipart/form-data request. */
export interface Form {
	fields: Record<string, string>;
	fileField: string;
	file: UploadFile;
}

/** A form that is ready to be sent. */
export interface Upload {
	body: FormData;
	/** Sends no more, but leaves the connection alone: the answer is here, and the server does not read on. */
	hold(): void;
	/** Closes the file. What has not been sent will not be. */
	close(): void;
}

/** A server receives files up to this size before it can refuse them. */
const MAX_UNPACED_BYTES = 128 * 1024;
/** How long an upload waits for an early answer. It is little compared with the time that an edit takes. */
const EARLY_ANSWER_MS = 200;
/** What memory holds is sent in pieces of this size. */
const PIECE_BYTES = 256 * 1024;

/**
 * Reads a file, and watches that all of it arrives.
 *
 * @param progress is told whether the file or its reader is waited for, and ends with the file's error when it cannot
 * be read
 */
export async function* readFile(
	file: UploadFile,
	progress: Progress,
): AsyncGenerator<Uint8Array, void> {
	const waitForFile = () =>
		progress.waitFor((seconds) => file.toError(` within ${seconds} seconds`));
	let bytes = 0;
	try {
		waitForFile();
		for await (const chunk of await file.open()) {
			bytes += chunk.length;
			if (bytes > file.size) break;
			progress.onAlive();
			progress.waitFor(toServerTimeout);
			yield chunk;
			if (bytes === file.size) return;
			waitForFile();
		}
		throw new Error(`it has another size than ${file.size} bytes`);
	} catch (error) {
		const failure = file.toError(`: ${(error as Error).message}`);
		progress.fail(failure);
		throw failure;
	}
}

/** Bytes in memory as a file that is sent in pieces. */
export function fileOfBytes(
	bytes: Uint8Array,
	file: Pick<UploadFile, 'name' | 'mimeType' | 'toError'>,
): UploadFile {
	async function* pieces() {
		for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
			yield bytes.subarray(at, at + PIECE_BYTES);
		}
	}
	return { ...file, size: bytes.length, open: async () => pieces() };
}

/**
 * Opens a form's file and makes a body of the form.
 *
 * A server that refuses an upload by its head gets the time to say so, as `Expect: 100-continue` would give it. It closes
 * the connection, and Node.js, which then fails to write, loses the answer that it has not read yet.
 *
 * @param signal ends the upload
 * @returns the body, with the beginning of its file read: a file that cannot be read costs no request
 */
export async function openUpload(
	{ fields, fileField, file }: Form,
	progress: Progress,
	signal: AbortSignal,
): Promise<Upload> {
	const chunks = readFile(file, progress);
	const first = await chunks.next();
	const closed = new AbortController();
	let isHeld = false;

	async function* paced(): AsyncGenerator<Uint8Array> {
		if (file.size > MAX_UNPACED_BYTES) await wait(EARLY_ANSWER_MS, signal);
		for (let next = first; !next.done; next = await chunks.next()) {
			// What has arrived is read before more is written.
			await wait(0, signal);
			if (isHeld) await untilAborted(closed.signal);
			closed.signal.throwIfAborted();
			yield next.value;
		}
		// A closed file ends early, and n8n's HTTP client would take that for its end.
		closed.signal.throwIfAborted();
	}

	async function* send(): AsyncGenerator<Uint8Array> {
		try {
			yield* paced();
		} catch (error) {
			// n8n 1.x copies an error field by field, which throws for a DOMException, and nobody catches that.
			throw error instanceof DOMException ? new Error(error.message) : (error as Error);
		}
	}

	const body = new FormData();
	for (const [name, value] of Object.entries(fields)) body.append(name, value);
	const streamed = new File([], file.name, { type: file.mimeType });
	// n8n's HTTP client asks a file for its size and its stream, and for nothing else.
	Object.defineProperties(streamed, { size: { value: file.size }, stream: { value: send } });
	body.append(fileField, streamed);
	return {
		body,
		hold: () => (isHeld = true),
		close: () => {
			closed.abort();
			void chunks.return();
		},
	};
}

async function untilAborted(signal: AbortSignal): Promise<void> {
	if (signal.aborted) return;
	await new Promise((resolve) => signal.addEventListener('abort', resolve));
}
