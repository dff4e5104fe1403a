import type { IExecuteFunctions, INodeExecutionData, INodeProperties } from 'n8n-workflow';
import pLimit, { type LimitFunction } from 'p-limit';

import {
	appendDiscardedImages,
	appendRefusedRows,
	canceledError,
	errorItem,
	inputError,
	toNodeError,
	type NodeError,
} from '../errors/nodeErrors';
import { createParameterReader, createEventLoopYielder } from '../request/parameters';
import { readRouting } from '../request/routing';
import type { ItemContext } from '../request/types';
import { readCredential, type Credential } from '../transport/credential';
import { wait } from '../transport/wait';
import { createBalanceAction } from './balance';
import { createImageAction } from './image';
import { triesOf, type Tries } from './retryOnFail';
import {
	createFailureScopes,
	createSummary,
	type Action,
	type ItemOutcome,
	type PreparedItem,
	type RunState,
} from './runState';
import { addSummaryHint, describeCosts } from './summary';

/** Limits how many files the preparation of a large run opens at once. */
const MAX_CONCURRENT_PREPARATIONS = 8;
/** The concurrent downloads of one run. */
const MAX_CONCURRENT_DOWNLOADS = 5;
/** Low, because each input image stays in memory until its request starts. */
const MAX_CONCURRENT_INPUT_IMAGES = 8;

/**
 * Runs the node: reads and checks all items, then sends their requests as the account allows.
 *
 * @param properties the properties of the node's description, which define the requests
 * @returns the items of the node's only output
 * @throws NodeOperationError for refused input and NodeApiError for a failed request, if the workflow stops on errors
 */
export async function run(
	functions: IExecuteFunctions,
	properties: INodeProperties[],
): Promise<INodeExecutionData[][]> {
	const cancelSignal = functions.getExecutionCancelSignal() ?? new AbortController().signal;
	const context: RunContext = {
		functions,
		properties,
		cancelSignal,
		isTool: isToolExecution(functions),
		continueOnFail: functions.continueOnFail(),
	};
	const tries = triesOf(functions, context.isTool);
	while (tries.output === undefined) {
		tries.started++;
		const { items, retryable, addHint } = await runOnce(context, tries);
		// If the workflow continues on errors, n8n's Retry On Fail looks only at the first item, so the node retries
		// itself.
		if (
			!retryable ||
			tries.started >= tries.max ||
			!(await waitUntilDone(tries.waitMs, cancelSignal))
		) {
			tries.output = [items];
			tries.answers.clear();
			addHint();
		}
	}
	return tries.output;
}

interface RunContext {
	functions: IExecuteFunctions;
	properties: INodeProperties[];
	cancelSignal: AbortSignal;
	isTool: boolean;
	continueOnFail: boolean;
}

/** Waits, and returns false if the signal ended the wait. */
async function waitUntilDone(milliseconds: number, signal: AbortSignal): Promise<boolean> {
	return await wait(milliseconds, signal).then(
		() => true,
		() => false,
	);
}

async function runOnce(
	{ functions, properties, cancelSignal, isTool, continueOnFail }: RunContext,
	tries: Tries,
): Promise<{ items: INodeExecutionData[]; retryable: boolean; addHint: () => void }> {
	const node = functions.getNode();
	const input = functions.getInputData();
	const state: RunState = {
		routing: readRouting(properties),
		input,
		continueOnFail,
		cancelSignal,
		scopes: createFailureScopes(cancelSignal),
		tries,
		downloads: pLimit(MAX_CONCURRENT_DOWNLOADS),
		inputImagesOf: limitForEach(MAX_CONCURRENT_INPUT_IMAGES),
		charged: tries.chargedWithoutImage,
		costs: [],
		summary: createSummary(),
	};
	const action =
		node.parameters.resource === 'account' ? createBalanceAction(state) : createImageAction(state);
	const items = input.map((_, itemIndex): ItemContext => ({ functions, node, itemIndex, isTool }));

	const prepared = await prepareAll(items, action, state);
	if (cancelSignal.aborted && !continueOnFail && items.length > 0) throw canceledError(items[0]);
	if (!continueOnFail) throwRefused(items, prepared);
	assertImageLimit(items, prepared);
	const outcomes = await sendAll(items, prepared);
	const failures = outcomes.flatMap((outcome) => outcome.failures);
	return {
		items: collect(items, outcomes, state),
		retryable: failures.some(({ retryable }) => retryable),
		addHint: () => (isTool ? undefined : addSummaryHint(functions, state)),
	};
}

function limitForEach(concurrency: number): (id: string) => LimitFunction {
	const limits = new Map<string, LimitFunction>();
	return (id) => {
		const limit = limits.get(id) ?? pLimit(concurrency);
		limits.set(id, limit);
		return limit;
	};
}

/** Older n8n releases have no `isToolExecution`; there the name of the node's type shows it. */
function isToolExecution(functions: IExecuteFunctions): boolean {
	return functions.isToolExecution?.() === true || functions.getNode().type.endsWith('Tool');
}

type Prepared = PromiseSettledResult<PreparedItem>;

async function prepareAll(
	items: ItemContext[],
	action: Action,
	{ cancelSignal }: RunState,
): Promise<Prepared[]> {
	if (items.length === 0) return [];
	const readParameters = createParameterReader(items[0].functions);
	const credentials = new Map<string, Credential>();
	const yieldToEventLoop = createEventLoopYielder();
	const limit = pLimit(MAX_CONCURRENT_PREPARATIONS);
	return await Promise.allSettled(
		items.map(
			async (item) =>
				await limit(async () => {
					await yieldToEventLoop();
					try {
						cancelSignal.throwIfAborted();
						const parameters = readParameters(item.itemIndex);
						const { functions, itemIndex } = item;
						const credential = await readCredential(functions, itemIndex, credentials);
						return await action.prepare(item, parameters, credential);
					} catch (error) {
						throw toNodeError(item, error);
					}
				}),
		),
	);
}

/** Throws one error for all refused rows, so that the user can correct them together. */
function throwRefused(items: ItemContext[], prepared: Prepared[]): void {
	const refused = prepared.flatMap((each, index) =>
		each.status === 'rejected' ? [{ row: index + 1, error: each.reason as NodeError }] : [],
	);
	if (refused.length === 0) return;
	const [first, ...others] = refused;
	if (items.length > 1) appendRefusedRows(first.error, first.row, items.length, others);
	throw first.error;
}

/**
 * Refuses a run that would make more images than the user allows.
 *
 * @throws NodeOperationError before anything is sent
 */
function assertImageLimit(items: ItemContext[], prepared: Prepared[]): void {
	const accepted = prepared.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
	const limit = accepted.reduce(
		(least, { maxImagesPerRun = Infinity }) => Math.min(least, maxImagesPerRun),
		Infinity,
	);
	const images = accepted.reduce((sum, each) => sum + each.images, 0);
	if (images <= limit) return;
	const costs = describeCosts(
		accepted.flatMap(({ images: count, cost }) => Array(count).fill(cost)),
	);
	const { node, isTool } = items[0];
	throw inputError(
		{ node, isTool },
		`The run would make ${images} images${costs === '' ? '' : ` for about ${costs}`}, and 'Max Images per Run' is ${limit}`,
		"Nothing was sent. Give the node fewer items, lower 'Number of Images', or raise 'Max Images per Run' under Options.",
	);
}

async function sendAll(items: ItemContext[], prepared: Prepared[]): Promise<ItemOutcome[]> {
	const yieldToEventLoop = createEventLoopYielder();
	const sent: Array<Promise<ItemOutcome>> = [];
	for (const [index, each] of prepared.entries()) {
		await yieldToEventLoop();
		const failed = (error: unknown, retryable: boolean): ItemOutcome => ({
			results: [],
			failures: [{ error: toNodeError(items[index], error), wasCharged: false, retryable }],
		});
		sent.push(
			each.status === 'rejected'
				? Promise.resolve(failed(each.reason, false))
				: each.value.send().catch((error: unknown) => failed(error, true)),
		);
	}
	return await Promise.all(sent);
}

/** The output items of all input items. A failure becomes an item if the workflow continues on errors, or is thrown. */
function collect(
	items: ItemContext[],
	outcomes: ItemOutcome[],
	{ cancelSignal, continueOnFail, charged }: RunState,
): INodeExecutionData[] {
	const failedIndex = outcomes.findIndex(({ failures }) => failures.length > 0);
	if (failedIndex !== -1 && !continueOnFail) {
		if (cancelSignal.aborted) throw canceledError(items[failedIndex]);
		const [{ error, wasCharged }] = outcomes[failedIndex].failures;
		// The error itself describes its own image.
		appendDiscardedImages(error, wasCharged ? charged - 1 : charged);
		throw error;
	}
	return outcomes.flatMap(({ results, failures }, index) => [
		...results,
		...failures.map(({ error }) =>
			errorItem(items[index], cancelSignal.aborted ? canceledError(items[index]) : error),
		),
	]);
}
