import type {
	IExecuteSingleFunctions,
	IHttpRequestOptions,
	IN8nHttpFullResponse,
} from 'n8n-workflow';

import { failureError } from '../errors/failure';
import type { ImageRequest } from '../request/prepareRequest';
import { storeImage, type ByteStream, type StoredImage } from '../response/image';
import { NO_TIMEOUT, received, refuseErrorStatus, timed } from './network';

/** What of a request's options also holds for downloads, which go to other hosts. */
export type DownloadRoute = Pick<IHttpRequestOptions, 'proxy' | 'skipSslCertificateValidation'>;

/**
 * Fetches the image behind an answer's URL, without the key, into n8n's binary store.
 *
 * @param context the item's execution context
 * @param request the item's request
 * @param url the image's address
 * @param signal ends the download early
 * @throws a failure, or the signal's reason
 */
export async function downloadImage(
	context: IExecuteSingleFunctions,
	{ fileName, options, patience }: ImageRequest,
	url: string,
	signal: AbortSignal,
): Promise<StoredImage> {
	return await timed(patience.timeoutMs, signal, async (timedSignal) => {
		const stream = await openDownload(context, url, timedSignal, options);
		try {
			return await storeImage(context, received(stream), stream, fileName);
		} finally {
			// An image that is refused midway is still being sent.
			stream.destroy();
		}
	});
}

/**
 * Fetches a file into memory, without the key.
 *
 * @param context the item's execution context
 * @param url the file's address
 * @param route the way out of this n8n, as Request Options set it
 * @param limits.maxBytes a file that is larger is refused before it is here
 * @param limits.timeoutMs how long it may take
 * @param signal ends the download early
 * @throws a failure, of kind `tooLarge` for a file beyond the limit; or the signal's reason
 */
export async function downloadBytes(
	context: IExecuteSingleFunctions,
	url: string,
	route: DownloadRoute,
	limits: { maxBytes: number; timeoutMs: number },
	signal: AbortSignal,
): Promise<Buffer> {
	return await timed(limits.timeoutMs, signal, async (timedSignal) => {
		const stream = await openDownload(context, url, timedSignal, route);
		const chunks: Buffer[] = [];
		let bytes = 0;
		for await (const chunk of received(stream)) {
			bytes += chunk.length;
			if (bytes > limits.maxBytes) {
				throw failureError({
					kind: 'tooLarge',
					text: `the file is larger than ${limits.maxBytes} bytes`,
				});
			}
			chunks.push(chunk);
		}
		return Buffer.concat(chunks);
	});
}

async function openDownload(
	context: IExecuteSingleFunctions,
	url: string,
	signal: AbortSignal,
	{ proxy, skipSslCertificateValidation }: DownloadRoute,
): Promise<ByteStream> {
	const response = (await context.helpers.httpRequest({
		url,
		method: 'GET',
		encoding: 'stream',
		returnFullResponse: true,
		ignoreHttpStatusErrors: true,
		timeout: NO_TIMEOUT,
		abortSignal: signal,
		proxy,
		skipSslCertificateValidation,
	})) as IN8nHttpFullResponse;
	await refuseErrorStatus(response);
	return response.body as ByteStream;
}
