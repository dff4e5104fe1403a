import { NodeOperationError, type IExecuteSingleFunctions } from 'n8n-workflow';

/**
 * The error of an item that was under way when the user stopped the execution.
 *
 * @param context the item's execution context
 */
export function canceledError(context: IExecuteSingleFunctions): NodeOperationError {
	return new NodeOperationError(context.getNode(), 'The execution was canceled', {
		itemIndex: context.getItemIndex(),
		level: 'warning',
	});
}
