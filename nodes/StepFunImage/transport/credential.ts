import { createHash } from 'node:crypto';
import type { ICredentialDataDecryptedObject } from 'n8n-workflow';

import { ACCOUNT_DEFAULTS } from '../catalogue/defaults';
import { findServerFormat, STEPFUN_FORMAT, type ServerFormat } from '../catalogue/serverFormats';
import { CUSTOM_SERVICE, decodeUrl, hostOf } from '../catalogue/services';
import type { Redactor } from '../errors/messages';
import type { AccountLimits } from './rateLimiter/credentialLimits';
import { createRedactor } from './redact';

export const CREDENTIAL_TYPE = 'stepFunApi';

/** The path of an operation, which the node adds itself, but users copy along with the Base URL. */
const OPERATION_PATH = /\/images\/(generations|edits|image2image)\/*$/;

/** The names of query parameters that may contain a key, which some gateways accept there. */
const SECRET_PARAMETER = /key|token|secret|sig|auth|pass|code/i;

/** The names of headers whose values may contain a secret besides other words, such as `Bearer` or the name of a cookie. */
const SECRET_HEADER = /key|token|secret|auth|pass|cookie/i;

interface Header {
	name: string;
	value: string;
}

/** What a request needs to be accepted. */
interface Authorization {
	/** Empty if the server needs no key. */
	apiKey: string;
	/** The user's own headers. */
	headers: Header[];
}

/** A StepFun API credential as the node uses it. */
export interface Credential extends Authorization {
	/** The decrypted fields, for n8n's helpers. */
	fields: ICredentialDataDecryptedObject;
	/** The API's address without a trailing slash and without a query. Not validated. */
	baseUrl: string;
	/** The query to append to each request's path, such as `?api-version=2026-01-01`, or an empty text. */
	query: string;
	/** Whether the user entered the address instead of choosing one of StepFun's services. */
	isCustom: boolean;
	format: ServerFormat;
	ignoreSslIssues: boolean;
	limits: AccountLimits;
	/** Identifies the account that the limits belong to: a hash of the host, and the key or what stands in for it. */
	accountId: string;
	/** Identifies credentials whose requests fail in the same way: a hash of the address, the key and the headers. */
	scopeId: string;
	redactor: Redactor;
}

/**
 * Parses a credential's fields, including those that its form hides. It removes spaces around values, invisible
 * characters, trailing slashes from the Base URL, and a leading "Bearer" from the key.
 */
export function parseCredential(fields: ICredentialDataDecryptedObject): Credential {
	const { apiKey, headers } = readAuthorization(fields);
	const isCustom = fields.service === CUSTOM_SERVICE;
	const [address, query] = splitQuery(textOf(isCustom ? fields.baseUrl : fields.service));
	const baseUrl = address.replace(OPERATION_PATH, '').replace(/\/+$/, '');
	const format = isCustom ? findServerFormat(fields.apiFormat) : STEPFUN_FORMAT;
	const password = URL.canParse(baseUrl) ? decodeUrl(new URL(baseUrl).password) : '';
	// Other values of a query, such as a version, are not secrets.
	const parameters = [...new URLSearchParams(query)].filter(([name]) =>
		SECRET_PARAMETER.test(name),
	);
	const defaults = ACCOUNT_DEFAULTS;
	const concurrentRequests = wholeNumber(fields.concurrentRequests, 1, defaults.concurrentRequests);
	// The default is StepFun's limit, but most other servers generate one image at a time.
	const isDefault = concurrentRequests === defaults.concurrentRequests;
	return {
		fields,
		apiKey,
		baseUrl,
		query,
		isCustom,
		format,
		headers,
		ignoreSslIssues: isCustom && fields.ignoreSSLIssues === true,
		limits: {
			concurrentRequests: isDefault ? format.concurrentRequests : concurrentRequests,
			requestsPerMinute: wholeNumber(fields.requestsPerMinute, 0, defaults.requestsPerMinute),
		},
		// Without a key, the headers or the query identify the account.
		accountId: hashOf(hostOf(baseUrl), apiKey || query + JSON.stringify(headers)),
		scopeId: hashOf(baseUrl, query, apiKey, JSON.stringify(headers)),
		redactor: createRedactor(
			[textOf(fields.apiKey), apiKey, password, ...parameters.map(([, value]) => value)],
			headers.flatMap(({ name, value }) =>
				SECRET_HEADER.test(name) ? [value, ...value.split(/[\s=;,]+/)] : [value],
			),
		),
	};
}

/** Reads the key and the headers alone, which n8n asks for with each request. */
export function readAuthorization(fields: ICredentialDataDecryptedObject): Authorization {
	return {
		apiKey: textOf(fields.apiKey)
			.replace(/[\r\n]+/g, '')
			.replace(/^(authorization:\s*)?bearer(\s+|$)/i, ''),
		headers: fields.service === CUSTOM_SERVICE ? readHeaders(fields) : [],
	};
}

/** The headers for each request: the key, if there is one, and the user's own headers. */
export function authorizationHeaders({ apiKey, headers }: Authorization): Record<string, string> {
	return {
		...(apiKey === '' ? {} : { Authorization: `Bearer ${apiKey}` }),
		...Object.fromEntries(headers.map(({ name, value }) => [name, value])),
	};
}

/**
 * The headers of the list, and the single header of credentials from versions without the list. The form hides the
 * single one, so one of the same name in the list replaces it.
 */
function readHeaders(fields: ICredentialDataDecryptedObject): Header[] {
	const { headers, addCustomHeader, headerName, headerSecret } = fields;
	const { values } = (headers ?? {}) as { values?: unknown };
	const listed = (Array.isArray(values) ? values : []) as Array<Partial<Header>>;
	const toHeader = (name: unknown, value: unknown) => ({
		name: textOf(name),
		value: textOf(value),
	});
	const inList = listed.map(({ name, value }) => toHeader(name, value));
	const single = toHeader(addCustomHeader === true && headerName, headerSecret);
	const isReplaced = inList.some(({ name }) => name.toLowerCase() === single.name.toLowerCase());
	return [...inList, ...(isReplaced ? [] : [single])].filter(({ name }) => name !== '');
}

function splitQuery(entered: string): [address: string, query: string] {
	// A fragment is never sent, and neither would be the path after it.
	const [address] = entered.split('#');
	const start = address.indexOf('?');
	return start === -1 ? [address, ''] : [address.slice(0, start), address.slice(start)];
}

/** Reads a text without invisible characters, which are copied along. Expressions may also return numbers. */
function textOf(value: unknown): string {
	const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
	return text.replace(/\p{Default_Ignorable_Code_Point}/gu, '').trim();
}

function wholeNumber(value: unknown, min: number, otherwise: number): number {
	const number = Math.floor(Number(value ?? NaN));
	return number >= min ? number : otherwise;
}

function hashOf(...parts: string[]): string {
	return createHash('sha256').update(parts.join('\n')).digest('hex');
}
