import {
	NodeApiError,
	NodeOperationError,
	type INode,
	type INodeExecutionData,
} from 'n8n-workflow';

import { explainFailure, type FailedRequest } from './messages';
import { RequestFailure, type FailureDetails } from './requestFailure';

/** Whose error it is. */
export interface ErrorContext {
	node: INode;
	/** From 0 on. */
	itemIndex: number;
	/** Whether an AI agent uses the node as its tool. */
	isTool: boolean;
}

/** Takes a credential's secrets out of what is shown. */
export interface Redactor {
	/** For the words of a server. */
	text(text: string): string;
	/**
	 * For links and for texts of our own around them. The values of custom headers stay: one may be the name of an
	 * organisation, and a link to a paid image that misses it leads nowhere.
	 */
	link(link: string): string;
}

/** A message names so many refused rows beside the first one. */
const MAX_SHOWN_ROWS = 10;

export type NodeError = NodeApiError | NodeOperationError;

/**
 * An error for input that is refused before any request.
 *
 * @param context without an itemIndex if all of the run is refused
 * @param message what is wrong, naming the field by its label
 * @param description how to go on
 */
export function inputError(
	context: Omit<ErrorContext, 'itemIndex'> & Partial<Pick<ErrorContext, 'itemIndex'>>,
	message: string,
	description: string,
): NodeOperationError {
	const { node, itemIndex } = context;
	const error = new NodeOperationError(node, message, { description, itemIndex, level: 'warning' });
	// n8n replaces a message in which it finds an error code such as ENOENT, be it in a prompt.
	error.message = messageFor(context, message, description);
	return error;
}

/**
 * Turns a failed request into the error that the user reads.
 *
 * @param request what had been asked for
 * @param redactor takes the credential's secrets out; this is the one place in which a failure is redacted
 * @returns an error with message, description, itemIndex and, where the service answered, httpCode
 */
export function requestError(
	context: ErrorContext,
	request: FailedRequest,
	failure: RequestFailure,
	redactor: Redactor,
): NodeApiError {
	const { node, itemIndex } = context;
	const explained = explainFailure(request, redactFailure(failure, redactor));
	// What a server said is clean by now, but the Base URL that stands in some of these texts may hold a password.
	const message = redactor.link(explained.message);
	const description = redactor.link(explained.description);
	const httpCode = failure.httpStatus === undefined ? undefined : String(failure.httpStatus);
	const error = new NodeApiError(
		node,
		{ message, description, ...(httpCode === undefined ? {} : { httpCode }) },
		{ message, description, httpCode, itemIndex, level: 'warning' },
	);
	// n8n replaces a message in which it finds an error code such as ECONNREFUSED.
	error.message = messageFor(context, message, description);
	// n8n's error card cuts what is too long for a line off the description, but not off these lines of its details.
	error.messages = explained.references;
	return error;
}

/**
 * The error of a list that a field of the panel does not get. The editor shows the description of a NodeApiError only,
 * and takes all dashes out of a message, so a host's or a model's name can only stand in the description.
 *
 * @param message what is missing, without a dash
 * @param description why, and how to go on
 * @param httpCode the server's status, if it answered
 */
export function listError(
	node: INode,
	message: string,
	description: string,
	httpCode?: string,
): NodeApiError {
	return new NodeApiError(node, { message, description }, { message, description, httpCode });
}

function redactFailure(failure: RequestFailure, redactor: Redactor): RequestFailure {
	const entries = Object.entries(failure.details).map(([name, value]: [string, unknown]) => {
		if (value instanceof RequestFailure) return [name, redactFailure(value, redactor)];
		if (typeof value !== 'string') return [name, value];
		return [name, name === 'url' ? redactor.link(value) : redactor.text(value)];
	});
	return new RequestFailure(failure.kind, Object.fromEntries(entries) as FailureDetails);
}

/** The error of an item that was under way when the user stopped the execution. */
export function canceledError({ node, itemIndex }: ErrorContext): NodeOperationError {
	return new NodeOperationError(node, 'The execution was canceled', {
		itemIndex,
		level: 'warning',
	});
}

/** The error of an item that was not sent, since an earlier request of the run failed in a way that it would, too. */
export function notSentError(
	{ node, itemIndex }: ErrorContext,
	cause: NodeError,
): NodeOperationError {
	return new NodeOperationError(
		node,
		`Not sent, because an earlier request of this run failed and this one would fail in the same way: ${cause.message}`,
		{ description: cause.description ?? undefined, itemIndex, level: 'warning' },
	);
}

/** An error as n8n shows it, whatever was thrown. */
export function toNodeError({ node, itemIndex }: ErrorContext, error: unknown): NodeError {
	return error instanceof NodeApiError || error instanceof NodeOperationError
		? error
		: new NodeOperationError(node, error as Error, { itemIndex });
}

/**
 * The item that stands for a failed one when the workflow goes on. n8n knows it by these fields of its
 * JSON; were the error itself on the item, n8n would leave nothing but its message.
 *
 * For the error output the fields are error and message: n8n before 2.37 sends an item there by these two
 * alone, and one with other fields out among the images.
 */
export function errorItem({ node, itemIndex }: ErrorContext, error: NodeError): INodeExecutionData {
	const details = {
		description: error.description ?? null,
		httpCode: 'httpCode' in error ? error.httpCode : null,
	};
	const field = node.onError === 'continueErrorOutput' ? 'message' : 'details';
	return { json: { error: error.message, [field]: details }, pairedItem: { item: itemIndex } };
}

/**
 * Tells how many other images the run paid for, which n8n throws away when the node stops.
 *
 * @param discarded images that were made and charged, without the failed one's own
 */
export function appendDiscardedImages(error: NodeError, discarded: number): void {
	if (discarded === 0) return;
	const [images, them] =
		discarded === 1
			? ['Another image of this run was', 'it']
			: [`${discarded} other images of this run were`, 'them'];
	error.description =
		`${error.description ?? ''} ${images} made and charged before the run stopped, and n8n discards ${them}. To keep successful images, set 'On Error' in this node's Settings to 'Continue' or 'Continue (using error output)'.`.trim();
}

/**
 * Says in the error of the first refused row which row it is, and which others are refused and why, as people count
 * rows.
 *
 * @param row from 1 on
 * @param rows how many there are
 * @param others the other refused rows
 */
export function appendRefusedRows(
	error: NodeError,
	row: number,
	rows: number,
	others: Array<{ row: number; error: NodeError }>,
): void {
	const shown = others.slice(0, MAX_SHOWN_ROWS);
	const listed = shown.map((other) => `row ${other.row}, ${other.error.message}`).join('; ');
	const hidden = others.length - shown.length;
	const rest =
		others.length === 0
			? ''
			: ` ${others.length} more ${others.length === 1 ? 'row' : 'rows'}: ${listed}${hidden > 0 ? `; and ${hidden} more` : ''}.`;
	// n8n would add the number that it counts from 0, "[item 1]", behind "Row 2".
	delete error.context.itemIndex;
	error.message = `Row ${row} of ${rows}: ${error.message}${rest === '' || error.message.endsWith('.') ? '' : '.'}${rest}`;
}

/**
 * The message as its reader needs it. A person reads the description below it; an AI agent is shown the message
 * alone, so there the advice has to stand in it.
 */
function messageFor(
	{ isTool }: Pick<ErrorContext, 'isTool'>,
	message: string,
	description: string,
): string {
	return isTool ? `${message.replace(/\.$/, '')}. ${description}` : message;
}
