import type { IExecuteFunctions } from 'n8n-workflow';

import type { Credential } from './credential';
import { openDownload, readAll, readChunks, withTimeout, type ByteStream } from './send';
import type { Timeouts, ToTimeoutError } from './timeLimits';

/** A download, which is sent without the key unless the API's own origin requires it. */
export interface Download {
	functions: IExecuteFunctions;
	url: string;
	/** The credential of the server that returned the link. */
	owner?: Credential;
	timeouts: Timeouts;
	ignoreSslIssues: boolean;
	/** Cancels the download. */
	signal: AbortSignal;
	/** Creates the error for a consumer that takes too long. */
	toReaderTimeout?: ToTimeoutError;
}

/**
 * Streams a download to a consumer.
 *
 * @param consume receives the bytes, and the stream that they come from
 * @throws RequestFailure, or the signal's reason
 */
export async function download<T>(
	{ functions, url, owner, timeouts, ignoreSslIssues, signal, toReaderTimeout }: Download,
	consume: (chunks: AsyncIterable<Buffer>, stream: ByteStream) => Promise<T>,
): Promise<T> {
	return await withTimeout(timeouts, signal, async (timedSignal, progress) => {
		const stream = await openDownload(functions, url, timedSignal, ignoreSslIssues, owner);
		progress.onActivity();
		try {
			return await consume(readChunks(stream, progress, toReaderTimeout), stream);
		} finally {
			// The server may still be sending a file that the consumer refused.
			stream.destroy();
		}
	});
}

/**
 * Downloads a file into memory.
 *
 * @param maxBytes the download stops when it exceeds this size
 * @throws RequestFailure, of kind `tooLarge` for a file above the limit, or the signal's reason
 */
export async function downloadBytes(file: Download, maxBytes: number): Promise<Buffer> {
	return await download(
		file,
		async (chunks) => await readAll(chunks, maxBytes, `the file is larger than ${maxBytes} bytes`),
	);
}
