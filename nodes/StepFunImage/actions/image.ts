import { createHash } from 'node:crypto';
import type { IDataObject } from 'n8n-workflow';

import { RETRY_DEFAULTS } from '../catalogue/defaults';
import { resolveLink } from '../catalogue/services';
import {
	notSentError,
	requestError,
	toNodeError,
	unreadableImageError,
	type NodeError,
} from '../errors/nodeErrors';
import { RequestFailure } from '../errors/requestFailure';
import { readImage, readResponse, type ImageResponse } from '../image/responseReader';
import { storeImage } from '../image/store';
import { encodeBody } from '../request/body';
import { readImageRequests, toMilliseconds } from '../request/readParameters';
import type { ImageRequest, ItemContext, OutputOptions } from '../request/types';
import type { Credential } from '../transport/credential';
import { download } from '../transport/download';
import { toRequestFailure } from '../transport/networkFailure';
import { rateLimiterFor } from '../transport/rateLimiter';
import { assertOk, headerText, readChunks, type ByteStream } from '../transport/response';
import { retry, type Attempt } from '../transport/retry';
import { sendWithKey, withTimeout } from '../transport/send';
import {
	toServerTimeout,
	toStorageTimeout,
	withinLimits,
	type Timeouts,
} from '../transport/timeLimits';
import type { UploadFile } from '../transport/upload';
import {
	estimateCost,
	findDifference,
	toItems,
	toModeratedResult,
	toResult,
	type ImageResult,
	type RequestResult,
} from './outputItems';
import { requestKey, type PaidAnswer } from './retryOnFail';
import {
	RUN_SCOPE,
	type Action,
	type ItemFailure,
	type ItemOutcome,
	type RunState,
} from './runState';

/** One request of an item, and what it needs. */
interface ImageTask {
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
 * The requests that would fail in the same way after a status: after a 401, all with the same key. After a 402, only
 * those for the same model, because a gateway may serve other models. After a 404, only those for the same model and path.
 */
const SCOPES: Record<number, (request: ImageRequest) => string> = {
	401: ({ credential }) => `key ${credential.accountId}`,
	402: ({ credential, model }) => `balance ${credential.accountId} ${model}`,
	404: ({ credential, path, model }) => `endpoint ${credential.accountId} ${path} ${model}`,
};

/** Generate, Edit and Image to Image: sends one request for each image of an item. */
export function createImageAction(state: RunState): Action {
	return {
		async prepare(item: ItemContext, parameters: IDataObject, credential: Credential) {
			const { requests, outputOptions, maxImagesPerRun } = await withinLimits(
				preparationLimits(parameters),
				state.cancelSignal,
				(seconds) => unreadableImageError(item, ` within ${seconds} seconds`),
				async () => await readImageRequests(item, parameters, state.routing, credential),
			);
			const { accountId, baseUrl } = credential;
			// Computed once per item, because the parameters may contain an image as Base64 text.
			const { itemIndex } = item;
			const key =
				state.tries.max > 1
					? requestKey(itemIndex, [accountId, baseUrl, parameters])
					: String(itemIndex);
			return {
				send: async () => await sendRequests(item, requests, outputOptions, state, key),
				images: requests.length,
				cost: estimateCost(requests[0]),
				maxImagesPerRun,
			};
		},
	};
}

/** Limits the reading of the input image's header, which checks an item, to the timeout of a request. */
function preparationLimits({ options }: IDataObject): Timeouts {
	const seconds = Number(((options ?? {}) as IDataObject).timeout);
	// Not validated yet: the preparation itself refuses an invalid timeout.
	const limitMs = toMilliseconds(seconds > 0 ? seconds : RETRY_DEFAULTS.timeoutSeconds);
	return { silenceMs: limitMs, totalMs: limitMs };
}

async function sendRequests(
	item: ItemContext,
	requests: ImageRequest[],
	outputOptions: OutputOptions,
	state: RunState,
	itemKey: string,
): Promise<ItemOutcome> {
	const results: RequestResult[] = [];
	const failures: ItemFailure[] = [];
	const digests: string[] = [];
	const outcomes = await Promise.all(
		requests.map(async (request, index) => {
			const signal = state.scopes.signalOf(
				Object.values(SCOPES).map((scopeOf) => scopeOf(request)),
			);
			const key = `${itemKey} ${index}`;
			return await deliver({ item, request, outputOptions, state, key, signal, digests });
		}),
	);
	for (const outcome of outcomes) {
		if ('json' in outcome) results.push(outcome);
		else if ('error' in outcome) failures.push(outcome);
	}
	const input = state.input[item.itemIndex];
	return {
		results: toItems(item.itemIndex, input, results, {
			...outputOptions,
			isMultiImage: requests.length > 1,
		}),
		failures,
	};
}

/** The outcome of a request that was not sent because another failure has ended the run. */
const SKIPPED = {};

/** Gets one image, and returns its result, its failure, or `SKIPPED`. */
async function deliver(task: ImageTask): Promise<RequestResult | ItemFailure | typeof SKIPPED> {
	const { item, request, outputOptions, state, key } = task;
	const { answers, max } = state.tries;
	/** Keeps an answer for the next try; without Retry On Fail there is none. */
	const remember = (answer: PaidAnswer) => {
		if (max > 1) answers.set(key, answer);
	};
	let wasCharged = false;
	const charge = () => {
		if (wasCharged) return;
		state.charged++;
		state.costs.push(estimateCost(request));
		wasCharged = true;
	};
	try {
		const earlier = answers.get(key);
		if (earlier instanceof RequestFailure) throw earlier;
		const result = earlier ?? (await requestImage(task));
		charge();
		remember(result);
		const { url } = result.response;
		const wantsFile = outputOptions.output !== 'url';
		const delivered =
			wantsFile && !result.image && url
				? { ...result, ...(await downloadImage(task, url)) }
				: result;
		remember(delivered);
		const { tries } = delivered;
		log(task, 'an image is done', { tries, imagesOfThisRun: state.charged });
		countDelivered(task, delivered);
		return toResult(item, request, delivered, outputOptions);
	} catch (error) {
		if (error instanceof RequestFailure && error.charge === 'yes') {
			charge();
			if (!error.retryable && !answers.has(key)) remember(error);
			else if (!answers.has(key)) state.tries.chargedWithoutImage++;
		}
		if (error instanceof RequestFailure && error.isModerated) state.summary.moderated++;
		else state.summary.failed++;
		if (error instanceof RequestFailure && error.isModerated) {
			if (outputOptions.whenModerated === 'passOn') return toModeratedResult(request, error);
		}
		return fail(task, error, wasCharged);
	}
}

/** Counts an image and its deviations from the request, for the hint at the end of the run. */
function countDelivered({ request, state, digests }: ImageTask, result: ImageResult): void {
	const { summary } = state;
	const { image, digest, tries } = result;
	summary.made++;
	if (tries > 1) summary.repeated++;
	if (image && digest) {
		if (digests.includes(digest)) summary.identical++;
		digests.push(digest);
	}
	const difference = findDifference(request, result);
	if (difference?.requestedSize) summary.otherSize++;
	if (difference?.requestedSeed !== undefined) summary.otherSeed++;
}

/** Turns an error into the item's failure, and ends what the error makes pointless. */
function fail(task: ImageTask, error: unknown, wasCharged: boolean): ItemFailure | typeof SKIPPED {
	const { item, state, key, signal } = task;
	const { continueOnFail, cancelSignal, tries } = state;
	const retryable = !(tries.answers.get(key) instanceof RequestFailure);
	const isEndedByAnother =
		!cancelSignal.aborted && error === signal.reason && state.stoppedBy !== task;
	if (isEndedByAnother) {
		return continueOnFail
			? { error: notSentError(item, signal.reason as NodeError), wasCharged, retryable }
			: SKIPPED;
	}
	const shown = endScopes(task, error);
	// If the workflow stops on errors, the user should see the first failure, not later ones.
	const isFirst = continueOnFail || state.stoppedBy === task;
	return isFirst ? { error: shown, wasCharged, retryable } : SKIPPED;
}

/**
 * Aborts the requests that a failure makes pointless.
 *
 * @returns the error that the user reads
 */
function endScopes(task: ImageTask, error: unknown): NodeError {
	const { item, request, outputOptions, state } = task;
	const { scopes, continueOnFail } = state;
	const endRun = (reason: NodeError) => {
		if (continueOnFail) return;
		state.stoppedBy ??= task;
		scopes.abort(RUN_SCOPE, reason);
	};
	if (!(error instanceof RequestFailure)) {
		const shown = toNodeError(item, error);
		endRun(shown);
		return shown;
	}
	const shown = requestError(item, describeRequest(request), error, request.credential.redactor);
	if (error.isModerated && outputOptions.whenModerated === 'passOn') return shown;
	endRun(shown);
	const scope = error.kind === 'status' && SCOPES[error.details.status ?? 0]?.(request);
	if (scope) scopes.abort(scope, shown);
	return shown;
}

function describeRequest({ operation, path, credential, model, inputImage }: ImageRequest) {
	return {
		baseUrl: credential.baseUrl,
		path,
		image: { operation, model, hasInputImage: inputImage !== undefined },
	};
}

/**
 * Requests an image, with retries.
 *
 * @throws the last RequestFailure, or the reason of the task's signal
 */
async function requestImage(task: ImageTask): Promise<ImageResult> {
	const { request, state, signal } = task;
	const { credential, retryPolicy, inputImage } = request;
	const limiter = rateLimiterFor(credential.accountId);

	const schedule = async (attempt: Attempt, image: UploadFile | undefined, onStart = () => {}) =>
		await limiter.schedule(
			async () => {
				attempt.onStart();
				onStart();
				try {
					return await send(task, attempt, image);
				} catch (error) {
					// Must happen before the limiter starts the next request, which may be pointless now.
					if (error instanceof RequestFailure && attempt.isFinal(error)) {
						endScopes(task, error.with({ tries: attempt.number }));
					}
					throw error as Error;
				}
			},
			{
				limits: credential.limits,
				run: state,
				isRetry: attempt.number > 1,
				maxElapsedMs: retryPolicy.maxElapsedMs,
				signal,
			},
		);

	/**
	 * Downloads the input image before the request enters the queue, because its host may be slow or down. The answer is
	 * wrapped, so that the slot of the download is free once the request has started.
	 */
	const fetchAndSchedule = async (attempt: Attempt) => {
		const { sent } = await state.inputImagesOf(credential.accountId)(async () => {
			const image = await inputImage?.prepare(signal).catch((error: unknown) => {
				// From now on, Give Up After counts.
				attempt.onStart();
				throw error as Error;
			});
			let onStart = () => {};
			const started = new Promise<void>((resolve) => (onStart = resolve));
			const result = schedule(attempt, image, onStart);
			await Promise.race([started, result.catch(() => undefined)]);
			return { sent: result };
		});
		return await sent;
	};

	const { result, tries } = await retry(
		async (attempt) =>
			inputImage?.isRemote ? await fetchAndSchedule(attempt) : await schedule(attempt, undefined),
		{
			policy: retryPolicy,
			signal,
			onFailure: (failure, triesSoFar, delayMs) => {
				if (failure.isThrottled) state.summary.throttled++;
				logFailure(task, failure, triesSoFar, delayMs);
			},
		},
	);
	return { ...result, tries };
}

/** Sends a request once, and streams the image of the answer into n8n's binary store. */
async function send(
	{ item, request, state }: ImageTask,
	{ previous }: Attempt,
	fetched: UploadFile | undefined,
): Promise<Omit<ImageResult, 'tries'>> {
	const { functions } = item;
	const { operation, method, path, credential, inputImage, timeouts } = request;
	// After a truncated answer, requests a link: it is a few hundred bytes, and the download of its image can be
	// repeated without another charge.
	const asksForLink =
		previous?.kind === 'truncated' &&
		request.fields.response_format === 'b64_json' &&
		credential.format.responseFormats.includes('url');
	const fields = asksForLink ? { ...request.fields, response_format: 'url' } : request.fields;
	// A request in flight may finish after another failure has stopped the run. Only the user's cancellation aborts it.
	return await withTimeout(timeouts, state.cancelSignal, async (timedSignal, progress) => {
		// Prepared only now, and again for each try, so that no image waits in memory.
		const image = fetched ?? (await inputImage?.prepare(timedSignal));
		const body = await encodeBody(operation, fields, image, progress);
		const apiRequest = { method, path, ...body };
		const response = await sendWithKey(functions, credential, apiRequest, timedSignal, progress);
		progress.setTimeoutError(toServerTimeout);
		progress.onActivity();
		const traceId = headerText(response.headers['x-trace-id']);
		let answer: ImageResponse = {};
		/** If n8n cannot store the image, it may still be available at its link. */
		const withAnswer = (error: unknown) => {
			const failure = toRequestFailure(error).with({ traceId });
			const { url, id } = answer;
			return failure.kind === 'storage' ? failure.with({ url, id }) : failure;
		};
		try {
			await assertOk(response);
			const stream = response.body as ByteStream;
			const digest = createDigest(request.variation !== undefined);
			const chunks = readChunks(stream, progress, (seconds) =>
				withAnswer(toStorageTimeout(seconds)),
			);
			const store = async (bytes: AsyncIterable<Buffer>) =>
				await storeImage(functions, digest.update(bytes), stream, request.fileName);
			// Some servers answer with the image itself.
			const read = isImage(response.headers['content-type'])
				? { response: {} as ImageResponse, image: await readImage(chunks, store) }
				: await readResponse(chunks, store, (whole) => {
						answer = whole;
						assertNotFiltered(whole);
					});
			const { url: link = '', error, id } = read.response;
			const url = resolveLink(link, credential.baseUrl);
			if (!read.image && !url) {
				throw new RequestFailure('noImage', {
					text: error ?? (link.slice(0, 300) || undefined),
					id,
				});
			}
			return { ...read, response: { ...read.response, url }, traceId, digest: digest.value() };
		} catch (error) {
			throw withAnswer(error);
		}
	});
}

function isImage(contentType: unknown): boolean {
	return /^image\//i.test(headerText(contentType) ?? '');
}

/**
 * Hashes the bytes that pass through, so that the images of an item can be compared.
 *
 * @param isWanted false for the only image of an item, to save the work
 */
function createDigest(isWanted: boolean) {
	const hash = createHash('sha256');
	let hasBytes = false;
	return {
		async *update(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
			for await (const chunk of bytes) {
				hasBytes = true;
				if (isWanted) hash.update(chunk);
				yield chunk;
			}
		},
		/** `undefined` if there are no bytes, because the answer contains only a link. */
		value: () => (isWanted && hasBytes ? hash.digest('hex') : undefined),
	};
}

function assertNotFiltered({ finishReason, seed, id }: ImageResponse): void {
	if (finishReason === 'content_filtered')
		throw new RequestFailure('contentFiltered', { seed, id });
}

/**
 * Downloads a finished image, with retries, but without ever requesting the image again.
 *
 * @param url the link from the answer
 * @throws RequestFailure of kind `download`, or `storage` when n8n could not keep the image
 */
async function downloadImage(
	task: ImageTask,
	url: string,
): Promise<Pick<ImageResult, 'image' | 'digest'>> {
	const { item, request, state, signal } = task;
	const { functions } = item;
	const { timeouts, retryPolicy, fileName, credential } = request;
	const { cancelSignal } = state;
	const fetchOnce = async ({ number, onStart }: Attempt) =>
		await state.downloads(async () => {
			onStart();
			const { ignoreSslIssues } = credential;
			const digest = createDigest(request.variation !== undefined);
			try {
				const image = await download(
					{
						functions,
						url,
						owner: credential,
						timeouts,
						ignoreSslIssues,
						signal: cancelSignal,
						toReaderTimeout: toStorageTimeout,
					},
					async (bytes, stream) =>
						await storeImage(functions, digest.update(bytes), stream, fileName),
				);
				return { image, digest: digest.value() };
			} catch (error) {
				// A link may start to work only a moment after the service returned it.
				const isEarly =
					number === 1 && error instanceof RequestFailure && error.details.status === 404;
				throw isEarly ? error.with({ retryable: true }) : error;
			}
		});
	try {
		const { result } = await retry(fetchOnce, {
			policy: { ...retryPolicy, maxPaidRetries: Infinity },
			// The image is paid for. If the workflow continues on errors, another item's failure must not stop the
			// download.
			signal: state.continueOnFail ? state.scopes.signalOf([]) : signal,
			usesRateLimiter: false,
			onFailure: (failure, tries, delayMs) => logFailure(task, failure, tries, delayMs),
		});
		return result;
	} catch (error) {
		if (!(error instanceof RequestFailure)) throw error as Error;
		const { tries } = error.details;
		throw error.kind === 'storage'
			? error.with({ url })
			: new RequestFailure('download', { url, reason: error, tries });
	}
}

/** n8n shows nothing of a node before it has finished, so its debug log is the only way to follow a long run. */
function log({ item, request }: ImageTask, what: string, details: object): void {
	item.functions.logger.debug(`StepFun Image: ${what}`, {
		itemIndex: item.itemIndex,
		variation: request.variation,
		...details,
	});
}

function logFailure(
	task: ImageTask,
	{ kind, details }: RequestFailure,
	tries: number,
	delayMs: number | undefined,
): void {
	log(task, 'a request failed', {
		failure: kind,
		status: details.status,
		traceId: details.traceId && task.request.credential.redactor.text(details.traceId),
		tries,
		// After a 429 the rate limiter waits, for `Retry-After` if the service sent it.
		nextTryInMs: delayMs === undefined ? 'none' : Math.round(details.retryAfterMs ?? delayMs),
		concurrentRequests: rateLimiterFor(task.request.credential.accountId).currentConcurrency(),
	});
}
