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
 */
export function errorItem(
	context: IExecuteSingleFunctions,
	error: NodeApiError | NodeOperationError,
): INodeExecutionData {
	return {
		json: {
			error: error.message,
			details: {
				description: error.description ?? null,
				httpCode: 'httpCode' in error ? error.httpCode : null,
			},
		},
		pairedItem: { item: context.getItemIndex() },
	};
}
