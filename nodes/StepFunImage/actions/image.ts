import { createHash } from 'node:crypto';
import type { IDataObject } from 'n8n-workflow';

import { RETRY_DEFAULTS } from '../catalogue/defaults';
import { resolveLink } from '../catalogue/services';
import {
	inputError,
	notSentError,
	requestError,
	toNodeError,
	type NodeError,
} from '../errors/nodeErrors';
import { RequestFailure } from '../errors/requestFailure';
import { readResponse, type ImageResponse } from '../image/responseReader';
import { storeImage, type StoredImage } from '../image/store';
import { encodeBody } from '../request/body';
import { readImageRequests } from '../request/readParameters';
import type { ImageRequest, ItemContext, OutputOptions, ReadImage } from '../request/types';
import type { Credential } from '../transport/credential';
import { download } from '../transport/download';
import { rateLimiterFor } from '../transport/rateLimiter';
import { retry, type Attempt } from '../transport/retry';
import {
	assertOk,
	headerText,
	readChunks,
	sendWithKey,
	toRequestFailure,
	toServerTimeout,
	toStorageTimeout,
	withinLimits,
	withTimeout,
	type ByteStream,
	type Timeouts,
} from '../transport/send';
import {
	estimateCost,
	findDifference,
	toItems,
	toModeratedResult,
	toResult,
	type ImageResult,
	type RequestResult,
} from './outputItems';
import { requestKey } from './retryOnFail';
import {
	RUN_SCOPE,
	type Action,
	type ItemFailure,
	type ItemOutcome,
	type RunState,
} from './runState';

/** Node's timers take no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** One request of an item on its way. */
interface ImageTask {
	item: ItemContext;
	request: ImageRequest;
	outputOptions: OutputOptions;
	state: RunState;
	/** Names the request in the tries of n8n's Retry On Fail. */
	key: string;
	/** Ends the waiting for what has become pointless. */
	signal: AbortSignal;
	/** What the pictures of the item are, as far as they are here. */
	digests: string[];
}

/**
 * The requests that fail alike after a status: a key and a balance are the same for all; a gateway may know one model,
 * or one endpoint, and not another.
 */
const SCOPES: Record<number, (request: ImageRequest) => string> = {
	401: ({ credential }) => `key ${credential.accountId}`,
	402: ({ credential, model }) => `balance ${credential.accountId} ${model}`,
	404: ({ credential, path, model }) => `endpoint ${credential.accountId} ${path} ${model}`,
};

/** Generate, Edit and Image to Image: one request for each image that an item asks for. */
export function createImageAction(state: RunState): Action {
	return {
		async prepare(item: ItemContext, parameters: IDataObject, credential: Credential) {
			const { requests, outputOptions, maxImagesPerRun } = await withinLimits(
				preparationLimits(parameters),
				state.cancelSignal,
				(seconds) => unreadableInputError(item, seconds),
				async () => await readImageRequests(item, parameters, state.routing, credential),
			);
			const { accountId, baseUrl } = credential;
			// Made once: the parameters may hold an image as text.
			const key =
				state.tries.max > 1 ? requestKey(item.itemIndex, [accountId, baseUrl, parameters]) : '';
			return {
				send: async () => await sendRequests(item, requests, outputOptions, state, key),
				images: requests.length,
				cost: estimateCost(requests[0]),
				maxImagesPerRun,
			};
		},
	};
}

/** To check an item, the header of its input image is read, which takes no longer than a request may be silent. */
function preparationLimits({ options }: IDataObject): Timeouts {
	const seconds = Number(((options ?? {}) as IDataObject).timeout);
	// What is no such number is refused by the check itself.
	const isUsable = seconds > 0 && seconds * 1000 <= MAX_TIMER_MS;
	const limitMs = (isUsable ? seconds : RETRY_DEFAULTS.timeoutSeconds) * 1000;
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
			isSeveral: requests.length > 1,
		}),
		failures,
	};
}

/** Stands for a request that was not sent, since another one's failure has ended the run. */
const SKIPPED = {};

/** Gets one image, and makes of it, or of what went wrong, what leaves the node. */
async function deliver(task: ImageTask): Promise<RequestResult | ItemFailure | typeof SKIPPED> {
	const { item, request, outputOptions, state, key } = task;
	const { answers } = state.tries;
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
		answers.set(key, result);
		const { url } = result.response;
		const wantsFile = outputOptions.output !== 'url';
		const image = wantsFile && !result.image && url ? await downloadImage(task, url) : result.image;
		answers.set(key, { ...result, image });
		const { tries } = result;
		log(task, 'an image is done', { tries, imagesOfThisRun: state.charged });
		countDelivered(task, { ...result, image });
		return toResult(item, request, { ...result, image }, outputOptions);
	} catch (error) {
		if (error instanceof RequestFailure && error.charge === 'yes') {
			charge();
			if (!error.retryable && !answers.has(key)) answers.set(key, error);
			else if (!answers.has(key)) state.tries.chargedInVain++;
		}
		if (error instanceof RequestFailure && error.isModerated) state.summary.moderated++;
		else state.summary.failed++;
		if (error instanceof RequestFailure && error.isModerated) {
			if (outputOptions.whenModerated === 'passOn') return toModeratedResult(request, error);
		}
		return fail(task, error, wasCharged);
	}
}

/** Counts a picture, and what is remarkable about it, for the hint at the end of the run. */
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

/** Says what an error means for the item, and for the rest of the run. */
function fail(task: ImageTask, error: unknown, wasCharged: boolean): ItemFailure | typeof SKIPPED {
	const { item, state, key, signal } = task;
	const { continueOnFail, cancelSignal, tries } = state;
	const mayPass = !(tries.answers.get(key) instanceof RequestFailure);
	const isEndedByAnother = !cancelSignal.aborted && error === signal.reason;
	if (isEndedByAnother) {
		return continueOnFail
			? { error: notSentError(item, signal.reason as NodeError), wasCharged, mayPass }
			: SKIPPED;
	}
	const shown = endScopes(task, error);
	// Where the workflow stops, the first failure is what the user should read, not what failed under way after it.
	const isFirst = continueOnFail || state.stoppedBy === task;
	return isFirst ? { error: shown, wasCharged, mayPass } : SKIPPED;
}

/**
 * Ends what a failure makes pointless.
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
 * Gets an image made, as often as it takes.
 *
 * @throws the last RequestFailure, or the reason of the task's signal
 */
async function requestImage(task: ImageTask): Promise<ImageResult> {
	const { request, state, signal } = task;
	const { credential, retryPolicy, inputImage } = request;
	const limiter = rateLimiterFor(credential.accountId);

	const schedule = async (attempt: Attempt, image: ReadImage | undefined, onStart = () => {}) =>
		await limiter.schedule(
			async () => {
				attempt.onStart();
				onStart();
				try {
					return await send(task, attempt, image);
				} catch (error) {
					// Before the account's place is free for the next request, which may be pointless now.
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

	/** An image of another host is here before the request takes its place: that host may be slow, or dead. */
	const fetchAndSchedule = async (attempt: Attempt) => {
		const { sent } = await state.inputImages(async () => {
			const image = await inputImage?.read(signal);
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
				logFailure(task, failure, triesSoFar, delayMs);
			},
		},
	);
	return { ...result, tries };
}

/** Sends a request once and reads the answer, an image straight into n8n's binary store. */
async function send(
	{ item, request, state }: ImageTask,
	{ previous }: Attempt,
	fetched: ReadImage | undefined,
): Promise<Omit<ImageResult, 'tries'>> {
	const { functions } = item;
	const { operation, method, path, credential, inputImage, timeouts } = request;
	// An answer that broke off is not bought again as it was: a link is a few hundred bytes, and its image can be fetched
	// as often as it takes.
	const asksForLink =
		previous?.kind === 'truncated' &&
		request.fields.response_format === 'b64_json' &&
		credential.format.responseFormats.includes('url');
	const fields = asksForLink ? { ...request.fields, response_format: 'url' } : request.fields;
	// What is under way may finish although the run is stopped, so only the user ends it.
	return await withTimeout(timeouts, state.cancelSignal, async (timedSignal, progress) => {
		// Read now that the item's turn has come, and anew for each try, so that no image waits in memory.
		progress.waitFor((seconds) => unreadableInputError(item, seconds));
		const image = fetched ?? (await inputImage?.read(timedSignal));
		const body = await encodeBody(operation, fields, image);
		progress.onAlive();
		progress.waitFor(toServerTimeout);
		const response = await sendWithKey(functions, credential, { method, path, body }, timedSignal);
		progress.onAlive();
		const traceId = headerText(response.headers['x-trace-id']);
		let answer: ImageResponse = {};
		/** An image that is here and cannot be kept may still be behind its link. */
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
				? { response: {} as ImageResponse, image: await storeAll(chunks, store) }
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

/** Closes what is not read to its end. */
async function storeAll(
	chunks: AsyncGenerator<Buffer>,
	store: (bytes: AsyncIterable<Buffer>) => Promise<StoredImage>,
): Promise<StoredImage> {
	try {
		return await store(chunks);
	} finally {
		await chunks.return(undefined);
	}
}

function isImage(contentType: unknown): boolean {
	return /^image\//i.test(headerText(contentType) ?? '');
}

/** n8n's store does not hand out an image that it has. */
function unreadableInputError(item: ItemContext, seconds: number): NodeError {
	return inputError(
		item,
		`The input image could not be read within ${seconds} seconds`,
		"n8n's binary data storage did not hand it over. Check that storage, or raise 'Timeout (Seconds)' under Options. Nothing was sent to the image service for this item.",
	);
}

/**
 * Notes what bytes that pass by are, so that pictures of one item can be compared.
 *
 * @param isWanted false for the only picture of an item, which costs nothing then
 */
function createDigest(isWanted: boolean) {
	const hash = createHash('sha256');
	return {
		async *update(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
			for await (const chunk of bytes) {
				if (isWanted) hash.update(chunk);
				yield chunk;
			}
		},
		value: () => (isWanted ? hash.digest('hex') : undefined),
	};
}

function assertNotFiltered({ finishReason, seed, id }: ImageResponse): void {
	if (finishReason === 'content_filtered')
		throw new RequestFailure('contentFiltered', { seed, id });
}

/**
 * Downloads a made image, as often as it takes; the image itself is never asked for again.
 *
 * @param url the link from the answer
 * @throws RequestFailure of kind `download`, or `storage` when n8n could not keep the image
 */
async function downloadImage(task: ImageTask, url: string): Promise<StoredImage> {
	const { item, request, state, signal } = task;
	const { functions } = item;
	const { timeouts, retryPolicy, fileName, credential } = request;
	const { cancelSignal } = state;
	const fetchOnce = async ({ number }: Attempt) =>
		await state.downloads(async () => {
			const { ignoreSslIssues } = credential;
			try {
				return await download(
					{
						functions,
						url,
						owner: credential,
						timeouts,
						ignoreSslIssues,
						signal: cancelSignal,
						toReaderTimeout: toStorageTimeout,
					},
					async (bytes, stream) => await storeImage(functions, bytes, stream, fileName),
				);
			} catch (error) {
				// A link may lead to its image only a moment after it was given out.
				const isEarly =
					number === 1 && error instanceof RequestFailure && error.details.status === 404;
				throw isEarly ? error.with({ mayPass: true }) : error;
			}
		});
	try {
		const { result } = await retry(
			async (attempt) => {
				attempt.onStart();
				return await fetchOnce(attempt);
			},
			{
				policy: { ...retryPolicy, maxPaidRetries: Infinity },
				// The image is paid for. Where the workflow goes on, no other item's failure takes it away.
				signal: state.continueOnFail ? state.scopes.signalOf([]) : signal,
				onFailure: (failure, tries, delayMs) => logFailure(task, failure, tries, delayMs),
			},
		);
		return result;
	} catch (error) {
		if (!(error instanceof RequestFailure)) throw error as Error;
		const { tries } = error.details;
		throw error.kind === 'storage'
			? error.with({ url })
			: new RequestFailure('download', { url, reason: error, tries });
	}
}

/** n8n shows nothing of a node before it has ended, so its debug log is how a long run can be followed. */
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
	if (details.status === 429) task.state.summary.throttled++;
	log(task, 'a request failed', {
		failure: kind,
		status: details.status,
		traceId: details.traceId && task.request.credential.redactor.text(details.traceId),
		tries,
		// After a 429 the rate limiter waits, as long as the service asked for if it did.
		nextTryInMs: delayMs === undefined ? 'none' : Math.round(details.retryAfterMs ?? delayMs),
		concurrentRequests: rateLimiterFor(task.request.credential.accountId).currentConcurrency(),
	});
}
