import {
	NodeOperationError,
	sleep,
	type IExecutePaginationFunctions,
	type NodeApiError,
} from 'n8n-workflow';

import { failureError, failureOf, type Failure } from '../errors/failure';
import type { StrikeOut } from '../errors/strikeOut';
import type { ImageRequest, ResultOptions } from '../request/prepareRequest';
import type { StoredImage } from '../response/image';
import type { Account } from './account';
import { downloadImage } from './download';
import { exchange, type Exchange } from './exchange';
import type { Patience } from './patience';
import { backoff, isPassing, isTooFast } from './retry';
import { scopeOf, type Run } from './run';

/** What one item's way through the transport needs. */
export interface Journey {
	context: IExecutePaginationFunctions;
	request: ImageRequest;
	result: ResultOptions;
	run: Run;
	/** Ends the item's waiting; its own, since Node warns of many listeners on a shared one. */
	signal: AbortSignal;
	account: Account;
	/** Takes the credential's secrets out of what a server says. */
	strikeOut: StrikeOut;
}

/** What is sent until it succeeds, and how long that may take. */
export interface Sending<T> {
	run: Run;
	account: Account;
	patience: Pick<Patience, 'maxTries' | 'giveUpAfterMs'>;
	/** Ends the waiting. */
	signal: AbortSignal;
	/** Whether there is nothing to send any more. */
	isPointless?: () => boolean;
	/** Sends once; called when the account allows it. */
	send: () => Promise<T>;
	/** Is told of each failure, and of the wait before the next try if there is one. */
	onFailure?: (failure: Failure, tries: number, waitMs: number | undefined) => void;
}

/**
 * Sends until it succeeds, cannot succeed, or patience ends.
 *
 * @returns what was sent for, and how often it was sent
 * @throws the last failure, or whatever else ended a try or a wait
 */
export async function sendUntilAnswered<T>(
	sending: Sending<T>,
): Promise<{ answer: T; tries: number }> {
	const { run, account, patience, signal, isPointless, send, onFailure } = sending;
	let tries = 0;
	let failures = 0;
	let firstSentAt: number | undefined;

	for (;;) {
		let sentAt = 0;
		try {
			const answer = await account.perform(
				run,
				async () => {
					sentAt = Date.now();
					firstSentAt ??= sentAt;
					tries++;
					return await send();
				},
				{ again: tries > 0, signal, isPointless },
			);
			account.succeeded();
			return { answer, tries };
		} catch (error) {
			const failure = failureOf(error);
			if (!failure) throw error as Error;

			const elapsed = Date.now() - (firstSentAt ?? Date.now());
			if (!isTooFast(failure)) failures++;
			const asked = failure.kind === 'status' ? failure.retryAfterMs : undefined;
			const wait = isTooFast(failure)
				? account.slowDown(sentAt, asked)
				: (asked ?? backoff(failures));
			const givesUp =
				!isPassing(failure) ||
				failures >= patience.maxTries ||
				elapsed + wait > patience.giveUpAfterMs;
			onFailure?.(failure, tries, givesUp ? undefined : wait);
			if (givesUp) throw failureError({ ...failure, tries });
			// A 429 makes the account wait, and with it this request in the queue.
			if (!isTooFast(failure)) await sleep(wait, signal);
		}
	}
}

/**
 * Gets an item's image made.
 *
 * @returns the exchange that succeeded, and how often the request was sent
 * @throws the last failure; or an error when another item ended the run, or the user did
 */
export async function requestImage(
	journey: Journey,
): Promise<{ exchanged: Exchange; tries: number }> {
	const { context, request, run, signal, account, strikeOut } = journey;
	try {
		const { answer, tries } = await sendUntilAnswered({
			run,
			account,
			patience: request.patience,
			signal,
			isPointless: () => run.stoppedBy(scopeOf(request)) !== undefined,
			send: async () => {
				const stopped = run.stoppedBy(scopeOf(request));
				if (stopped) throw stoppedError(context, stopped);
				// In flight it may finish although the run is stopped, so only a cancelled execution ends it.
				return await exchange(context, request, strikeOut, cancelSignal(context));
			},
			onFailure: (...failed) => log(context, journey, ...failed),
		});
		return { exchanged: answer, tries };
	} catch (error) {
		throw failureOf(error) ? (error as Error) : asRunError(context, run, error);
	}
}

/**
 * Downloads a made image, as often as it takes; the image itself is never asked for again.
 *
 * @param url the link from the answer
 * @throws a failure of kind `download`, or `storage` when n8n could not keep the image
 */
export async function fetchImage(journey: Journey, url: string): Promise<StoredImage> {
	const { context, request, run, account } = journey;
	const { maxTries, giveUpAfterMs } = request.patience;
	// The image is paid for. Where the workflow goes on, no other item's failure takes it away; a
	// signal of its own, since Node warns of many listeners on a shared one.
	const signal = context.continueOnFail()
		? AbortSignal.any([cancelSignal(context)])
		: journey.signal;
	const startedAt = Date.now();
	for (let tries = 1; ; tries++) {
		try {
			return await account.download(
				async () => await downloadImage(context, request, url, cancelSignal(context)),
			);
		} catch (error) {
			const failure = failureOf(error);
			if (!failure) throw asRunError(context, run, error);
			const asked = failure.kind === 'status' ? failure.retryAfterMs : undefined;
			const wait = asked ?? backoff(tries);
			const givesUp =
				!isPassing(failure) || tries >= maxTries || Date.now() - startedAt + wait > giveUpAfterMs;
			log(context, journey, failure, tries, givesUp ? undefined : wait);
			if (failure.kind === 'storage') throw failureError(failure);
			if (givesUp) throw failureError({ kind: 'download', url, reason: failure, tries });
			await waitOrEnd(journey, wait, signal);
		}
	}
}

function cancelSignal(context: IExecutePaginationFunctions): AbortSignal {
	return context.getExecutionCancelSignal() ?? new AbortController().signal;
}

async function waitOrEnd(
	{ context, run }: Journey,
	milliseconds: number,
	signal: AbortSignal,
): Promise<void> {
	try {
		await sleep(milliseconds, signal);
	} catch (error) {
		throw asRunError(context, run, error);
	}
}

/** Tells a wait that another item's failure ended from any other error. */
function asRunError(context: IExecutePaginationFunctions, run: Run, error: unknown): unknown {
	const stopped = run.stoppedBy('');
	return stopped && error === stopped ? stoppedError(context, stopped) : error;
}

/** The error of an item that was not sent because of another item's failure. */
function stoppedError(context: IExecutePaginationFunctions, cause: Error): NodeOperationError {
	const { message, description } = cause as NodeApiError;
	return new NodeOperationError(
		context.getNode(),
		`Not sent, because an earlier request of this run failed in a way that this one would, too: ${message}`,
		{
			description: description ?? undefined,
			itemIndex: context.getItemIndex(),
			level: 'warning',
		},
	);
}

function log(
	context: IExecutePaginationFunctions,
	{ account }: Journey,
	failure: Failure,
	tries: number,
	waitMs: number | undefined,
): void {
	context.logger.debug('StepFun Image: a request failed', {
		itemIndex: context.getItemIndex(),
		failure: failure.kind,
		status: failure.kind === 'status' ? failure.status : undefined,
		traceId: failure.traceId,
		tries,
		nextTryInMs: waitMs === undefined ? 'none' : Math.round(waitMs),
		concurrentRequests: account.currentConcurrency(),
	});
}
