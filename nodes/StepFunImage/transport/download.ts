import type { IExecuteFunctions } from 'n8n-workflow';

import type { Credential } from './credential';
import {
	openDownload,
	readAll,
	readChunks,
	withTimeout,
	type ByteStream,
	type Timeouts,
	type ToTimeoutError,
} from './send';

/** A download without the key, unless the server that the address came from wants it. */
export interface Download {
	functions: IExecuteFunctions;
	url: string;
	/** The credential of that server. */
	owner?: Credential;
	timeouts: Timeouts;
	ignoreSslIssues: boolean;
	/** Ends the download early. */
	signal: AbortSignal;
	/** The error when what the bytes are for takes too long. */
	toReaderTimeout?: ToTimeoutError;
}

/**
 * Hands a download to whoever consumes it as it arrives.
 *
 * @param consume gets the bytes, and the stream that they come from
 * @throws RequestFailure, or the signal's reason
 */
export async function download<T>(
	{ functions, url, owner, timeouts, ignoreSslIssues, signal, toReaderTimeout }: Download,
	consume: (chunks: AsyncIterable<Buffer>, stream: ByteStream) => Promise<T>,
): Promise<T> {
	return await withTimeout(timeouts, signal, async (timedSignal, progress) => {
		const stream = await openDownload(functions, url, timedSignal, ignoreSslIssues, owner);
		progress.onAlive();
		try {
			return await consume(readChunks(stream, progress, toReaderTimeout), stream);
		} finally {
			// What is refused midway is still being sent.
			stream.destroy();
		}
	});
}

/**
 * Fetches a file into memory.
 *
 * @param maxBytes a file that is larger is refused before it is here
 * @throws RequestFailure, of kind `tooLarge` for a file beyond the limit; or the signal's reason
 */
export async function downloadBytes(file: Download, maxBytes: number): Promise<Buffer> {
	return await download(
		file,
		async (chunks) => await readAll(chunks, maxBytes, `the file is larger than ${maxBytes} bytes`),
	);
}
