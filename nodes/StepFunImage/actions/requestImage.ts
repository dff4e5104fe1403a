import type { IN8nHttpFullResponse } from 'n8n-workflow';

import { resolveLink } from '../catalogue/services';
import {
	RequestFailure,
	statusOfCodes,
	type Charge,
	type FailureDetails,
} from '../errors/requestFailure';
import { truncate } from '../errors/truncate';
import { formatOf } from '../image/formats';
import { readHeader } from '../image/measure';
import type { ImageResponse } from '../image/responseFields';
import { readImage, readResponse } from '../image/responseReader';
import { storeImage, type StoredImage } from '../image/store';
import { encodeBody } from '../request/body';
import type { ImageRequest } from '../request/readParameters';
import { toRequestFailure } from '../transport/networkFailure';
import { rateLimiterFor } from '../transport/rateLimiter';
import {
	assertOk,
	headerText,
	parseRetryAfter,
	readChunks,
	type ByteStream,
} from '../transport/response';
import { retry, type Attempt } from '../transport/retry';
import { sendWithKey } from '../transport/send';
import {
	toServerTimeout,
	toStorageTimeout,
	withTimeout,
	type Progress,
} from '../transport/timeLimits';
import type { UploadFile } from '../transport/upload';
import type { ImageResult } from './outputItems';
import type { ImageTask } from './runState';

/** After so long, an error may be that of a proxy that stopped waiting while the image was made. */
const LATE_RESPONSE_MS = 10_000;

/** Enough for several signed links. Messages are searched for secrets, which takes longer in longer texts. */
const MAX_SHOWN_CHARACTERS = 8_000;

/** What the rate limiter needs of a task. */
interface ScheduledTask extends Pick<ImageTask, 'state' | 'signal'> {
	request: Pick<ImageRequest, 'credential' | 'retryPolicy'>;
}

/** The result of one try. */
type AttemptResult = Omit<ImageResult, 'tries'>;

/**
 * Requests an image as the account allows, with retries.
 *
 * @param onCharged called for each image that the service charges or may have charged, whether it arrives or not
 * @param earlierCharges those of earlier tries of n8n's Retry On Fail
 * @throws the last RequestFailure, or the reason of the task's signal
 */
export async function requestImage(
	task: ImageTask,
	onCharged: (charge?: Charge) => void,
	earlierCharges: Charge[],
): Promise<ImageResult> {
	const { request, state, signal } = task;
	const { result, ...tried } = await retry(
		async (attempt) =>
			request.inputImage?.isRemote
				? await fetchAndSchedule(task, attempt)
				: await schedule(task, attempt, async () => await send(task, attempt)),
		{
			policy: request.retryPolicy,
			signal,
			earlierCharges,
			onFailure: (failure, triesSoFar, delayMs) => {
				if (failure.isThrottled && !failure.details.wasNotSent) state.summary.throttled++;
				if (failure.charge !== 'no') onCharged(failure.charge);
				logFailure(task, failure, triesSoFar, delayMs);
			},
		},
	);
	onCharged();
	return { ...result, ...tried };
}

/**
 * Downloads the input image before the request enters the queue, because its host may be slow or down. The slot of the
 * download is free again once the request has started.
 */
async function fetchAndSchedule(task: ImageTask, attempt: Attempt): Promise<AttemptResult> {
	const { request, state, signal } = task;
	// Retries have slots of their own, because they must not wait for all other items.
	const slots = state.inputImagesOf(`${request.credential.accountId} ${attempt.number > 1}`);
	const { sent } = await slots(async () => {
		const image = await request.inputImage?.prepare(signal).catch((error: unknown) => {
			// From now on, Give Up After counts.
			attempt.onStart();
			throw error as Error;
		});
		let sent!: Promise<AttemptResult>;
		await new Promise<void>((resolve) => {
			const onStart = () => {
				attempt.onStart();
				resolve();
			};
			const sendOnce = async () => await send(task, attempt, image);
			sent = schedule(task, { ...attempt, onStart }, sendOnce);
			// Without a start, if the request is not sent at all.
			sent.catch(() => resolve());
		});
		// Wrapped, because the slot would otherwise wait for the response.
		return { sent };
	});
	return await sent;
}

/** Sends a request once the account's limits allow it. */
export async function schedule<T>(
	{ request: { credential, retryPolicy }, state, signal }: ScheduledTask,
	{ number, onStart }: Attempt,
	sendOnce: () => Promise<T>,
): Promise<T> {
	const options = {
		limits: credential.limits,
		run: state,
		isRetry: number > 1,
		maxElapsedMs: retryPolicy.maxElapsedMs,
		signal,
	};
	return await rateLimiterFor(credential.accountId).schedule(async () => {
		onStart();
		return await sendOnce();
	}, options);
}

/** @param fetched the input image, if it has been downloaded */
async function send(
	task: ImageTask,
	{ lastPaid }: Attempt,
	fetched?: UploadFile,
): Promise<AttemptResult> {
	const { item, request, state } = task;
	const { operation, method, path, credential, inputImage, timeouts } = request;
	// A request in flight may finish after another failure has stopped the run. Only the user's cancellation aborts it.
	return await withTimeout(timeouts, state.cancelSignal, async (signal, progress) => {
		// Prepared only now, and again for each try, so that no image waits in memory.
		const image = fetched ?? (await inputImage?.prepare(signal));
		const body = await encodeBody(operation, fieldsAfter(lastPaid, request), image, progress);
		const apiRequest = { method, path, ...body };
		let sentAt = performance.now();
		const onActivity = () => {
			// A long upload is not the time in which the image was made.
			sentAt = performance.now();
			progress.onActivity();
		};
		const response = await sendWithKey(item.functions, credential, apiRequest, signal, {
			...progress,
			onActivity,
		});
		progress.setTimeoutError(toServerTimeout);
		progress.onActivity();
		const isLate = performance.now() - sentAt > LATE_RESPONSE_MS;
		return await receiveImage(task, response, progress, isLate);
	});
}

/** After a truncated response, requests a link: its response is short, and its download can be repeated for free. */
function fieldsAfter(lastPaid: RequestFailure | undefined, { fields, credential }: ImageRequest) {
	const asksForLink =
		lastPaid?.kind === 'truncated' &&
		fields.response_format === 'b64_json' &&
		credential.format.responseFormats.includes('url');
	return asksForLink ? { ...fields, response_format: 'url' } : fields;
}

/** Reads a response, and puts its image into n8n's binary store. */
async function receiveImage(
	task: ImageTask,
	response: IN8nHttpFullResponse,
	progress: Progress,
	isLate: boolean,
): Promise<AttemptResult> {
	const traceId = headerText(response.headers['x-trace-id']);
	let whole: ImageResponse = {};
	/** If n8n cannot store the image, it may still be available at its link. */
	const withDetails = (error: unknown) => {
		const failure = toRequestFailure(error).with({ traceId, isLate });
		return failure.kind === 'storage' ? failure.with({ ...linksIn(whole), id: whole.id }) : failure;
	};
	const toAddress = (link?: string) => link && resolveLink(link, task.request.credential.baseUrl);
	try {
		await assertOk(response);
		const stream = response.body as ByteStream;
		const chunks = readChunks(stream, progress, (seconds) =>
			withDetails(toStorageTimeout(seconds)),
		);
		const storeBytes = async (bytes: AsyncIterable<Buffer>) => await store(task, bytes, stream);
		const { header, bytes } = await readHeader(chunks);
		// Some servers return the image itself, and not all of them give its type.
		if (formatOf(header) || /^image\//i.test(headerText(response.headers['content-type']) ?? '')) {
			return { response: {}, image: await readImage(bytes, storeBytes), traceId };
		}
		const {
			image,
			beginning,
			response: parsed,
		} = await readResponse(bytes, storeBytes, (received) => {
			const { url, others, finishReason, seed = task.request.seed, id } = received;
			whole = { ...received, url: toAddress(url), others: others?.map(toAddress) };
			if (finishReason !== 'content_filtered') return;
			throw new RequestFailure('contentFiltered', { seed, id });
		});
		if (!image && !whole.url) {
			const { error, errorCodes = [], id, taskId } = whole;
			const status = statusOfCodes(errorCodes);
			throw new RequestFailure(status === undefined ? 'noImage' : 'status', {
				status,
				errorCodes,
				retryAfterMs: parseRetryAfter(response.headers['retry-after']),
				text: error ?? (parsed.url && truncate(parsed.url)),
				beginning,
				id,
				taskId,
			});
		}
		return { response: whole, image, traceId };
	} catch (error) {
		throw withDetails(error);
	}
}

/** Puts an image into n8n's store under the name of its request. */
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

/** The links of a response, for an error. */
export function linksIn({ url, others = [] }: ImageResponse): FailureDetails {
	const otherUrls = others.filter((each) => each !== undefined).join(', ');
	return { url, otherUrls: truncate(otherUrls, MAX_SHOWN_CHARACTERS) };
}
