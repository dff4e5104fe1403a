import { createHash } from 'node:crypto';
import type { IExecuteFunctions, INodeExecutionData } from 'n8n-workflow';

import type { RequestFailure } from '../errors/requestFailure';
import type { ImageResult } from './outputItems';

/** What was paid for: an image or the link to one, or a failure that came with a charge and would come again. */
export type PaidAnswer = ImageResult | RequestFailure;

/** What the tries of n8n's Retry On Fail have in common: n8n runs the node again with all its items. */
export interface Tries {
	/** What the service gave and charged in the tries so far, by `requestKey`. */
	answers: Map<string, PaidAnswer>;
	/** Images that were charged in earlier tries and never arrived. */
	chargedWithoutImage: number;
	started: number;
	max: number;
	waitMs: number;
	/** What left the node in the end. n8n runs the node again also when its first item looks like a failure. */
	output?: INodeExecutionData[][];
}

/** n8n hands the same execute data to each try, and lets go of it when the node is done. */
const triesOfExecuteData = new WeakMap<object, Tries>();

/** What n8n makes of the settings of a node, whatever stands in them. */
const TRIES = { min: 2, max: 5, default: 3 };
const WAIT_MS = { max: 5_000, default: 1_000 };

/**
 * The tries that the present run of the node belongs to. A tool has none in common: an agent may hand the same execute
 * data to several calls.
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
 * Names what an item asks for in the tries of a run. Another parameter or credential makes another request of it, as an
 * expression with a random number does.
 *
 * @param asked everything that the item's requests depend on beside the item
 */
export function requestKey(itemIndex: number, asked: unknown[]): string {
	const digest = createHash('sha256').update(JSON.stringify(asked)).digest('base64');
	return `${itemIndex} ${digest}`;
}
