import { NodeOperationError, type IExecuteSingleFunctions } from 'n8n-workflow';

/**
 * An error for input that is refused before any request.
 *
 * @param context the item's execution context
 * @param message what is wrong, naming the field by its label
 * @param description how to go on
 */
export function inputError(
	context: IExecuteSingleFunctions,
	message: string,
	description: string,
): NodeOperationError {
	return new NodeOperationError(context.getNode(), message, {
		description,
		itemIndex: context.getItemIndex(),
		level: 'warning',
	});
}
