import type { IExecuteFunctions, INodeExecutionData } from 'n8n-workflow';

import type { Charge, RequestFailure } from '../errors/requestFailure';
import type { ImageRequest, ItemRequests } from '../request/readParameters';
import type { Cost } from './costs';
import { memoize } from './memoize';
import type { ImageResult } from './outputItems';
import { createSummary } from './summary';

/** What the tries so far have bought for a request. */
export interface History {
	/** Which images the service charged, or may have charged. */
	charges: Charge[];
	/** A charged response that a retry would not change: an image, a link to one, or a failure. */
	response?: ImageResult | RequestFailure;
}

export type Tries = ReturnType<typeof createTries>;

/** The tries of each run, by an object that n8n passes to each try and releases when the node is done. */
const triesOfRun = new WeakMap<object, Tries>();

/** The limits that n8n applies to a node's settings. */
const TRIES = { min: 2, max: 5, default: 3 };
const WAIT_MS = { max: 5_000, default: 1_000 };

/**
 * The tries that the current run of the node belongs to. n8n passes the same execute data to each try. An agent may pass
 * it to several calls of a tool, so the tries of a call are known by its arguments.
 */
export function triesOf(functions: IExecuteFunctions, isTool: boolean): Tries {
	const { retryOnFail, maxTries, waitBetweenTries } = functions.getNode();
	if (retryOnFail !== true) return createTries(1, 0);
	const run = runOf(functions, isTool);
	const max = Math.min(TRIES.max, Math.max(TRIES.min, maxTries || TRIES.default));
	const waitMs = Math.min(WAIT_MS.max, Math.max(0, waitBetweenTries || WAIT_MS.default));
	const tries = triesOfRun.get(run) ?? createTries(max, waitMs);
	triesOfRun.set(run, tries);
	return tries;
}

/** Forgets the tries of a tool's call that is done, in case n8n uses the arguments of the call again. */
export function forgetToolCall(functions: IExecuteFunctions): void {
	triesOfRun.delete(runOf(functions, true));
}

function runOf(functions: IExecuteFunctions, isTool: boolean): object {
	return isTool ? (functions.getInputData()[0]?.json ?? {}) : functions.getExecuteData();
}

/** The state that the tries of n8n's Retry On Fail share. n8n runs the node again with all its items. */
function createTries(max: number, waitMs: number) {
	return {
		/**
		 * The valid requests of each item. If each try read them again, an expression with the time or a random number
		 * would change them, or a storage that fails would prevent them, and the images of the first try would be lost.
		 */
		planned: [] as ItemRequests[],
		historyOf: memoize<ImageRequest, History>(() => ({ charges: [] })),
		/** The cost of each image that the service charged in the tries so far; `undefined` if it is not known. */
		costs: [] as Array<Cost | undefined>,
		/** What happened in the last try. */
		summary: createSummary(),
		started: 0,
		max,
		waitMs,
		/** The output of the last try. n8n runs the node once more if the first output item looks like a failure. */
		output: undefined as INodeExecutionData[][] | undefined,
	};
}
