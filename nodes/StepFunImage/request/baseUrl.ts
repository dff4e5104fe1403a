import type { IExecuteSingleFunctions } from 'n8n-workflow';

import { isWebAddress } from '../catalogue/hosts';
import { inputError } from '../errors/inputError';

/**
 * Refuses an address that no request can be sent to.
 *
 * @param context the item's execution context
 * @param baseUrl the credential's Base URL
 * @throws NodeOperationError when it is no web address
 */
export function checkBaseUrl(context: IExecuteSingleFunctions, baseUrl = ''): void {
	if (isWebAddress(baseUrl)) return;
	throw inputError(
		context,
		"The credential's 'Base URL' is not a web address",
		'Open the StepFun API credential and enter an address that starts with https:// or http://, such as https://images.example.com/v1.',
	);
}
