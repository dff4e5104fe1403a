import {
	NodeApiError,
	NodeOperationError,
	type DeclarativeRestApiSettings,
	type IExecutePaginationFunctions,
	type INodeExecutionData,
} from 'n8n-workflow';

import { apiError } from '../errors/apiError';
import { failureOf, type Failure } from '../errors/failure';
import { prepareRequest, type ImageRequest } from '../request/prepareRequest';
import { toItem, type Delivery } from '../response/item';
import { accountFor } from './account';
import { fetchImage, generate, type Journey } from './persist';
import { joinRun, scopeOf } from './run';

/**
 * The transport of one item. n8n's routing calls it for every item at once, with the parameters
 * resolved; it holds the item back until the run is checked and the account has room, sends, retries,
 * and makes the item that leaves the node.
 *
 * @param requestData what n8n's routing made of the node's declarations
 * @returns one item; none when the run ends with another item's error
 * @throws NodeOperationError for refused input and NodeApiError for a failed request, in stop mode
 */
export async function sendItem(
	this: IExecutePaginationFunctions,
	requestData: DeclarativeRestApiSettings.ResultOptions,
): Promise<INodeExecutionData[]> {
	const run = joinRun(this);
	try {
		const request = await run.prepare(async () => await prepareRequest(this, requestData));
		if (!run.isWorthSending()) return [];
		const { account, apiKey } = await accountOf(this, request);
		const delivery = await deliver({
			context: this,
			request,
			run,
			signal: AbortSignal.any([run.signal]),
			account,
			apiKey,
		});
		return delivery ? [toItem(request, delivery, this.getItemIndex())] : [];
	} catch (error) {
		if (this.getExecutionCancelSignal()?.aborted) {
			throw new NodeOperationError(this.getNode(), 'The execution was canceled', {
				itemIndex: this.getItemIndex(),
				level: 'warning',
			});
		}
		if (!this.continueOnFail()) throw asNodeError(this, error);
		return [errorItem(this, asNodeError(this, error))];
	}
}

async function accountOf(context: IExecutePaginationFunctions, request: ImageRequest) {
	const credential = await context.getCredentials('stepFunApi');
	const apiKey = String(credential.apiKey ?? '').trim();
	const account = accountFor(apiKey, request.options.baseURL ?? '', {
		concurrentRequests: Math.max(1, Math.floor(Number(credential.concurrentRequests ?? 5)) || 5),
		requestsPerMinute: Math.max(0, Math.floor(Number(credential.requestsPerMinute ?? 0)) || 0),
	});
	return { account, apiKey };
}

/** Gets the item's image; nothing when another item's failure has ended the run. */
async function deliver(journey: Journey): Promise<Delivery | undefined> {
	const { context, request, run, apiKey } = journey;
	const stopMode = !context.continueOnFail();
	let charged = false;
	const charge = () => {
		if (!charged) run.charged++;
		charged = true;
	};
	try {
		const { exchanged, tries } = await generate(journey);
		charge();
		const { url } = exchanged.answer;
		const image =
			request.output === 'fileAndUrl' || (request.output === 'file' && !exchanged.image && url)
				? (exchanged.image ?? (await fetchImage(journey, url ?? '')))
				: exchanged.image;
		return { ...exchanged, image, tries };
	} catch (error) {
		const failure = failureOf(error);
		if (!failure) {
			// Ended by another item's failure, or by the user.
			if (stopMode && run.stoppedBy(scopeOf(request))) return undefined;
			throw asNodeError(context, error);
		}
		if (wasCharged(failure)) charge();
		if (stopMode && run.stoppedBy(scopeOf(request))) return undefined;
		const shown = apiError(context, request, failure, apiKey);
		if (stopMode) {
			// The error itself tells what became of its own image.
			addLosses(shown, charged ? run.charged - 1 : run.charged);
			run.stop(shown);
		} else if (failure.kind === 'status' && [401, 402, 404].includes(failure.status)) {
			// A gateway may know one model and not another; key and balance are the same for all.
			run.stop(shown, failure.status === 404 ? scopeOf(request) : undefined);
		}
		throw shown;
	}
}

function wasCharged(failure: Failure): boolean {
	return ['filtered', 'noImage', 'notAnImage', 'storage'].includes(failure.kind);
}

/** n8n throws away what a stopped run brought; the user should know the price and the way out. */
function addLosses(error: NodeApiError, lost: number): void {
	if (lost === 0) return;
	const [images, them] =
		lost === 1
			? ['Another image of this run was', 'it']
			: [`${lost} other images of this run were`, 'them'];
	error.description =
		`${error.description ?? ''} ${images} made and charged before the run stopped, and n8n discards ${them}. To keep what succeeds, set 'On Error' in this node's Settings to 'Continue' or 'Continue (using error output)'.`.trim();
}

function asNodeError(
	context: IExecutePaginationFunctions,
	error: unknown,
): NodeApiError | NodeOperationError {
	return error instanceof NodeApiError || error instanceof NodeOperationError
		? error
		: new NodeOperationError(context.getNode(), error as Error, {
				itemIndex: context.getItemIndex(),
			});
}

/**
 * The item that stands for a failed one when the workflow goes on. n8n knows it by these fields of its
 * JSON; were the error itself on the item, n8n would leave nothing but its message.
 */
function errorItem(
	context: IExecutePaginationFunctions,
	error: NodeApiError | NodeOperationError,
): INodeExecutionData {
	return {
		json: {
			error: error.message,
			details: {
				description: error.description ?? null,
				httpCode: 'httpCode' in error ? error.httpCode : null,
			},
		},
		pairedItem: { item: context.getItemIndex() },
	};
}
