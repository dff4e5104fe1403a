import { createHash } from 'node:crypto';
import type { IDataObject } from 'n8n-workflow';

import { resolveLink } from '../catalogue/services';
import { notSentError, requestError, toNodeError, type NodeError } from '../errors/nodeErrors';
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
	withTimeout,
	type ByteStream,
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
import {
	RUN_SCOPE,
	type Action,
	type ItemFailure,
	type ItemOutcome,
	type RunState,
} from './runState';

/** One request of an item on its way. */
interface ImageTask {
	item: ItemContext;
	request: ImageRequest;
	outputOptions: OutputOptions;
	state: RunState;
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
			const { requests, outputOptions, maxImagesPerRun } = await readImageRequests(
				item,
				parameters,
				state.routing,
				credential,
			);
			return {
				send: async () => await sendRequests(item, requests, outputOptions, state),
				images: requests.length,
				cost: estimateCost(requests[0]),
				maxImagesPerRun,
			};
		},
	};
}

async function sendRequests(
	item: ItemContext,
	requests: ImageRequest[],
	outputOptions: OutputOptions,
	state: RunState,
): Promise<ItemOutcome> {
	const results: RequestResult[] = [];
	const failures: ItemFailure[] = [];
	const digests: string[] = [];
	const outcomes = await Promise.all(
		requests.map(async (request) => {
			const signal = state.scopes.signalOf(
				Object.values(SCOPES).map((scopeOf) => scopeOf(request)),
			);
			return await deliver({ item, request, outputOptions, state, signal, digests });
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
	const { item, request, outputOptions, state } = task;
	let wasCharged = false;
	const charge = () => {
		if (!wasCharged) state.charged++;
		wasCharged = true;
	};
	try {
		const { response, image, traceId, tries, digest } = await requestImage(task);
		charge();
		const { url } = response;
		const wantsFile = outputOptions.output !== 'url';
		const file = wantsFile && !image && url ? await downloadImage(task, url) : image;
		log(task, 'an image is done', { tries, imagesOfThisRun: state.charged });
		state.summary.made++;
		if (tries > 1) state.summary.repeated++;
		if (image && digest) {
			if (task.digests.includes(digest)) state.summary.identical++;
			task.digests.push(digest);
		}
		const difference = findDifference(request, { response, image: file });
		if (difference?.requestedSize) state.summary.otherSize++;
		if (difference?.requestedSeed !== undefined) state.summary.otherSeed++;
		return toResult(item, request, { response, image: file, traceId, tries }, outputOptions);
	} catch (error) {
		if (error instanceof RequestFailure && error.charge === 'yes') charge();
		if (error instanceof RequestFailure && error.isModerated) state.summary.moderated++;
		else state.summary.failed++;
		if (error instanceof RequestFailure && error.isModerated) {
			if (outputOptions.whenModerated === 'passOn') return toModeratedResult(request, error);
		}
		return fail(task, error, wasCharged);
	}
}

/** Says what an error means for the item, and for the rest of the run. */
function fail(task: ImageTask, error: unknown, wasCharged: boolean): ItemFailure | typeof SKIPPED {
	const { item, state, signal } = task;
	const { continueOnFail, cancelSignal } = state;
	const isEndedByAnother = !cancelSignal.aborted && error === signal.reason;
	if (isEndedByAnother) {
		return continueOnFail
			? { error: notSentError(item, signal.reason as NodeError), wasCharged }
			: SKIPPED;
	}
	const shown = endScopes(task, error);
	// Where the workflow stops, the first failure is what the user should read, not what failed under way after it.
	const isFirst = continueOnFail || state.stoppedBy === task;
	return isFirst ? { error: shown, wasCharged } : SKIPPED;
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
	const { operation, path, credential, inputImage, timeouts } = request;
	// An answer that broke off is not bought again as it was: a link is a few hundred bytes, and its image can be fetched
	// as often as it takes.
	const asksForLink =
		previous?.kind === 'truncated' &&
		request.fields.response_format === 'b64_json' &&
		credential.format.responseFormats.includes('url');
	const fields = asksForLink ? { ...request.fields, response_format: 'url' } : request.fields;
	// What is under way may finish although the run is stopped, so only the user ends it.
	return await withTimeout(timeouts, state.cancelSignal, async (timedSignal, onAlive) => {
		// Read now that the item's turn has come, and anew for each try, so that no image waits in memory.
		const image = fetched ?? (await inputImage?.read(timedSignal));
		const body = await encodeBody(operation, fields, image);
		const response = await sendWithKey(
			functions,
			credential,
			{ method: 'POST', path, body },
			timedSignal,
		);
		onAlive();
		const traceId = headerText(response.headers['x-trace-id']);
		try {
			await assertOk(response);
			const stream = response.body as ByteStream;
			const digest = createDigest(request.variation !== undefined);
			const read = await readResponse(
				readChunks(stream, onAlive),
				async (bytes) =>
					await storeImage(functions, digest.update(bytes), stream, request.fileName),
				assertNotFiltered,
			);
			const { url: link = '', error, id } = read.response;
			const url = resolveLink(link, credential.baseUrl);
			if (!read.image && !url) throw new RequestFailure('noImage', { text: error, id });
			return { ...read, response: { ...read.response, url }, traceId, digest: digest.value() };
		} catch (error) {
			throw toRequestFailure(error).with({ traceId });
		}
	});
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
					{ functions, url, timeouts, ignoreSslIssues, signal: cancelSignal },
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
