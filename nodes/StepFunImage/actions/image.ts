import type { INodeExecutionData } from 'n8n-workflow';

import {
	appendCharge,
	canceledError,
	notSentError,
	requestError,
	toNodeError,
	type NodeError,
} from '../errors/nodeErrors';
import { RequestFailure } from '../errors/requestFailure';
import { readImageRequests, type ImageRequest, type ItemRequests } from '../request/readParameters';
import type { ItemContext } from '../request/types';
import { estimateCost } from './costs';
import { downloadImage } from './downloadImage';
import { log } from './log';
import { toItems, toModeratedResult, toResult, type ImageResult } from './outputItems';
import { requestImage } from './requestImage';
import type { Action, ImageTask, ItemFailure, ItemOutcome, RunState } from './runState';

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

/** Generate, Edit and Image to Image: sends one request for each image of an item. */
export function createImageAction(state: RunState): Action {
	const { routing, cancelSignal, planned: plans } = state;
	return async (item, read) => {
		const plan = async () => {
			const { parameters, credential } = await read(item.itemIndex);
			return await readImageRequests(item, parameters, routing, credential, cancelSignal);
		};
		const planned = (plans[item.itemIndex] ??= await plan());
		const { requests, maxImagesPerRun } = planned;
		return {
			send: async () => await makeImages(item, planned, state),
			images: requests.length,
			cost: estimateCost(requests[0]),
			maxImagesPerRun,
			hasFailed: requests.some(
				(request) => state.historyOf(request).response instanceof RequestFailure,
			),
		};
	};
}

async function makeImages(
	item: ItemContext,
	{ requests, outputOptions }: ItemRequests,
	state: RunState,
): Promise<ItemOutcome> {
	const digests: string[] = [];
	const outcomes = await Promise.all(
		requests.map(async (request) => {
			const signal = state.signalOf(Object.values(SCOPES).map((scopeOf) => scopeOf(request)));
			const history = state.historyOf(request);
			return await makeImage({ item, request, outputOptions, state, signal, history, digests });
		}),
	);
	state.summary.identical += digests.length - new Set(digests).size;
	const results = outcomes.filter((outcome) => 'json' in outcome);
	const options = { ...outputOptions, isMultiImage: requests.length > 1 };
	return {
		results: toItems(item, results, options),
		failures: outcomes.filter((outcome): outcome is ItemFailure => !('json' in outcome)),
	};
}

/** Makes one image. A failure becomes one of the item, or a result if moderation caused it and the user wants that. */
async function makeImage(task: ImageTask): Promise<INodeExecutionData | ItemFailure> {
	const { item, request, outputOptions, state, signal, history } = task;
	const earlier = history.response;
	try {
		if (earlier instanceof RequestFailure) throw earlier;
		const result = await obtainImage(task, earlier);
		log(task, 'an image is done', { tries: result.tries, imagesOfThisRun: state.costs.length });
		const delivered = toResult(item, request, result, outputOptions);
		countDelivered(task, result, delivered);
		return delivered;
	} catch (error) {
		const failure = error instanceof RequestFailure ? error : undefined;
		state.summary[failure?.isModerated ? 'moderated' : 'failed']++;
		if (failure?.isModerated && outputOptions.whenModerated === 'passOn') {
			return toModeratedResult(item, request, failure, outputOptions);
		}
		const toItemFailure = () => {
			const shown = endWithError(task, error);
			const charges = history.charges.filter((charge) => charge === 'yes').length;
			// A RequestFailure says so itself.
			if (!failure && history.charges.length > 0) {
				const what = error === state.cancelSignal.reason ? 'The image' : 'An earlier try';
				appendCharge(shown, what, charges > 0 ? 'was' : 'may have been');
			}
			const retryable = !(history.response instanceof RequestFailure);
			return { item, error: shown, charges, retryable };
		};
		// One failure may end thousands of requests that were not sent.
		const isUnsent = error === signal.reason || failure?.details.wasNotSent;
		return isUnsent ? await state.inTurn(toItemFailure) : toItemFailure();
	}
}

/**
 * Requests an image, and downloads it if the response is a link. With n8n's Retry On Fail, it takes what an earlier try
 * has paid for, and keeps what a later one can use.
 */
async function obtainImage(task: ImageTask, earlier?: ImageResult): Promise<ImageResult> {
	const { outputOptions, history } = task;
	// In a moment, because another image of the item may have failed for good before, and stop the run first.
	if (!earlier) await Promise.resolve();
	try {
		const result = (history.response = earlier ?? (await requestImage(task)));
		const { url } = result.response;
		if (outputOptions.output.value === 'url' || result.image || !url) return result;
		return (history.response = { ...result, image: await downloadImage(task, url, result) });
	} catch (error) {
		// A link is kept, because its download can be repeated.
		const isFinal = error instanceof RequestFailure && error.charge !== 'no' && !error.retryable;
		if (isFinal) history.response ??= error;
		throw error as Error;
	}
}

/** Counts an image and its deviations from the request, for the hint at the end of the run. */
function countDelivered(
	{ item, outputOptions, state: { summary }, digests }: ImageTask,
	{ image, tries, response }: ImageResult,
	{ json }: INodeExecutionData,
): void {
	summary.made++;
	if (tries > 1) summary.repeated++;
	summary.other += response.others?.length ?? 0;
	// A tool returns n8n's own link instead.
	if (outputOptions.output.hasUrl && !item.isTool && !response.url) summary.withoutLink++;
	if (image?.digest) digests.push(image.digest);
	if ('requestedSize' in json) summary.otherSize++;
	if ('requestedSeed' in json) summary.otherSeed++;
}

/** Turns an error of a task into the one that the user reads, and aborts the requests that it makes pointless. */
function endWithError(task: ImageTask, error: unknown): NodeError {
	const { item, request, state, signal } = task;
	// The failure of another request has ended this one.
	if (error === signal.reason && !state.cancelSignal.aborted) {
		return notSentError(item, error as NodeError);
	}
	if (error === state.cancelSignal.reason) return canceledError(item);
	const { operation, path, credential, model, inputImage } = request;
	const image = { operation, model, hasInputImage: inputImage !== undefined };
	const failure = error instanceof RequestFailure ? error : undefined;
	const shown = failure
		? requestError(item, { credential, path, image }, failure)
		: toNodeError(item, error);
	if (!state.continueOnFail) state.stop.abort(shown);
	const scopeOf = failure?.kind === 'status' && SCOPES[failure.meantStatus ?? 0];
	if (scopeOf) state.scopeOf(scopeOf(request)).abort(shown);
	return shown;
}
