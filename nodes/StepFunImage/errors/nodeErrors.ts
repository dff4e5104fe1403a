import {
	NodeApiError,
	NodeOperationError,
	type IDataObject,
	type INode,
	type INodeExecutionData,
} from 'n8n-workflow';

import { explainFailure, type FailedRequest } from './messages';
import { quantity } from './quantity';
import type { RequestFailure } from './requestFailure';

/** The item that an error belongs to. */
export interface ErrorContext {
	node: INode;
	/** Starts at 0. */
	itemIndex: number;
	/** Whether an AI agent uses the node as its tool. */
	isTool: boolean;
}

/** The same, without an index for an error of the whole run. */
type RunContext = Omit<ErrorContext, 'itemIndex'> & Partial<ErrorContext>;

/** How many refused rows a message lists after the first one. */
const MAX_SHOWN_ROWS = 10;

/** What to do about a failed request, without its tries and references. */
const adviceOf = new WeakMap<Error, string>();

export type NodeError = NodeApiError | NodeOperationError;

/**
 * Input that the node refuses before it sends a request. The message names the field by its label, and the description
 * says what to do. `toNodeError` adds the item.
 */
export class Refusal extends Error {
	constructor(
		message: string,
		readonly description: string,
	) {
		super(message);
	}
}

function operationError({ node, itemIndex }: RunContext, message: string, description?: string) {
	return new NodeOperationError(node, message, { description, itemIndex, level: 'warning' });
}

/** The refusal for an input image that n8n does not return. `detail` completes it, such as ` within 3 seconds`. */
export function unreadableImage(detail: string): Refusal {
	return new Refusal(
		`The input image could not be read${detail}`,
		"n8n's binary data storage did not return it. Check that storage, or rerun the node that loads the image. If the storage is slow, raise 'Timeout (Seconds)' under Options. Nothing was charged for this try, because the image service received no complete request.",
	);
}

/** Turns a failed request into the error that the user reads. */
export function requestError(
	context: ErrorContext,
	request: FailedRequest,
	failure: RequestFailure,
) {
	const { node, itemIndex, isTool } = context;
	const { message, advice, description, references } = explainFailure(request, failure);
	const httpCode = failure.httpStatus?.toString();
	const shown = { message, description, ...(httpCode && { httpCode }) };
	// n8n replaces a message that contains an error code such as ECONNREFUSED, so it is set afterwards. For an agent, n8n
	// would wrap a NodeApiError in another error, and replace the message again.
	const error = isTool
		? Object.assign(operationError(context, message, description), { httpCode: httpCode ?? null })
		: new NodeApiError(node, shown, { ...shown, itemIndex, level: 'warning' });
	error.message = messageFor(context, message, description);
	adviceOf.set(error, advice);
	// n8n truncates a long description in its error card, but not these lines in the card's details.
	error.messages = references;
	return error;
}

/** The error of an item that was in progress when the user stopped the execution. */
export function canceledError(context: ErrorContext): NodeOperationError {
	return operationError(context, 'The execution was canceled');
}

/** The error of an item that was not sent because an earlier failure of the run would repeat. */
export function notSentError(context: ErrorContext, cause: NodeError): NodeOperationError {
	return operationError(
		context,
		`Not sent, because an earlier request of this run failed and this one would fail in the same way: ${cause.message}`,
		adviceOf.get(cause) ?? cause.description ?? undefined,
	);
}

/** Turns anything thrown into an error that n8n can show. */
export function toNodeError(context: RunContext, error: unknown): NodeError {
	const { node, itemIndex } = context;
	if (error instanceof Refusal) {
		const { message, description } = error;
		const refusal = operationError(context, message, description);
		// n8n replaces a message that contains an error code such as ENOENT, even if the code is part of a prompt.
		refusal.message = messageFor(context, message, description);
		return refusal;
	}
	if (error instanceof NodeApiError || error instanceof NodeOperationError) return error;
	// Older n8n releases do not take over the description.
	const { description } = error as { description?: string };
	return new NodeOperationError(node, error as Error, { itemIndex, description });
}

/**
 * The output item for a failed item when the workflow continues. n8n recognizes it by these fields of its JSON, and
 * n8n before 2.37 sends it to the error output only if they are exactly error and message. If the item contained the
 * error itself, n8n would keep only the message.
 */
export function errorItem({ node, itemIndex }: ErrorContext, error: NodeError): INodeExecutionData {
	const details = {
		description: error.description ?? null,
		httpCode: 'httpCode' in error ? error.httpCode : null,
	};
	const field = node.onError === 'continueErrorOutput' ? 'message' : 'details';
	return { json: { error: error.message, [field]: details }, pairedItem: { item: itemIndex } };
}

/** A copy of an item's JSON without what `errorItem` writes, for a workflow that leads a failed item back to the node. */
export function withoutError(json: IDataObject): IDataObject {
	const kept = { ...json };
	const field = ['message', 'details'].find((name) => {
		const value = kept[name] ?? {};
		return typeof value === 'object' && Object.keys(value).join() === 'description,httpCode';
	});
	if (field !== undefined) {
		delete kept.error;
		delete kept[field];
	}
	return kept;
}

/**
 * Adds to an error how many charged images n8n discards when the node stops.
 *
 * @param besides whether the error is about an image of its own, which is not counted
 */
export function appendDiscardedImages(error: NodeError, discarded: number, besides = false): void {
	if (discarded === 0) return;
	const [images, them] =
		discarded === 1
			? [`${besides ? 'Another' : 'An'} image of this run was`, 'it']
			: [`${discarded} ${besides ? 'other ' : ''}images of this run were`, 'them'];
	error.description =
		`${error.description ?? ''} ${images} made and charged before the run stopped, and n8n discards ${them}. To keep successful images, set 'On Error' in this node's Settings to 'Continue' or 'Continue (using error output)'.`.trim();
}

/** Adds to an error what was, or may have been, charged. */
export function appendCharge(error: NodeError, what: string, was: 'was' | 'may have been'): void {
	error.description = `${error.description ?? ''} ${what} ${was} charged.`.trim();
}

/**
 * One error for all refused rows, so that the user can correct them together: that of the first one, with the numbers of
 * the rows and the errors of the others if they differ.
 *
 * @param refusals the error of each row, `undefined` if the row is valid
 * @param isFree whether no earlier try of the run has sent anything
 */
export function refusedRowsError(
	refusals: Array<NodeError | undefined>,
	isFree: boolean,
): NodeError | undefined {
	const rows = refusals.length;
	const refused = refusals.flatMap((error, index) => (error ? [{ row: index + 1, error }] : []));
	if (refused.length === 0 || rows === 1) return refused[0]?.error;
	const [{ row, error }, ...others] = refused;
	// Keeps the index out of the editor, which counts items from 0 and would append "[item 1]" to a message about row 2.
	Object.defineProperty(error.context, 'itemIndex', { enumerable: false });
	const { message, description } = error;
	// The advice for the other rows may be another one.
	const isForAll = others.every((other) => other.error.description === description);
	const advice = description && !isForAll ? `Row ${row}: ${description}` : description;
	error.description = [advice, isFree && 'Nothing was sent.'].filter(Boolean).join(' ');
	// Most likely, a setting of the node is wrong, not the rows.
	const isEveryRow = refusals.every((refusal) => refusal?.message === message);
	error.message = `${isEveryRow ? `All ${rows} rows` : `Row ${row} of ${rows}`}: ${message}`;
	if (isEveryRow || others.length === 0) return error;
	const shown = others.slice(0, MAX_SHOWN_ROWS);
	const listed = [...new Set(shown.map((other) => other.error.message))].map((text) => {
		const numbers = shown.filter((other) => other.error.message === text).map((other) => other.row);
		const prefix = numbers.length === 1 ? 'row' : 'rows';
		return `${prefix} ${numbers.join(', ')}, ${text === message ? `as in row ${row}` : text}`;
	});
	const hidden = others.length - shown.length;
	if (hidden > 0) listed.push(`and ${hidden} more`);
	const more = quantity(others.length, 'more row');
	error.message = `${error.message.replace(/\.$/, '')}. ${more}: ${listed.join('; ')}.`;
	return error;
}

/** The message, with the description for an AI agent, to which n8n shows only the message. */
function messageFor({ isTool }: RunContext, message: string, description: string): string {
	return isTool ? `${message.replace(/\.$/, '')}. ${description}` : message;
}
