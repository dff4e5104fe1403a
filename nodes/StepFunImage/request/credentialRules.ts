import { isWebAddress } from '../catalogue/services';
import { inputError } from '../errors/nodeErrors';
import type { Credential } from '../transport/credential';
import type { ItemContext } from './types';

/** Valid names of headers (RFC 9110, 5.1), and values that Node.js can send. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Headers that the node or the HTTP client sets. */
const RESERVED_HEADERS = /^(content-length|content-type|host|transfer-encoding|connection)$/i;

/**
 * Refuses a credential that cannot be used for a request.
 *
 * @throws NodeOperationError that names the field of the credential, but not its value
 */
export function assertCredential(item: ItemContext, credential: Credential): void {
	const { apiKey, baseUrl, isCustom, headers } = credential;
	const refuse = (message: string, description: string): never => {
		throw inputError(item, message, `Open the StepFun API credential and ${description}`);
	};
	if (!isWebAddress(baseUrl)) {
		refuse(
			"The credential's 'Base URL' is not a web address",
			'enter an address that starts with https:// or http://, such as https://images.example.com/v1.',
		);
	}
	const { username, password } = new URL(baseUrl);
	if (username !== '' || password !== '') {
		refuse(
			"The credential's 'Base URL' contains a user name or a password, which would replace the API key",
			"remove them from the address. If the server needs such a login, add it as a header named Authorization under 'Headers'.",
		);
	}
	if (apiKey === '' && !isCustom) refuse("The credential's 'API Key' is empty", 'enter the key.');
	if (!HEADER_VALUE.test(apiKey)) {
		refuse(
			"The credential's 'API Key' contains a character that cannot be sent",
			'copy the key again; it should contain only letters, digits and punctuation.',
		);
	}
	for (const { name, value } of headers) {
		if (!HEADER_NAME.test(name) || RESERVED_HEADERS.test(name)) {
			refuse(
				`The header '${name.slice(0, 60)}' of the credential cannot be sent`,
				'correct its name. It may contain letters, digits and hyphens, and must not be a header that the node sets itself.',
			);
		}
		if (!HEADER_VALUE.test(value)) {
			refuse(
				`The value of the header '${name}' of the credential contains a character that cannot be sent`,
				'copy the value again.',
			);
		}
	}
}
