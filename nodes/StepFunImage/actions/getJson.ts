import type { IExecuteFunctions, ILoadOptionsFunctions } from 'n8n-workflow';

import { RequestFailure } from '../errors/requestFailure';
import { truncate } from '../errors/truncate';
import { parseJson } from '../image/lenientJson';
import type { Credential } from '../transport/credential';
import { assertOk, readAll, readChunks, type ByteStream } from '../transport/response';
import { sendWithKey } from '../transport/send';
import { withTimeout, type Timeouts } from '../transport/timeLimits';

/**
 * Requests JSON with the key, and returns it parsed and as text.
 *
 * @throws RequestFailure, of kind `tooLarge` with that text for a larger response, and of kind `invalidJson` for one that
 * is not JSON, or the signal's reason
 */
export async function getJson(
	functions: IExecuteFunctions | ILoadOptionsFunctions,
	credential: Credential,
	path: string,
	{ timeouts, maxBytes, tooLarge }: { timeouts: Timeouts; maxBytes: number; tooLarge: string },
	signal = new AbortController().signal,
): Promise<{ json: unknown; text: string }> {
	return await withTimeout(timeouts, signal, async (timedSignal, progress) => {
		const request = { method: 'GET', path } as const;
		const response = await sendWithKey(functions, credential, request, timedSignal, progress);
		await assertOk(response);
		const chunks = readChunks(response.body as ByteStream, progress);
		// Unlike a Buffer, it leaves out a byte order mark, which is not JSON.
		const text = new TextDecoder().decode(await readAll(chunks, maxBytes, tooLarge));
		const json = parseJson(text);
		if (json !== undefined) return { json, text };
		throw new RequestFailure('invalidJson', { text: truncate(text) });
	});
}
