import type { Charge, RequestFailure } from '../errors/requestFailure';
import { encodeBody } from '../request/body';
import type { ImageRequest } from '../request/readParameters';
import type { RemoteImage } from '../request/types';
import { schedule } from '../transport/rateLimiter';
import { retry, type Attempt } from '../transport/retry';
import { sendWithKey } from '../transport/send';
import { toServerTimeout, withTimeout } from '../transport/timeLimits';
import type { UploadFile } from '../transport/upload';
import { estimateCost } from './costs';
import { logFailure } from './log';
import type { ImageResult } from './outputItems';
import { receiveImage, type AttemptResult } from './receiveImage';
import type { ImageTask } from './runState';

/** After so long, an error may be that of a proxy that stopped waiting while the image was made. */
const LATE_RESPONSE_MS = 10_000;

/**
 * Requests an image as the account allows, with retries.
 *
 * @throws the last RequestFailure, or the reason of the task's signal
 */
export async function requestImage(task: ImageTask): Promise<ImageResult> {
	const { request, state, signal, history } = task;
	const { credential, inputImage } = request;
	/** Counts an image that the service charges or may have charged, whether it arrives or not. */
	const addCharge = (charge: Charge) => {
		if (charge === 'no') return;
		history.charges.push(charge);
		if (charge === 'yes') state.costs.push(estimateCost(request));
	};
	const attemptOnce = async (attempt: Attempt) => {
		const isRemote = inputImage && 'download' in inputImage;
		if (isRemote) return await fetchAndSchedule(task, inputImage, attempt);
		// Opened only when it is sent, and again for each try, so that no image waits in memory.
		const sendOnce = async () => await send(task, attempt, inputImage);
		return await schedule(credential, state, attempt, sendOnce);
	};
	const { result, ...tried } = await retry(attemptOnce, {
		policy: request.retryPolicy,
		signal,
		earlierCharges: [...history.charges],
		onFailure: (failure, triesSoFar, delayMs) => {
			if (failure.isThrottled && !failure.details.wasNotSent) state.summary.throttled++;
			addCharge(failure.charge);
			logFailure(task, failure, triesSoFar, delayMs);
		},
	});
	addCharge('yes');
	return { ...result, ...tried };
}

/**
 * Downloads the input image before the request enters the queue, because its host may be slow or down. The slot of the
 * download is free again once the request has started.
 */
async function fetchAndSchedule(
	task: ImageTask,
	remote: RemoteImage,
	attempt: Attempt,
): Promise<AttemptResult> {
	const { credential } = task.request;
	// Retries have slots of their own, because they must not wait for all other items.
	const slots = task.state.inputImagesOf(`${credential.accountId} ${attempt.number > 1}`);
	return await new Promise((resolve, reject) => {
		const fetchOnce = async () => {
			const image = await remote.download(task.signal).catch((error: unknown) => {
				// From now on, Give Up After counts.
				attempt.onStart();
				throw error as Error;
			});
			await new Promise<void>((freeSlot) => {
				const sendOnce = async () => {
					freeSlot();
					return await send(task, attempt, image);
				};
				const sent = schedule(credential, task.state, attempt, sendOnce);
				// Frees the slot even if the request is never sent.
				void sent.then(resolve, reject).finally(freeSlot);
			});
		};
		slots(fetchOnce).catch(reject);
	});
}

async function send(
	task: ImageTask,
	{ lastPaid }: Attempt,
	image?: UploadFile,
): Promise<AttemptResult> {
	const { item, request, state, history } = task;
	const { operation, method, path, credential, timeouts } = request;
	// A request in flight may finish after another failure has stopped the run. Only the user's cancellation aborts it.
	const sendOnce = withTimeout(timeouts, state.cancelSignal, async (signal, progress) => {
		const body = await encodeBody(operation, fieldsAfter(lastPaid, request), image, progress);
		const apiRequest = { method, path, ...body };
		const response = await sendWithKey(item.functions, credential, apiRequest, signal, progress);
		// A long upload is not the time in which the image was made.
		const isLate = performance.now() - progress.lastActivityAt() > LATE_RESPONSE_MS;
		progress.setTimeoutError(toServerTimeout);
		progress.onActivity();
		return await receiveImage(task, response, progress, isLate);
	});
	return await sendOnce.catch((error: unknown) => {
		// The service may finish the image nevertheless.
		if (error === state.cancelSignal.reason) history.charges.push('maybe');
		throw error as Error;
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
