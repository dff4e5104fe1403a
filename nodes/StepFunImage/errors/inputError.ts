import { NodeOperationError, type IExecuteSingleFunctions } from 'n8n-workflow';

import { messageFor } from './forAgents';

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
	const node = context.getNode();
	const error = new NodeOperationError(node, message, {
		description,
		itemIndex: context.getItemIndex(),
		level: 'warning',
	});
	// n8n replaces a message in which it finds an error code such as ENOENT, be it in a prompt.
	error.message = messageFor(node, message, description);
	return error;
}
