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
	const error = new NodeOperationError(context.getNode(), message, {
		description,
		itemIndex: context.getItemIndex(),
		level: 'warning',
	});
	// n8n replaces a message in which it finds an error code such as ENOENT, be it in a prompt.
	error.message = message;
	return error;
}
