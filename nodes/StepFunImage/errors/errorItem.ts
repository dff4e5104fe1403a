import {
	NodeApiError,
	NodeOperationError,
	type IExecuteSingleFunctions,
	type INodeExecutionData,
} from 'n8n-workflow';

/** An error as n8n shows it, whatever was thrown. */
export function asNodeError(
	context: IExecuteSingleFunctions,
	error: unknown,
): NodeApiError | NodeOperationError {
	return error instanceof NodeApiError || error instanceof NodeOperationError
		? error
		: new NodeOperationError(context.getNode(), error as Error, {
				itemIndex: context.getItemIndex(),
			});
}

/**
 * The item that stands for a failed one when the workflow goes on. n8n knows it by these fields of its
 * JSON; were the error itself on the item, n8n would leave nothing but its message.
 *
 * For the error output the fields are error and message: n8n before 2.37 sends an item there by these two
 * alone, and one with other fields out among the images.
 */
export function errorItem(
	context: IExecuteSingleFunctions,
	error: NodeApiError | NodeOperationError,
): INodeExecutionData {
	const details = {
		description: error.description ?? null,
		httpCode: 'httpCode' in error ? error.httpCode : null,
	};
	const field = context.getNode().onError === 'continueErrorOutput' ? 'message' : 'details';
	return {
		json: { error: error.message, [field]: details },
		pairedItem: { item: context.getItemIndex() },
	};
}
