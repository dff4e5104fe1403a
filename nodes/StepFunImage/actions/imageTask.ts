import {
	canceledError,
	notSentError,
	requestError,
	toNodeError,
	type NodeError,
} from '../errors/nodeErrors';
import { RequestFailure } from '../errors/requestFailure';
import { storeImage, type StoredImage } from '../image/store';
import type { OutputOptions } from '../request/options';
import type { ImageRequest } from '../request/readParameters';
import type { ItemContext } from '../request/types';
import { rateLimiterFor } from '../transport/rateLimiter';
import type { ByteStream } from '../transport/response';
import type { RunState } from './runState';

/** One request of an item, and what it needs. */
export interface ImageTask {
	item: ItemContext;
	request: ImageRequest;
	outputOptions: OutputOptions;
	state: RunState;
	/** Identifies the request across the tries of n8n's Retry On Fail. */
	key: string;
	/** Aborts the request while it waits, if another failure has made it pointless. */
	signal: AbortSignal;
	/** The digests of the item's images so far. */
	digests: string[];
}

/**
 * The requests that would fail in the same way after a status. After a 402, only those for the same model, because a
 * gateway may serve other models with another account. The same is true of a 401, except with StepFun's own services.
 * After a 404, only those for the same model and path.
 */
const SCOPES: Record<number, (request: ImageRequest) => string> = {
	401: ({ credential, model }) => `key ${credential.scopeId} ${credential.isCustom ? model : ''}`,
	402: ({ credential, model }) => `balance ${credential.scopeId} ${model}`,
	404: ({ credential, path, model }) => `endpoint ${credential.scopeId} ${path} ${model}`,
};

/** The scopes of a request, whose failures make it pointless. */
export function scopesOf(request: ImageRequest): string[] {
	return Object.values(SCOPES).map((scopeOf) => scopeOf(request));
}

/** Turns an error of a task into the one that the user reads, and aborts the requests that it makes pointless. */
export function endWithError(task: ImageTask, error: unknown): NodeError {
	const { item, request, state, signal } = task;
	// The failure of another request has ended this one.
	if (error === signal.reason && !state.cancelSignal.aborted) {
		return notSentError(item, error as NodeError);
	}
	if (error === state.cancelSignal.reason) return canceledError(item);
	const failure = error instanceof RequestFailure ? error : undefined;
	const shown = failure
		? requestError(item, describeRequest(request), failure, request.credential.redactor)
		: toNodeError(item, error);
	if (failure && isPassedOn(task, failure)) return shown;
	if (!state.continueOnFail) state.stop.abort(shown);
	const status = failure?.isOutOfCredit ? 402 : failure?.details.status;
	const scopeOf = failure?.kind === 'status' && SCOPES[status ?? 0];
	if (scopeOf) state.scopeOf(scopeOf(request)).abort(shown);
	return shown;
}

function describeRequest({ operation, path, credential, model, inputImage }: ImageRequest) {
	return {
		baseUrl: credential.baseUrl,
		path,
		image: { operation, model, hasInputImage: inputImage !== undefined },
	};
}

/** Whether a failure becomes an output item instead of an error. */
export function isPassedOn({ outputOptions }: ImageTask, failure: RequestFailure): boolean {
	return failure.isModerated && outputOptions.whenModerated === 'passOn';
}

/** Streams an image into n8n's store. */
export async function store(
	{ item, request: { fileName, variation } }: ImageTask,
	bytes: AsyncIterable<Buffer>,
	source: ByteStream,
): Promise<StoredImage> {
	return await storeImage(item.functions, bytes, source, fileName, variation !== undefined);
}

/** n8n shows nothing of a node before it has finished, so its debug log is the only way to follow a long run. */
export function log({ item, request }: ImageTask, what: string, details: object): void {
	item.functions.logger.debug(`StepFun Image: ${what}`, {
		itemIndex: item.itemIndex,
		variation: request.variation,
		...details,
	});
}

/** Logs a failed try. `delayMs` is the wait before the next one, `undefined` if there is none. */
export function logFailure(
	task: ImageTask,
	{ kind, details }: RequestFailure,
	tries: number,
	delayMs: number | undefined,
): void {
	const { accountId, redactor } = task.request.credential;
	log(task, 'a request failed', {
		failure: kind,
		status: details.status,
		traceId: details.traceId && redactor.text(details.traceId),
		tries,
		// After a 429 the rate limiter waits, for `Retry-After` if the service sent it.
		nextTryInMs: delayMs === undefined ? 'none' : Math.round(details.retryAfterMs ?? delayMs),
		concurrentRequests: rateLimiterFor(accountId).currentConcurrency(),
	});
}
