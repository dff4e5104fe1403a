import type { IExecuteFunctions, INodeExecutionData, INodeProperties } from 'n8n-workflow';
import pLimit, { type LimitFunction } from 'p-limit';

import type { NodeError } from '../errors/nodeErrors';
import type { OutputOptions } from '../request/options';
import type { ImageRequest } from '../request/readParameters';
import { readRouting } from '../request/routing';
import type { ItemContext } from '../request/types';
import { yieldToEventLoop } from '../transport/wait';
import type { Cost } from './costs';
import { memoize } from './memoize';
import type { ItemReader } from './itemReader';
import type { History, Tries } from './retryOnFail';

/** The concurrent downloads of one run. */
const MAX_CONCURRENT_DOWNLOADS = 5;
/** Low, because each input image stays in memory until its request starts. */
const MAX_CONCURRENT_INPUT_IMAGES = 8;

/** Reads and checks an item's parameters, and refuses invalid ones. Nothing is sent before all items are checked. */
export type Action = (item: ItemContext, read: ItemReader) => Promise<PreparedItem>;

/** An item whose parameters have been checked. */
export interface PreparedItem {
	/** Sends its requests, and returns its output items. Rejects if the item fails as a whole, without a charge. */
	send: () => Promise<ItemOutcome>;
	/** How many images it requests. */
	images: number;
	/** The expected cost of one image, if it is known. */
	cost?: Cost;
	/** The user's limit on the images of the whole run, if there is one. */
	maxImagesPerRun?: number;
	/** Whether one of its images failed for good in an earlier try of n8n's Retry On Fail. */
	hasFailed?: boolean;
	/** Why the node refuses the item, if its parameters are invalid. */
	refusal?: NodeError;
}

/** The outcome of an item. */
export interface ItemOutcome {
	results: INodeExecutionData[];
	failures: ItemFailure[];
}

/** The failure of one request. */
export interface ItemFailure {
	item: ItemContext;
	error: NodeError;
	/** How many images were charged for it nevertheless. */
	charges: number;
	/** Whether n8n's Retry On Fail can help. */
	retryable: boolean;
}

/** One request of an item, and what it needs. */
export interface ImageTask {
	item: ItemContext;
	request: ImageRequest;
	outputOptions: OutputOptions;
	state: RunState;
	/** Aborts the request while it waits, if another failure has made it pointless. */
	signal: AbortSignal;
	history: History;
	/** The digests of the item's images so far. */
	digests: string[];
}

export type RunState = ReturnType<typeof createRunState>;

/** The state that all items of a run share, with that of its tries. */
export function createRunState(
	functions: IExecuteFunctions,
	properties: INodeProperties[],
	tries: Tries,
) {
	/** Aborts when the user stops the execution. */
	const cancelSignal = functions.getExecutionCancelSignal() ?? new AbortController().signal;
	/** Aborts when a failure stops the run. The reason is the error that the user reads. */
	const stop = new AbortController();
	/** Requests that one failure makes pointless, such as all with one key. Aborted with the error that the user reads. */
	const scopeOf = memoize<string, AbortController>(() => new AbortController());
	const oneAtATime = pLimit(1);
	return {
		...tries,
		cancelSignal,
		stop,
		scopeOf,
		/** A signal for one request, because Node.js warns about many listeners on one. Its scopes or the run abort it. */
		signalOf: (scopes: string[]) =>
			AbortSignal.any([cancelSignal, stop.signal, ...scopes.map((name) => scopeOf(name).signal)]),
		/** Runs short tasks one after the other, and yields to the event loop in between. */
		inTurn: async <T>(task: () => T): Promise<T> =>
			await oneAtATime(async () => {
				await yieldToEventLoop();
				return task();
			}),
		routing: readRouting(properties),
		/** Whether failed items become output items, so that the workflow continues. */
		continueOnFail: functions.continueOnFail(),
		/** Limits the downloads of results. They come from another host, so the account's limits do not apply. */
		downloads: pLimit(MAX_CONCURRENT_DOWNLOADS),
		/** Limits the input images that are downloaded or wait with their request; a slow account holds up no other. */
		inputImagesOf: memoize<string, LimitFunction>(() => pLimit(MAX_CONCURRENT_INPUT_IMAGES)),
	};
}
