import type {
	IExecutePaginationFunctions,
	IHttpRequestOptions,
	IN8nHttpFullResponse,
} from 'n8n-workflow';

import { isWebAddress } from '../catalogue/hosts';
import { failureError, failureOf } from '../errors/failure';
import { withoutSecrets, type StrikeOut } from '../errors/strikeOut';
import { makeBody } from '../request/body';
import type { ImageRequest } from '../request/prepareRequest';
import { readAnswer, type Answer } from '../response/answer';
import { storeImage, type ByteStream, type StoredImage } from '../response/image';
import { asText, networkFailure, NO_TIMEOUT, received, refuseErrorStatus, timed } from './network';

export interface Exchange {
	answer: Answer;
	image?: StoredImage;
	traceId?: string;
}

/**
 * Sends an item's request once and reads the answer, an image straight into n8n's binary store.
 *
 * @param context the item's execution context
 * @param request what to send
 * @param strikeOut takes the credential's secrets out of what the server says
 * @param signal ends the exchange early, when the execution is cancelled
 * @throws a failure, or the signal's reason
 */
export async function exchange(
	context: IExecutePaginationFunctions,
	request: ImageRequest,
	strikeOut: StrikeOut,
	signal: AbortSignal,
): Promise<Exchange> {
	const { operation, fields, inputImage, patience } = request;
	// Read now that the item's turn has come, and anew for each try, so that no image waits in memory.
	const body = await makeBody(operation, fields, await inputImage?.read(signal));
	return await timed(patience.timeoutMs, signal, async (timedSignal) => {
		const response = await sendWithKey(context, { ...request.options, ...body }, timedSignal);
		const traceId = strikeOut.ofText(asText(response.headers['x-trace-id']) ?? '') || undefined;
		try {
			await refuseErrorStatus(response);
			const stream = response.body as ByteStream;
			const { answer: said, image } = await readAnswer(
				received(stream),
				async (bytes) => await storeImage(context, bytes, stream, request.fileName),
				refuseFiltered,
			);
			const answer = withoutSecrets(said, strikeOut);
			if (!image && !(answer.url && isWebAddress(answer.url))) {
				throw failureError({ kind: 'noImage', text: answer.error ?? '', id: answer.id });
			}
			return { answer, image, traceId };
		} catch (error) {
			const failure = failureOf(error) ?? networkFailure(error);
			throw failureError({ ...withoutSecrets(failure, strikeOut), traceId });
		}
	});
}

/**
 * Sends a request with the credential's key, and the answer's body as a stream.
 *
 * @param options address, headers and body
 * @param signal ends the exchange, also while the body arrives
 */
export async function sendWithKey(
	context: IExecutePaginationFunctions,
	options: IHttpRequestOptions,
	signal: AbortSignal,
): Promise<IN8nHttpFullResponse> {
	// n8n's helper takes its abort signal from the context it is called on, and no other; this one
	// knows the timeout as well, also while the body arrives.
	const timedContext = Object.create(context, {
		getExecutionCancelSignal: { value: () => signal },
	}) as IExecutePaginationFunctions;
	return (await context.helpers.httpRequestWithAuthentication.call(timedContext, 'stepFunApi', {
		...options,
		timeout: NO_TIMEOUT,
		returnFullResponse: true,
	})) as IN8nHttpFullResponse;
}

function refuseFiltered({ finishReason, seed, id }: Answer): void {
	if (finishReason === 'content_filtered') throw failureError({ kind: 'filtered', seed, id });
}
