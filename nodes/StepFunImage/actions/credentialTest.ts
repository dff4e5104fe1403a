import {
	jsonParse,
	type ICredentialsDecrypted,
	type ICredentialTestFunctions,
	type IN8nHttpFullResponse,
	type INodeCredentialTestResult,
} from 'n8n-workflow';

import { isWebAddress, MODELS_PATH } from '../catalogue/services';
import { explainFailure } from '../errors/messages';
import type { RequestFailure } from '../errors/requestFailure';
import { findCredentialProblem } from '../request/credentialRules';
import { authorizationHeaders, parseCredential, type Credential } from '../transport/credential';
import { toRequestFailure } from '../transport/networkFailure';
import { toStatusFailure } from '../transport/response';
import { withTimeout } from '../transport/timeLimits';
import { modelEntries } from './searchModels';

/** How long the server may take to respond. */
const TIMEOUT_MS = 15_000;
/** How long it may take in all, because its response may never end. */
const TOTAL_TIMEOUT_MS = 20_000;

/** A version in an address, such as `/v1`, `/v1beta`, or Azure's `?api-version=2025-04-01-preview`. */
const VERSION = /\/v\d|[?&]api-version=/;

/** An address that starts with its host, and has no login, which the message must not show. */
const WITHOUT_SCHEME = /^(?!\w+:(?!\d))[^/\\@][^@]*$/;

/** Hosts of private networks, whose servers mostly have no certificate. */
const LOCAL_HOST =
	/^((10|127|192\.168|172\.(1[6-9]|2\d|3[01]))\.[\d.]+|[^./:]+|\[::1\]|\S+\.(localhost|local|lan|internal))([:/]|$)/i;

/** Tests a credential when the user saves it, by requesting the list of models, which is free. */
export async function testStepFunApi(
	this: ICredentialTestFunctions,
	{ data = {} }: ICredentialsDecrypted,
): Promise<INodeCredentialTestResult> {
	const credential = parseCredential(data);
	const { baseUrl, isCustom } = credential;
	if (isCustom && !isWebAddress(baseUrl)) {
		const isOnlyWithoutScheme = WITHOUT_SCHEME.test(baseUrl) && isWebAddress(`https://${baseUrl}`);
		return failed(
			isOnlyWithoutScheme
				? `The Base URL is incomplete: enter ${LOCAL_HOST.test(baseUrl) ? 'http' : 'https'}://${baseUrl}.`
				: 'The Base URL is not a web address. It starts with https:// or http:// and usually ends in /v1.',
		);
	}
	const problem = findCredentialProblem(credential);
	if (problem) return failed(`${problem.message}: ${problem.description}`);
	try {
		const timeouts = { silenceMs: TOTAL_TIMEOUT_MS, totalMs: TOTAL_TIMEOUT_MS };
		const { signal } = new AbortController();
		return await withTimeout(timeouts, signal, async () => await requestModels(this, credential));
	} catch (error) {
		return failed(explain(credential, toRequestFailure(error)));
	}
}

async function requestModels(
	{ helpers }: ICredentialTestFunctions,
	credential: Credential,
): Promise<INodeCredentialTestResult> {
	const { baseUrl, query, ignoreSslIssues, format } = credential;
	// The only request helper that n8n provides for credential tests.
	const response = (await helpers.request({
		method: 'GET',
		uri: `${baseUrl}${MODELS_PATH}${query}`,
		headers: { Accept: 'application/json', ...authorizationHeaders(credential) },
		rejectUnauthorized: !ignoreSslIssues,
		// A redirect could carry the key to another host.
		followRedirect: false,
		simple: false,
		resolveWithFullResponse: true,
		timeout: TIMEOUT_MS,
	})) as IN8nHttpFullResponse;
	const { statusCode: status, body } = response;
	// n8n does not show the message of a passed test, so an address without a version, which may be wrong, must not pass.
	if (status === 404 && format.mayLackModels && VERSION.test(baseUrl + query)) {
		return passed('The server responds. It has no list of models, so the API key was not tested.');
	}
	if (status >= 300) {
		const text = typeof body === 'object' ? JSON.stringify(body) : String(body ?? '');
		throw toStatusFailure(response, text);
	}
	const json = typeof body === 'string' ? jsonParse<unknown>(body, { fallbackValue: null }) : body;
	return modelEntries(json)
		? passed('Connection successful!')
		: failed(
				'The server responds, but not as an image API: there is no list of models at this address. Check Service and Base URL; the Base URL usually ends in /v1.',
			);
}

/** What failed and what to do, for the credential's dialog. The message of a failed connection contains codes. */
function explain(credential: Credential, failure: RequestFailure): string {
	const { message, advice } = explainFailure({ credential, path: MODELS_PATH }, failure);
	const happened = failure.kind === 'connection' ? '' : `${message.replace(/\.$/, '')}. `;
	// The user is in that credential already.
	return (happened + advice).replace(' in the StepFun API credential', '');
}

function passed(message: string): INodeCredentialTestResult {
	return { status: 'OK', message };
}

function failed(message: string): INodeCredentialTestResult {
	return { status: 'Error', message };
}
