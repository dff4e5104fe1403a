import { createHash } from 'node:crypto';
import type { IExecuteFunctions, INodeExecutionData } from 'n8n-workflow';

import type { RequestFailure } from '../errors/requestFailure';
import type { ImageResult } from './outputItems';

/** A charged answer that a retry would not change: an image, a link to one, or a failure. */
export type PaidAnswer = ImageResult | RequestFailure;

/** The state that the tries of n8n's Retry On Fail share. n8n runs the node again with all its items. */
export interface Tries {
	/** The charged answers of the tries so far, by `requestKey`. */
	answers: Map<string, PaidAnswer>;
	/** How many images were charged in earlier tries and never arrived. */
	chargedWithoutImage: number;
	started: number;
	max: number;
	waitMs: number;
	/** The output of the last try. n8n runs the node once more if the first output item looks like a failure. */
	output?: INodeExecutionData[][];
}

/** n8n passes the same execute data to each try, and releases it when the node is done. */
const triesOfExecuteData = new WeakMap<object, Tries>();

/** The limits that n8n applies to a node's settings. */
const TRIES = { min: 2, max: 5, default: 3 };
const WAIT_MS = { max: 5_000, default: 1_000 };

/**
 * The tries that the current run of the node belongs to. The calls of a tool share nothing, because an agent may pass
 * the same execute data to several calls.
 */
export function triesOf(functions: IExecuteFunctions, isTool: boolean): Tries {
	const { retryOnFail, maxTries, waitBetweenTries } = functions.getNode();
	if (retryOnFail !== true || isTool) return createTries(1, 0);
	const executeData = functions.getExecuteData();
	const tries =
		triesOfExecuteData.get(executeData) ??
		createTries(
			Math.min(TRIES.max, Math.max(TRIES.min, maxTries || TRIES.default)),
			Math.min(WAIT_MS.max, Math.max(0, waitBetweenTries || WAIT_MS.default)),
		);
	triesOfExecuteData.set(executeData, tries);
	return tries;
}

function createTries(max: number, waitMs: number): Tries {
	return { answers: new Map(), chargedWithoutImage: 0, started: 0, max, waitMs };
}

/**
 * Identifies an item's requests across the tries of a run. If a parameter or the credential changes between tries, such
 * as an expression with a random number, so does the key.
 *
 * @param inputs everything that the requests depend on, besides the item's index
 */
export function requestKey({ max }: Tries, itemIndex: number, inputs: unknown[]): string {
	if (max === 1) return String(itemIndex);
	const digest = createHash('sha256').update(JSON.stringify(inputs)).digest('base64');
	return `${itemIndex} ${digest}`;
}
