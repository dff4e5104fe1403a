import { SERVER_FORMATS, STEPFUN_FORMAT } from '../catalogue/serverFormats';
import { CUSTOM_SERVICE, isWebAddress, SERVICES } from '../catalogue/services';
import { Refusal } from '../errors/nodeErrors';
import type { Credential } from '../transport/credential';
import { isUnset, showValue } from './validators';

/** Valid names of headers (RFC 9110, 5.1), and values that Node.js can send. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Headers that the node or the HTTP client sets. */
const RESERVED_HEADERS =
	/^(content-length|content-type|host|transfer-encoding|trailer|connection)$/i;

/**
 * Finds what keeps a credential from being used. The refusal names the field, but not its value; its description
 * continues "Open the StepFun API credential and".
 */
export function findCredentialProblem(credential: Credential): Refusal | undefined {
	const { apiKey, baseUrl, isCustom, headers, fields } = credential;
	if (!isCustom && !isWebAddress(baseUrl)) {
		const services = [...SERVICES.map((service) => service.baseUrl), CUSTOM_SERVICE];
		return noChoice('Service', fields.service, services);
	}
	if (!isWebAddress(baseUrl)) {
		return new Refusal(
			"The credential's 'Base URL' is not a web address",
			'enter an address that starts with https:// or http://, such as https://images.example.com/v1.',
		);
	}
	const { username, password } = new URL(baseUrl);
	if (username !== '' || password !== '') {
		return new Refusal(
			"The credential's 'Base URL' contains a user name or a password, which would replace the API key",
			"remove them from the address. If the server needs such a login, add it as a header named Authorization under 'Headers'.",
		);
	}
	if (apiKey === '' && !isCustom) {
		return new Refusal("The credential's 'API Key' is empty", 'enter the key.');
	}
	if (!HEADER_VALUE.test(apiKey)) {
		return new Refusal(
			"The credential's 'API Key' contains a character that cannot be sent",
			'copy the key again; it should contain only letters, digits and punctuation.',
		);
	}
	// Credentials older than the field have none, which means StepFun's own format.
	const { apiFormat = STEPFUN_FORMAT.value } = fields;
	const formats = SERVER_FORMATS.map(({ value }) => value);
	if (isCustom && !formats.some((value) => value === apiFormat)) {
		return noChoice('API Format', apiFormat, formats);
	}
	const names = headers.map(({ name }) => name.toLowerCase());
	for (const { name, value } of headers) {
		if (names.indexOf(name.toLowerCase()) !== names.lastIndexOf(name.toLowerCase())) {
			return new Refusal(
				`The credential contains the header '${name.slice(0, 60)}' several times`,
				'keep one of them. It may contain several values, separated by commas.',
			);
		}
		if (!HEADER_NAME.test(name) || RESERVED_HEADERS.test(name)) {
			return new Refusal(
				`The header '${name.slice(0, 60)}' of the credential cannot be sent`,
				'correct its name. It may contain letters, digits and hyphens, and must not be a header that the node sets itself.',
			);
		}
		if (!HEADER_VALUE.test(value)) {
			return new Refusal(
				`The value of the header '${name}' of the credential contains a character that cannot be sent`,
				'copy the value again.',
			);
		}
	}
	return undefined;
}

/** The refusal for a field with a list of choices whose value is none of them. */
function noChoice(label: string, value: unknown, choices: string[]): Refusal {
	return new Refusal(
		`The credential's '${label}' is ${isUnset(value) ? 'empty' : `${showValue(value)}, which does not exist`}`,
		`choose one from the list, or make the expression return one of ${choices.join(', ')}.`,
	);
}

/** Refuses a credential that cannot be used. Names the field, but not its value. */
export function assertCredential(credential: Credential): void {
	const problem = findCredentialProblem(credential);
	if (!problem) return;
	throw new Refusal(problem.message, `Open the StepFun API credential and ${problem.description}`);
}
