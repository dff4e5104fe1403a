import type { IDataObject, INodeExecutionData } from 'n8n-workflow';
import type { LimitFunction } from 'p-limit';

import type { NodeError } from '../errors/nodeErrors';
import type { Cost } from './outputItems';
import type { Routing } from '../request/routing';
import type { ItemContext } from '../request/types';
import type { Credential } from '../transport/credential';
import type { Tries } from './retryOnFail';

/** An action handles an item in two steps, so that all items are checked before anything is sent. */
export interface Action {
	/**
	 * Reads and checks the parameters of an item.
	 *
	 * @throws NodeOperationError for invalid parameters
	 */
	prepare(
		item: ItemContext,
		parameters: IDataObject,
		credential: Credential,
	): Promise<PreparedItem>;
}

/** An item whose parameters are valid. */
export interface PreparedItem {
	/** Sends its requests, and returns its output items. */
	send: () => Promise<ItemOutcome>;
	/** How many images it requests. */
	images: number;
	/** The expected cost of one image, if it is known. */
	cost?: Cost;
	/** The user's limit on the images of the whole run, if there is one. */
	maxImagesPerRun?: number;
}

/** The outcome of an item. */
export interface ItemOutcome {
	results: INodeExecutionData[];
	/** The failures of its requests, without those that were not sent because another failure stopped the run. */
	failures: ItemFailure[];
}

export interface ItemFailure {
	error: NodeError;
	/** Whether the image was charged nevertheless. */
	wasCharged: boolean;
	/** Whether n8n's Retry On Fail can help. */
	retryable: boolean;
}

/** The state that all items of a run share. */
export interface RunState {
	routing: Routing;
	input: INodeExecutionData[];
	/** Whether failed items become output items, so that the workflow continues. */
	continueOnFail: boolean;
	/** Aborts when the user stops the execution. */
	cancelSignal: AbortSignal;
	scopes: FailureScopes;
	/** The state that this run shares with the other tries of n8n's Retry On Fail. */
	tries: Tries;
	/** Limits the downloads of results. They come from another host, so the account's limits do not apply. */
	downloads: LimitFunction;
	/**
	 * Limits the input images that are being downloaded or wait with their request; for each account, so that those of a
	 * slow one do not hold up the others.
	 */
	inputImagesOf: (accountId: string) => LimitFunction;
	/** The counts for the hint at the end of the run. */
	summary: RunSummary;
	/** The request whose failure stopped the run, if the workflow stops on errors. */
	stoppedBy?: object;
	/** How many images the service charged for this run. */
	charged: number;
	/** The cost of each of these images; `undefined` if it is not known. Items may have different models. */
	costs: Array<Cost | undefined>;
}

/** Groups of requests that a failure can make pointless: the whole run, or all with the same key, model or endpoint. */
export interface FailureScopes {
	/**
	 * Creates a signal for one request. Each request gets its own, because Node.js warns about many listeners on a
	 * shared signal.
	 *
	 * @param scopes the request's scopes, besides the run
	 */
	signalOf(scopes: string[]): AbortSignal;
	/** Aborts the unsent requests of a scope. The reason is the error that the user reads. */
	abort(scope: string, reason: NodeError): void;
}

/** The outcomes of a run, counted by requests. */
export interface RunSummary {
	made: number;
	failed: number;
	moderated: number;
	/** Images that needed more than one try. */
	repeated: number;
	/** Answers with status 429. */
	throttled: number;
	/** Images of another size than requested. */
	otherSize: number;
	/** Images with another seed than the one sent. */
	otherSeed: number;
	/** Images that are identical to another image of their item. */
	identical: number;
}

export function createSummary(): RunSummary {
	return {
		made: 0,
		failed: 0,
		moderated: 0,
		repeated: 0,
		throttled: 0,
		otherSize: 0,
		otherSeed: 0,
		identical: 0,
	};
}

export const RUN_SCOPE = 'run';

export function createFailureScopes(cancelSignal: AbortSignal): FailureScopes {
	const controllers = new Map<string, AbortController>();
	const controllerOf = (scope: string) => {
		const controller = controllers.get(scope) ?? new AbortController();
		controllers.set(scope, controller);
		return controller;
	};
	return {
		signalOf: (scopes) =>
			AbortSignal.any([
				cancelSignal,
				...[RUN_SCOPE, ...scopes].map((scope) => controllerOf(scope).signal),
			]),
		abort: (scope, reason) => controllerOf(scope).abort(reason),
	};
}
