import type {
	IDataObject,
	IExecuteFunctions,
	INodeExecutionData,
	INodeProperties,
} from 'n8n-workflow';
import pLimit from 'p-limit';

import {
	appendDiscardedImages,
	canceledError,
	errorItem,
	Refusal,
	refusedRowsError,
	toNodeError,
	type NodeError,
} from '../errors/nodeErrors';
import { readIncludeInput } from '../request/options';
import type { ItemContext } from '../request/types';
import { wait, yieldToEventLoop } from '../transport/wait';
import { createBalanceAction } from './balance';
import { describeCosts } from './costs';
import { createImageAction } from './image';
import { mergeInput, withoutOutcome } from './outputItems';
import { createItemReader } from './itemReader';
import { forgetToolCall, triesOf } from './retryOnFail';
import {
	createRunState,
	type Action,
	type ItemOutcome,
	type PreparedItem,
	type RunState,
} from './runState';
import { addSummaryHint, createSummary } from './summary';

/** Limits how many files the preparation of a large run opens at once. */
const MAX_CONCURRENT_PREPARATIONS = 8;

/**
 * Runs the node: reads and checks all items, then sends their requests as the account allows.
 *
 * @returns the items of the node's only output
 * @throws NodeOperationError for refused input and NodeApiError for a failed request, if the workflow stops on errors
 */
export async function run(
	functions: IExecuteFunctions,
	properties: INodeProperties[],
): Promise<INodeExecutionData[][]> {
	const isTool = isToolExecution(functions);
	const tries = triesOf(functions, isTool);
	while (tries.output === undefined) {
		tries.started++;
		tries.summary = createSummary();
		const state = createRunState(functions, properties, tries);
		const { items, retryable } = await runOnce(functions, isTool, state);
		// If the workflow continues on errors, n8n's Retry On Fail looks only at the first item, so the node retries
		// itself.
		if (retryable && tries.started < tries.max) {
			await wait(tries.waitMs, state.cancelSignal).catch(() => undefined);
			if (!state.cancelSignal.aborted) continue;
		}
		tries.output = [items];
		tries.planned = [];
	}
	if (isTool) forgetToolCall(functions);
	// n8n shows only the hints of its own last try.
	else addSummaryHint(functions, tries);
	return tries.output;
}

/** Older n8n releases have no `isToolExecution`; there the name of the node's type shows it. */
function isToolExecution(functions: IExecuteFunctions): boolean {
	return functions.isToolExecution?.() === true || functions.getNode().type.endsWith('Tool');
}

async function runOnce(functions: IExecuteFunctions, isTool: boolean, state: RunState) {
	const node = functions.getNode();
	const { continueOnFail, costs } = state;
	const action =
		node.parameters.resource === 'account'
			? createBalanceAction(functions, state)
			: createImageAction(state);
	const { $runIndex: runIndex } = functions.getWorkflowDataProxy(0);
	const common = { functions, node, runIndex, isTool };
	const items = functions
		.getInputData()
		.map((input, itemIndex): ItemContext => ({ ...common, input, itemIndex }));

	const prepared = await prepareAll(functions, items, action, state);
	const refusal = findRefusal(items, prepared, state);
	if (refusal && continueOnFail) {
		// n8n would pass the input on as if it were the output.
		return { items: items.map((item) => failedItem(item, refusal, state)), retryable: false };
	}
	if (refusal) {
		// The images of earlier tries of n8n's Retry On Fail.
		appendDiscardedImages(refusal, costs.length);
		throw refusal;
	}
	const outcomes = await sendAll(items, prepared, state);
	return {
		items: await collect(outcomes, state),
		retryable: outcomes.some(({ failures }) => failures.some(({ retryable }) => retryable)),
	};
}

async function prepareAll(
	functions: IExecuteFunctions,
	items: ItemContext[],
	action: Action,
	{ cancelSignal, summary, routing }: RunState,
): Promise<PreparedItem[]> {
	const read = createItemReader(functions, routing.fields);
	const limit = pLimit(MAX_CONCURRENT_PREPARATIONS);
	const prepare = async (item: ItemContext): Promise<PreparedItem> => {
		await yieldToEventLoop();
		try {
			cancelSignal.throwIfAborted();
			return await action(item, read);
		} catch (error) {
			summary.refused++;
			const refusal = toShownError(item, error, cancelSignal);
			return { refusal, images: 0, send: async () => await Promise.reject(refusal) };
		}
	};
	return await Promise.all(items.map(async (item) => await limit(prepare, item)));
}

function toShownError(item: ItemContext, error: unknown, cancelSignal: AbortSignal): NodeError {
	return error === cancelSignal.reason ? canceledError(item) : toNodeError(item, error);
}

/** Why the run must not send anything; `undefined` if it may. */
function findRefusal(
	items: ItemContext[],
	prepared: PreparedItem[],
	{ continueOnFail, cancelSignal, costs }: RunState,
): NodeError | undefined {
	if (continueOnFail || items.length === 0) return imageLimitError(items, prepared);
	if (cancelSignal.aborted) return canceledError(items[0]);
	const refusals = prepared.map(({ refusal }) => refusal);
	return refusedRowsError(refusals, costs.length === 0) ?? imageLimitError(items, prepared);
}

/** The error for a run that would make more images than the user allows. */
function imageLimitError(items: ItemContext[], prepared: PreparedItem[]): NodeError | undefined {
	const total = prepared.reduce((sum, { images }) => sum + images, 0);
	const limits = prepared.map(({ maxImagesPerRun = Infinity }) => maxImagesPerRun);
	const limit = limits.reduce((lowest, each) => Math.min(lowest, each), Infinity);
	if (total <= limit) return undefined;
	const costs = describeCosts(prepared.flatMap(({ images, cost }) => Array(images).fill(cost)));
	const { node, isTool } = items[0];
	const refusal = new Refusal(
		`The run would make ${total} images${costs === '' ? '' : ` for about ${costs}`}, and 'Max Images per Run' is ${limit}`,
		"Nothing was sent. Give the node fewer items, lower 'Number of Images', or raise 'Max Images per Run' under Options.",
	);
	return toNodeError({ node, isTool }, refusal);
}

async function sendAll(
	items: ItemContext[],
	prepared: PreparedItem[],
	{ cancelSignal }: RunState,
): Promise<ItemOutcome[]> {
	const sent: Array<Promise<ItemOutcome>> = [];
	// Those that fail again come first, so that nothing is bought for a run that they stop.
	const failsAgain = (index: number) => Number(prepared[index].hasFailed === true);
	for (const index of [...prepared.keys()].sort((a, b) => failsAgain(b) - failsAgain(a))) {
		await yieldToEventLoop();
		const { send, refusal } = prepared[index];
		const item = items[index];
		sent[index] = send().catch((thrown: unknown): ItemOutcome => {
			const error = toShownError(item, thrown, cancelSignal);
			return { results: [], failures: [{ item, error, charges: 0, retryable: !refusal }] };
		});
	}
	return await Promise.all(sent);
}

/** The output items of all input items. A failure becomes an item if the workflow continues on errors, or is thrown. */
async function collect(outcomes: ItemOutcome[], state: RunState): Promise<INodeExecutionData[]> {
	const { cancelSignal, stop, continueOnFail, costs } = state;
	const allFailures = outcomes.flatMap(({ failures }) => failures);
	if (allFailures.length > 0 && !continueOnFail) {
		// The failure that stopped the run, not one that followed from it.
		const { item, error, charges } =
			allFailures.find((failure) => failure.error === stop.signal.reason) ?? allFailures[0];
		// n8n shows the execution as canceled only if the message says so.
		const isHidden = cancelSignal.aborted && !error.message.includes('canceled');
		const shown = isHidden ? canceledError(item) : error;
		// The error itself describes its own image.
		appendDiscardedImages(shown, costs.length - (isHidden ? 0 : charges), !isHidden);
		throw shown;
	}
	const items: INodeExecutionData[] = [];
	for (const { results, failures } of outcomes) {
		await yieldToEventLoop();
		items.push(...results);
		items.push(...failures.map(({ item, error }) => failedItem(item, error, state)));
	}
	return items;
}

/** The output item for a failed item, with its input. */
function failedItem(
	item: ItemContext,
	error: NodeError,
	{ planned }: RunState,
): INodeExecutionData {
	const failed = errorItem(item, error);
	if (item.isTool) return failed;
	const { onError, parameters } = item.node;
	const { includeInputFields } = (parameters.options ?? {}) as IDataObject;
	// The expression of a refused item may be what was refused.
	const isFixed = typeof includeInputFields === 'boolean';
	const unplanned = readIncludeInput(item, isFixed ? { includeInputFields } : {});
	const { includeInput = unplanned } = planned[item.itemIndex]?.outputOptions ?? {};
	const merged = mergeInput(withoutOutcome(item), includeInput, failed);
	// At the error output, n8n itself adds the input's JSON, but not its files.
	return onError === 'continueErrorOutput' ? { ...merged, json: failed.json } : merged;
}
