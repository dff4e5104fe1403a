import {
	jsonParse,
	type ICredentialsDecrypted,
	type ICredentialTestFunctions,
	type INodeCredentialTestResult,
} from 'n8n-workflow';

import { isStepFunHost, isWebAddress } from '../catalogue/services';
import { findCredentialProblem } from '../request/credentialRules';
import { authorizationHeaders, parseCredential, type Credential } from '../transport/credential';
import { toRequestFailure } from '../transport/networkFailure';

const TIMEOUT_MS = 15_000;

interface TestResponse {
	statusCode: number;
	body: unknown;
}

/** The message for a failed connection by Node.js's error code. `{host}` stands for the server's host. */
const CONNECTION_FAILURES: Array<[RegExp, string]> = [
	[/ENOTFOUND|EAI_AGAIN/, 'There is no host named {host}. Check the Base URL.'],
	[
		/ECONNREFUSED/,
		'{host} refuses the connection. Check that the server is running, and the port in the Base URL. If n8n runs in Docker, localhost is its own container.',
	],
	[
		/ETIMEDOUT|ECONNABORTED|EHOSTUNREACH|ENETUNREACH/,
		'{host} does not answer. Check the Base URL, and that this n8n can reach the server.',
	],
	[
		/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/,
		"The SSL certificate of {host} cannot be verified. Turn on 'Ignore SSL Issues (Insecure)' if the server is your own.",
	],
	[
		/EPROTO|ERR_SSL|wrong version number/,
		'{host} does not support HTTPS. Try the Base URL with http://.',
	],
];

/**
 * Tests a credential when the user saves it, by requesting the list of models, which is free.
 *
 * @returns the result, with a sentence that n8n shows in the credential's dialog
 */
export async function testStepFunApi(
	this: ICredentialTestFunctions,
	{ data = {} }: ICredentialsDecrypted,
): Promise<INodeCredentialTestResult> {
	const credential = parseCredential(data);
	const { baseUrl } = credential;
	if (!isWebAddress(baseUrl)) {
		const isOnlyWithoutScheme = isWebAddress(`https://${baseUrl}`) && !baseUrl.includes('://');
		return failed(
			isOnlyWithoutScheme
				? `The Base URL is incomplete: enter https://${baseUrl}, or http:// for a server without SSL.`
				: 'The Base URL is not a web address. It starts with https:// or http:// and usually ends in /v1.',
		);
	}
	const problem = findCredentialProblem(credential);
	if (problem) {
		return failed(`${problem.message}: ${problem.advice}`);
	}
	try {
		return toTestResult(credential, await requestModels(this, credential));
	} catch (error) {
		return failed(explainConnection(error, new URL(baseUrl).host));
	}
}

async function requestModels(
	{ helpers }: ICredentialTestFunctions,
	credential: Credential,
): Promise<TestResponse> {
	const { baseUrl, query, ignoreSslIssues } = credential;
	// The only request helper that n8n provides for credential tests.
	return (await helpers.request({
		method: 'GET',
		uri: `${baseUrl}/models${query}`,
		headers: { Accept: 'application/json', ...authorizationHeaders(credential) },
		rejectUnauthorized: !ignoreSslIssues,
		// A redirect could carry the key to another host.
		followRedirect: false,
		simple: false,
		resolveWithFullResponse: true,
		timeout: TIMEOUT_MS,
	})) as TestResponse;
}

function toTestResult(
	{ baseUrl, format }: Credential,
	{ statusCode, body }: TestResponse,
): INodeCredentialTestResult {
	const failures: Record<number, string> = {
		401: isStepFunHost(baseUrl)
			? 'The API key was not accepted. Copy it again, and check that Service is the platform that issued it: keys of platform.stepfun.com and platform.stepfun.ai are not interchangeable.'
			: 'The API key was not accepted. Copy it again, and check the headers that the server requires.',
		403: 'The API key is valid, but it is not allowed to use this service.',
		404: 'The server answers, but it has no /models at this address. Check Service and Base URL; the Base URL usually ends in /v1.',
	};
	if (statusCode === 404 && format.mayLackModels) {
		return passed('The server answers. It has no list of models, so the API key was not tested.');
	}
	if (statusCode in failures) return failed(failures[statusCode]);
	if (statusCode >= 400) {
		return failed(
			`The server answers with an error (HTTP ${statusCode}). Check Service and Base URL, or try again later.`,
		);
	}
	if (statusCode >= 300) {
		return failed(
			'The server redirects to another address. If that address is right, enter it as Base URL.',
		);
	}
	return isModelList(body)
		? passed('Connection successful!')
		: failed(
				'The server answers, but not as an image API: there is no list of models at this address. Check the Base URL; it usually ends in /v1.',
			);
}

function isModelList(body: unknown): boolean {
	const answer =
		typeof body === 'string' ? jsonParse<unknown>(body, { fallbackValue: null }) : body;
	return Array.isArray((answer as { data?: unknown } | null)?.data);
}

function explainConnection(error: unknown, host: string): string {
	const { code = '', text = '' } = toRequestFailure(error).details;
	const [, sentence] =
		CONNECTION_FAILURES.find(([pattern]) => pattern.test(`${code} ${text}`)) ?? [];
	return (sentence ?? 'The connection to {host} failed. Check Service and Base URL.').replace(
		'{host}',
		host,
	);
}

function passed(message: string): INodeCredentialTestResult {
	return { status: 'OK', message };
}

function failed(message: string): INodeCredentialTestResult {
	return { status: 'Error', message };
}
