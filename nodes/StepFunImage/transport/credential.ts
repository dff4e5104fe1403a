import { createHash } from 'node:crypto';
import type { ICredentialDataDecryptedObject, IExecuteFunctions } from 'n8n-workflow';

import { ACCOUNT_DEFAULTS } from '../catalogue/defaults';
import { findServerFormat, STEPFUN_FORMAT, type ServerFormat } from '../catalogue/serverFormats';
import { CUSTOM_SERVICE } from '../catalogue/services';
import type { Redactor } from '../errors/nodeErrors';
import type { AccountLimits } from './rateLimiter';
import { createRedactor } from './redact';

export const CREDENTIAL_TYPE = 'stepFunApi';

/** Part of an address that was copied from an example of a request, and that the node adds itself. */
const OPERATION_PATH = /\/images\/(generations|edits|image2image)\/*$/;

/** A header that goes along with each request. */
interface Header {
	name: string;
	value: string;
}

/** A StepFun API credential as the node uses it. */
export interface Credential {
	/** The fields as n8n decrypted them, for n8n's helpers. */
	fields: ICredentialDataDecryptedObject;
	/** Empty where the server wants none. */
	apiKey: string;
	/** The API's address without a slash at its end and without a query; may be no web address. */
	baseUrl: string;
	/** What stands behind the path of each request, such as `?api-version=2026-01-01`, or nothing. */
	query: string;
	/** Whether the user entered the address, rather than chose one of StepFun's services. */
	isCustom: boolean;
	format: ServerFormat;
	headers: Header[];
	ignoreSslIssues: boolean;
	limits: AccountLimits;
	/** Names the account whose limits count: the key, hashed, at its host. */
	accountId: string;
	redactor: Redactor;
}

/**
 * Reads the credential of an item.
 *
 * @param cache what was read before in this run: an expression may give each item another credential, so n8n is asked
 * for every item, but hands out equal copies most of the time
 * @throws what n8n throws when there is no credential
 */
export async function readCredential(
	functions: IExecuteFunctions,
	itemIndex: number,
	cache: Map<string, Credential>,
): Promise<Credential> {
	const fields = await functions.getCredentials(CREDENTIAL_TYPE, itemIndex);
	const id = JSON.stringify(fields);
	const credential = cache.get(id) ?? parseCredential(fields);
	cache.set(id, credential);
	return credential;
}

/**
 * Makes sense of a credential's fields. Spaces around a value, slashes at the end of the Base URL, and a key that was
 * copied with the word Bearer are a matter of typing, not of meaning.
 *
 * @param fields also those that the credential's form hides
 */
export function parseCredential(fields: ICredentialDataDecryptedObject): Credential {
	const apiKey = textOf(fields.apiKey)
		.replace(/[\r\n]+/g, '')
		.replace(/^bearer\s+/i, '');
	const isCustom = fields.service === CUSTOM_SERVICE;
	const [address, query] = splitQuery(textOf(isCustom ? fields.baseUrl : fields.service));
	const baseUrl = address.replace(OPERATION_PATH, '').replace(/\/+$/, '');
	const format = isCustom ? findServerFormat(fields.apiFormat) : STEPFUN_FORMAT;
	const headers = isCustom ? readHeaders(fields) : [];
	const concurrentRequests =
		wholeNumber(fields.concurrentRequests, 1) ?? ACCOUNT_DEFAULTS.concurrentRequests;
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
			// Left as it was, the number is StepFun's; most other servers draw one picture at a time.
			concurrentRequests:
				concurrentRequests === ACCOUNT_DEFAULTS.concurrentRequests
					? format.concurrentRequests
					: concurrentRequests,
			requestsPerMinute:
				wholeNumber(fields.requestsPerMinute, 0) ?? ACCOUNT_DEFAULTS.requestsPerMinute,
		},
		accountId: createHash('sha256')
			.update(`${hostOf(baseUrl)}\n${apiKey}`)
			.digest('hex'),
		redactor: createRedactor(
			[textOf(fields.apiKey), apiKey, passwordIn(baseUrl)],
			headers.map(({ value }) => value),
		),
	};
}

/** The headers that carry the credential: the key, if there is one, and those that the user added. */
export function authorizationHeaders({ apiKey, headers }: Credential): Record<string, string> {
	return {
		...(apiKey === '' ? {} : { Authorization: `Bearer ${apiKey}` }),
		...Object.fromEntries(headers.map(({ name, value }) => [name, value])),
	};
}

/** The headers of the list, and the one of credentials that were saved before there was a list. */
function readHeaders(fields: ICredentialDataDecryptedObject): Header[] {
	const { values = [] } = (fields.headers ?? {}) as { values?: unknown };
	const listed = (Array.isArray(values) ? values : []) as Array<Partial<Header>>;
	const single =
		fields.addCustomHeader === true
			? [{ name: fields.headerName, value: fields.headerSecret }]
			: [];
	return [...listed, ...single]
		.map(({ name, value }) => ({ name: textOf(name), value: textOf(value) }))
		.filter(({ name }) => name !== '');
}

function splitQuery(entered: string): [address: string, query: string] {
	// A fragment is never sent, and would keep what stands behind it from being sent.
	const [address] = entered.split('#');
	const start = address.indexOf('?');
	return start === -1 ? [address, ''] : [address.slice(0, start), address.slice(start)];
}

function textOf(value: unknown): string {
	return typeof value === 'string' ? value.trim() : '';
}

function wholeNumber(value: unknown, min: number): number | undefined {
	const number = Math.floor(Number(value));
	return value !== undefined && number >= min ? number : undefined;
}

function hostOf(url: string): string {
	return URL.canParse(url) ? new URL(url).host : url;
}

function passwordIn(url: string): string {
	if (!URL.canParse(url)) return '';
	const { password } = new URL(url);
	try {
		return decodeURIComponent(password);
	} catch {
		return password;
	}
}
