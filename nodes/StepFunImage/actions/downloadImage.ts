import { RequestFailure } from '../errors/requestFailure';
import type { StoredImage } from '../image/store';
import { download } from '../transport/download';
import { retry, type Attempt } from '../transport/retry';
import type { ImageResult } from './outputItems';
import { logFailure } from './log';
import { linksIn, store } from './receiveImage';
import type { ImageTask } from './runState';

/** The statuses for a file that is not there yet. With a 403, S3 hides which files a bucket contains. */
const MISSING_STATUSES = [403, 404];

/**
 * Downloads a finished image, with retries, but without ever requesting the image again.
 *
 * @param url the link
 * @param response the response with the link
 * @param earlierCharge whether a try before that response was charged
 * @throws RequestFailure of kind `download`, or `storage` when n8n could not keep the image
 */
export async function downloadImage(
	task: ImageTask,
	url: string,
	{ response, earlierCharge }: ImageResult,
): Promise<StoredImage> {
	const { item, request, state } = task;
	const { credential, retryPolicy, timeouts } = request;
	const paid = { ...linksIn(response), earlierCharge };
	// The image is paid for. If the workflow continues on errors, another item's failure must not stop the download.
	const signal = state.continueOnFail ? state.signalOf([]) : task.signal;
	const file = {
		functions: item.functions,
		url,
		owner: credential,
		timeouts,
		ignoreSslIssues: credential.ignoreSslIssues,
		signal: state.cancelSignal,
	};
	const downloadOnce = async ({ number, onStart }: Attempt) => {
		// n8n discards the image anyway; Retry On Fail downloads it later.
		signal.throwIfAborted();
		onStart();
		try {
			return await download(file, async (bytes, stream) => await store(task, bytes, stream));
		} catch (error) {
			// A link may start to work only a moment after the service returned it.
			const isEarly =
				number === 1 &&
				error instanceof RequestFailure &&
				MISSING_STATUSES.includes(error.details.status ?? 0);
			throw isEarly ? error.with({ retryable: true }) : error;
		}
	};
	try {
		const downloadInTurn = async (attempt: Attempt) => await state.downloads(downloadOnce, attempt);
		const { result } = await retry(downloadInTurn, {
			policy: { ...retryPolicy, maxPaidRetries: Infinity },
			signal,
			usesRateLimiter: false,
			onFailure: (failure, tries, delayMs) => logFailure(task, failure, tries, delayMs),
		});
		return result;
	} catch (error) {
		const reason = error instanceof RequestFailure ? error : undefined;
		// The user may want the link of an image even after stopping the execution.
		if (!reason && error !== state.cancelSignal.reason) throw error as Error;
		throw reason?.kind === 'storage'
			? reason.with(paid)
			: new RequestFailure('download', { ...paid, reason, tries: reason?.details.tries });
	}
}
