import { createHash } from 'node:crypto';
import type { ICredentialDataDecryptedObject, IExecuteFunctions } from 'n8n-workflow';

import { ACCOUNT_DEFAULTS } from '../catalogue/defaults';
import { CUSTOM_SERVICE } from '../catalogue/services';
import type { Redactor } from '../errors/nodeErrors';
import type { AccountLimits } from './rateLimiter';
import { createRedactor } from './redact';

export const CREDENTIAL_TYPE = 'stepFunApi';

/** A header that goes along with each request. */
interface Header {
	name: string;
	value: string;
}

/** A StepFun API credential as the node uses it. */
export interface Credential {
	/** The fields as n8n decrypted them, for n8n's helpers. */
	fields: ICredentialDataDecryptedObject;
	apiKey: string;
	/** The API's address without a slash at its end; may be no web address. */
	baseUrl: string;
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
		.replace(/^bearer\s+/i, '')
		.replace(/[\r\n]+/g, '');
	const isCustom = fields.service === CUSTOM_SERVICE;
	const baseUrl = isCustom ? textOf(fields.baseUrl).replace(/\/+$/, '') : textOf(fields.service);
	const headers = readHeaders(fields, isCustom);
	return {
		fields,
		apiKey,
		baseUrl,
		headers,
		ignoreSslIssues: isCustom && fields.ignoreSSLIssues === true,
		limits: {
			concurrentRequests:
				wholeNumber(fields.concurrentRequests, 1) ?? ACCOUNT_DEFAULTS.concurrentRequests,
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

function readHeaders(fields: ICredentialDataDecryptedObject, isCustom: boolean): Header[] {
	const name = textOf(fields.headerName);
	const isWanted = isCustom && fields.addCustomHeader === true && name !== '';
	return isWanted ? [{ name, value: textOf(fields.headerSecret) }] : [];
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
