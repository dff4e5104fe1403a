import {
	NodeOperationError,
	type DeclarativeRestApiSettings,
	type IExecutePaginationFunctions,
	type INodeExecutionData,
	type NodeApiError,
} from 'n8n-workflow';

import { apiError } from '../errors/apiError';
import { canceledError } from '../errors/canceled';
import { asNodeError, errorItem } from '../errors/errorItem';
import { failureOf, type Failure } from '../errors/failure';
import { prepareRequests, type ResultOptions } from '../request/prepareRequest';
import { toItems, toResult, type Result } from '../response/item';
import { isModerated, toModeratedResult } from '../response/moderated';
import { accountOf } from './account';
import { fetchImage, requestImage, type Journey } from './attempts';
import { joinRun, scopeOf } from './run';

/**
 * The transport of one item. n8n's routing calls it for every item at once, with the parameters
 * resolved; it holds the item back until the run is checked and the account has room, sends, retries,
 * and makes the item that leaves the node.
 *
 * @param requestData what n8n's routing made of the node's declarations
 * @returns the item, or several; none when the run ends with another item's error
 * @throws NodeOperationError for refused input and NodeApiError for a failed request, in stop mode
 */
export async function sendItem(
	this: IExecutePaginationFunctions,
	requestData: DeclarativeRestApiSettings.ResultOptions,
): Promise<INodeExecutionData[]> {
	const run = joinRun(this);
	try {
		const { requests, result } = await run.prepare(
			async () => await prepareRequests(this, requestData),
		);
		if (!run.isWorthSending()) return [];
		const { account, strikeOut } = await accountOf(this, run, requests[0]);
		const outcomes = await Promise.allSettled(
			requests.map(async (request) => {
				const signal = AbortSignal.any([run.signal]);
				return await deliver({ context: this, request, result, run, signal, account, strikeOut });
			}),
		);
		return collect(this, outcomes, result);
	} catch (error) {
		if (this.getExecutionCancelSignal()?.aborted) {
			throw canceledError(this);
		}
		if (!this.continueOnFail()) throw asNodeError(this, error);
		return [errorItem(this, asNodeError(this, error))];
	}
}

/**
 * The items of what an item's requests came to. A failure stops the run, or leaves as an item of its
 * own beside the images that were made.
 */
function collect(
	context: IExecutePaginationFunctions,
	outcomes: Array<PromiseSettledResult<Result | undefined>>,
	options: ResultOptions,
): INodeExecutionData[] {
	const results = outcomes.flatMap((outcome) =>
		outcome.status === 'fulfilled' && outcome.value ? [outcome.value] : [],
	);
	const errors = outcomes.flatMap((outcome) =>
		outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
	);
	const cancelled = context.getExecutionCancelSignal()?.aborted === true;
	if (errors.length > 0 && (cancelled || !context.continueOnFail())) {
		throw asNodeError(context, errors[0]);
	}
	return [
		...toItems(context, results, { ...options, asksForSeveral: outcomes.length > 1 }),
		...errors.map((error) => errorItem(context, asNodeError(context, error))),
	];
}

/** Gets the item's image; nothing when another item's failure has ended the run. */
async function deliver(journey: Journey): Promise<Result | undefined> {
	const { context, request, result, run, strikeOut } = journey;
	const stopMode = !context.continueOnFail();
	let charged = false;
	const charge = () => {
		if (!charged) run.charged++;
		charged = true;
	};
	const stopRun = (error: NodeApiError | NodeOperationError) => {
		// The error itself tells what became of its own image.
		addLosses(error, charged ? run.charged - 1 : run.charged);
		run.stop(error);
	};
	try {
		const { exchanged, tries } = await requestImage(journey);
		charge();
		const { url } = exchanged.answer;
		const image =
			request.output !== 'url' && !exchanged.image && url
				? await fetchImage(journey, url)
				: exchanged.image;
		// n8n shows nothing of a node before it has ended, so this is how a long run can be followed.
		context.logger.debug('StepFun Image: an image is done', {
			itemIndex: context.getItemIndex(),
			variation: request.variation,
			tries,
			imagesOfThisRun: run.charged,
		});
		return toResult(context, request, { ...exchanged, image, tries }, result);
	} catch (error) {
		const failure = failureOf(error);
		if (!failure) {
			// Ended by another item's failure, or by the user.
			if (stopMode && run.stoppedBy(scopeOf(request))) return undefined;
			const shown = asNodeError(context, error);
			if (stopMode) stopRun(shown);
			throw shown;
		}
		if (wasCharged(failure)) charge();
		if (result.whenModerated === 'passOn' && isModerated(failure)) {
			return toModeratedResult(request, failure);
		}
		if (stopMode && run.stoppedBy(scopeOf(request))) return undefined;
		const shown = apiError(context, request, failure, strikeOut);
		if (stopMode) {
			stopRun(shown);
		} else if (failure.kind === 'status' && [401, 402, 404].includes(failure.status)) {
			// A gateway may know one model and not another; key and balance are the same for all.
			run.stop(shown, failure.status === 404 ? scopeOf(request) : undefined);
		}
		throw shown;
	}
}

function wasCharged(failure: Failure): boolean {
	return ['cutOff', 'filtered', 'noImage', 'notAnImage', 'storage'].includes(failure.kind);
}

/** n8n throws away what a stopped run brought; the user should know the price and the way out. */
function addLosses(error: NodeApiError | NodeOperationError, lost: number): void {
	if (lost === 0) return;
	const [images, them] =
		lost === 1
			? ['Another image of this run was', 'it']
			: [`${lost} other images of this run were`, 'them'];
	error.description =
		`${error.description ?? ''} ${images} made and charged before the run stopped, and n8n discards ${them}. To keep what succeeds, set 'On Error' in this node's Settings to 'Continue' or 'Continue (using error output)'.`.trim();
}
