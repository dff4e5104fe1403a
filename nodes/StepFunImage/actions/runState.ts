import type { IDataObject, INodeExecutionData } from 'n8n-workflow';
import type { LimitFunction } from 'p-limit';

import type { NodeError } from '../errors/nodeErrors';
import type { Cost } from './outputItems';
import type { Routing } from '../request/routing';
import type { ItemContext } from '../request/types';
import type { Credential } from '../transport/credential';
import type { Tries } from './retryOnFail';

/** What the node does with an item, in two steps, so that all items are checked before anything is sent. */
export interface Action {
	/**
	 * Reads and checks what an item asks for.
	 *
	 * @throws NodeOperationError for what would be refused
	 */
	prepare(
		item: ItemContext,
		parameters: IDataObject,
		credential: Credential,
	): Promise<PreparedItem>;
}

/** An item that is known to be acceptable, and what it asks for. */
export interface PreparedItem {
	/** Sends its requests, and makes the items that leave the node. */
	send: () => Promise<ItemOutcome>;
	/** How many images it asks for. */
	images: number;
	/** What one of them will cost, if that is known. */
	cost?: Cost;
	/** The most that the run may make, if the user says so. */
	maxImagesPerRun?: number;
}

/** What an item came to. */
export interface ItemOutcome {
	results: INodeExecutionData[];
	/** The failures of its requests; where the run stops, none of those that were not sent for another one's failure. */
	failures: ItemFailure[];
}

export interface ItemFailure {
	error: NodeError;
	/** Whether the image was made and charged all the same. */
	wasCharged: boolean;
	/** Whether n8n's Retry On Fail can help. */
	retryable: boolean;
}

/** What the items of one run of the node have in common. */
export interface RunState {
	routing: Routing;
	input: INodeExecutionData[];
	/** Whether failed items leave as items, so that the workflow goes on. */
	continueOnFail: boolean;
	/** Ends when the user stops the execution. */
	cancelSignal: AbortSignal;
	scopes: FailureScopes;
	/** What this run has in common with the others of n8n's Retry On Fail. */
	tries: Tries;
	/** Bounds the downloads of results, which come from another host and count on their own. */
	downloads: LimitFunction;
	/** Bounds the input images that are fetched, or wait with their request, at once. */
	inputImages: LimitFunction;
	/** What the run did, for the hint at its end. */
	summary: RunSummary;
	/** The request whose failure stopped the run, where the workflow stops on errors. */
	stoppedBy?: object;
	/** Images that the service made, and charged, for this run. */
	charged: number;
	/** What each of them costs; undefined where that is not known. Items may have different models. */
	costs: Array<Cost | undefined>;
}

/** What a failure makes pointless: everything of the run, or what shares a key, a model or an endpoint. */
export interface FailureScopes {
	/**
	 * A signal of its own for one request, since Node.js warns of many listeners on a shared one.
	 *
	 * @param scopes the scopes that the request is in, beside the run
	 */
	signalOf(scopes: string[]): AbortSignal;
	/** Ends everything in a scope that has not been sent; its reason is the error that the user reads. */
	abort(scope: string, reason: NodeError): void;
}

/** What a run did, counted by requests. */
export interface RunSummary {
	made: number;
	failed: number;
	moderated: number;
	/** Made, but not at the first try. */
	repeated: number;
	/** Answers that asked the node to slow down. */
	throttled: number;
	/** Pictures of another size than the one asked for. */
	otherSize: number;
	/** Pictures with another seed than the one sent. */
	otherSeed: number;
	/** Pictures that are the same as another one of their item. */
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
