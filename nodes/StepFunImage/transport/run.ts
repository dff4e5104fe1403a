import type { IExecutePaginationFunctions } from 'n8n-workflow';
import pLimit from 'p-limit';

import type { StrikeOut } from '../errors/strikeOut';
import type { ImageRequest, ItemRequests } from '../request/prepareRequest';

/** What the items of one run of the node have in common. */
export interface Run {
	/**
	 * Prepares an item, and waits until all items of the run are prepared, so that bad input anywhere
	 * is found before anything is sent.
	 */
	prepare(task: () => Promise<ItemRequests>): Promise<ItemRequests>;
	/** False when n8n will throw away this run's output whatever the items do. */
	isWorthSending(): boolean;
	/**
	 * Says that after this failure no further request helps.
	 *
	 * @param error the failure, as the user will read it
	 * @param scope the requests that are pointless; without it all of them are
	 */
	stop(error: Error, scope?: string): void;
	/** The failure that made a request pointless, if there is one. */
	stoppedBy(scope: string): Error | undefined;
	/** Ends when the execution is cancelled or the run is stopped for good: nothing waits any longer. */
	signal: AbortSignal;
	/** What strikes out secrets, built once for each credential: an expression in it may give several. */
	strikeOuts: Map<string, StrikeOut>;
	/** Images that the service made, and charged, for this run. */
	charged: number;
}

/**
 * The requests that fail alike when the address does not know them: a gateway may have one model and
 * not another.
 */
export function scopeOf({ model, options }: ImageRequest): string {
	return `${options.url} ${model}`;
}

/** Headers are read a few at a time, so that a thousand items do not open a thousand files. */
const PREPARED_AT_ONCE = 8;

// n8n gives all items of a node run the same object; it lives as long as the run does.
const runs = new WeakMap<object, { run: Run; items: Set<number> }>();

/**
 * The run that an item belongs to. Must be called before the item awaits anything: n8n starts all
 * items in one go, and what has joined by then is the run.
 *
 * @param context the item's execution context
 */
export function joinRun(context: IExecutePaginationFunctions): Run {
	const key = context.getExecuteData();
	const itemIndex = context.getItemIndex();
	let entry = runs.get(key);
	// n8n's "Retry On Fail" runs the node again with the same object: the items come a second time.
	if (!entry || entry.items.has(itemIndex)) {
		const items = new Set<number>();
		entry = { run: createRun(context, items), items };
		runs.set(key, entry);
	}
	entry.items.add(itemIndex);
	return entry.run;
}

function createRun(context: IExecutePaginationFunctions, items: Set<number>): Run {
	const stops = new Map<string | undefined, Error>();
	const stopAll = new AbortController();
	const cancelled = context.getExecutionCancelSignal();
	const limit = pLimit(PREPARED_AT_ONCE);
	const preparations: Array<Promise<ItemRequests>> = [];
	let refused = false;

	const allPrepared = (async () => {
		// All items of the run join before this continues.
		await Promise.resolve();
		await Promise.allSettled(preparations);
	})();

	return {
		async prepare(task) {
			const preparation = limit(task);
			preparations.push(preparation);
			preparation.catch(() => (refused = true));
			await allPrepared;
			return await preparation;
		},
		isWorthSending() {
			if (context.continueOnFail()) return true;
			// In stop mode one refused item ends the run, also when n8n itself could not resolve its
			// parameters and it never came here.
			return !refused && (isStaggered(context) || items.size >= countItems(context));
		},
		stop(error, scope) {
			if (!stops.has(scope)) stops.set(scope, error);
			if (scope === undefined) stopAll.abort(error);
		},
		stoppedBy: (scope) => stops.get(undefined) ?? stops.get(scope),
		signal: cancelled ? AbortSignal.any([cancelled, stopAll.signal]) : stopAll.signal,
		strikeOuts: new Map(),
		charged: 0,
	};
}

/** Whether n8n starts the items one after another, because Batching is set under Request Options. */
function isStaggered(context: IExecutePaginationFunctions): boolean {
	const { batching } = context.getNodeParameter('requestOptions', {}) as {
		batching?: { batch?: { batchInterval?: number } };
	};
	return (batching?.batch?.batchInterval ?? 0) > 0;
}

function countItems(context: IExecutePaginationFunctions): number {
	if (context.getNode().executeOnce) return 1;
	const { data } = context.getExecuteData();
	return Object.values(data)[0]?.[0]?.length ?? 0;
}
