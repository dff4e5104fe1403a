import type { IExecuteFunctions, IHttpRequestOptions, IN8nHttpFullResponse } from 'n8n-workflow';

import { authorizationHeaders, type Credential } from './credential';
import { assertOk, headerText, readAll, readChunks, type ByteStream } from './response';
import { STREAM_RESPONSE } from './send';
import { withTimeout, type Timeouts } from './timeLimits';

/** Statuses with which a server may require the key for a result. */
const KEY_REQUIRED_STATUSES = new Set([401, 403]);

/** A download, which is sent without the key unless the API's own origin requires it. */
interface Download {
	functions: IExecuteFunctions;
	url: string;
	/** The credential of the server that returned the link. */
	owner?: Credential;
	timeouts: Timeouts;
	ignoreSslIssues: boolean;
	/** Cancels the download. */
	signal: AbortSignal;
}

/**
 * Streams a download to a consumer.
 *
 * @param consume receives the bytes, and the stream that they come from
 * @throws RequestFailure, or the signal's reason
 */
export async function download<T>(
	file: Download,
	consume: (chunks: AsyncIterable<Buffer>, stream: ByteStream) => Promise<T>,
): Promise<T> {
	return await withTimeout(file.timeouts, file.signal, async (timedSignal, progress) => {
		const stream = await openDownload(file, timedSignal);
		progress.onActivity();
		return await consume(readChunks(stream, progress), stream);
	});
}

/** Downloads a file into memory. Throws as `download` does, with kind `tooLarge` as soon as it exceeds `maxBytes`. */
export async function downloadBytes(file: Download, maxBytes: number): Promise<Buffer> {
	const tooLarge = `the file is larger than ${maxBytes} bytes`;
	return await download(file, async (chunks) => await readAll(chunks, maxBytes, tooLarge));
}

/** Some servers require the key for their results too. Only the API's own origin gets it, and no redirect is followed. */
async function openDownload(
	{ functions, url, owner, ignoreSslIssues }: Download,
	signal: AbortSignal,
): Promise<ByteStream> {
	const request = async (more: Partial<IHttpRequestOptions> = {}) =>
		(await functions.helpers.httpRequest({
			url,
			method: 'GET',
			...STREAM_RESPONSE,
			skipSslCertificateValidation: ignoreSslIssues,
			abortSignal: signal,
			...more,
		})) as IN8nHttpFullResponse & { body: ByteStream };
	let response = await request();
	const { statusCode, headers } = response;
	// A gateway's login responds with a page, mostly after a redirect.
	const isLogin =
		statusCode === 200 && /^text\/html/i.test(headerText(headers['content-type']) ?? '');
	const mayNeedKey = owner && (isLogin || KEY_REQUIRED_STATUSES.has(statusCode));
	if (mayNeedKey && new URL(url).origin === new URL(owner.baseUrl).origin) {
		response.body.destroy();
		response = await request({
			url: withQuery(url, owner.query),
			headers: authorizationHeaders(owner),
			disableFollowRedirect: true,
		});
	}
	await assertOk(response);
	return response.body;
}

/** Some gateways accept the key in the query, which the link lacks. */
function withQuery(url: string, query: string): string {
	const keyed = new URL(url);
	for (const [name, value] of new URLSearchParams(query)) {
		if (!keyed.searchParams.has(name)) keyed.searchParams.append(name, value);
	}
	return keyed.href;
}
