import {
	NodeApiError,
	type ILoadOptionsFunctions,
	type INodeListSearchItems,
	type INodeListSearchResult,
} from 'n8n-workflow';

import { findModel, modelsFor, type Operation } from '../catalogue/models';
import { currencyOf, MODELS_PATH, SERVICES, type Currency } from '../catalogue/services';
import { requestError } from '../errors/nodeErrors';
import { RequestFailure } from '../errors/requestFailure';
import { findCredentialProblem } from '../request/credentialRules';
import { CREDENTIAL_TYPE, parseCredential, type Credential } from '../transport/credential';
import { getJson } from './getJson';

const LIMITS = {
	/** Short, because the user waits for the list. */
	timeouts: { silenceMs: 10_000, totalMs: 20_000 },
	/** A gateway with hundreds of models sends a few hundred kilobytes. */
	maxBytes: 4 * 1024 * 1024,
	tooLarge: 'The list of models is too large',
};

const MAX_ID_CHARACTERS = 300;

const CURRENCY_SIGNS: Record<Currency, string> = { cny: '¥', usd: '$' };

/**
 * The entries of the Model field's list: the catalogue's models with their prices for StepFun's services, and the
 * server's own models for all other servers. Throws a NodeApiError that explains why there is no list.
 */
export async function searchModels(
	this: ILoadOptionsFunctions,
	filter = '',
): Promise<INodeListSearchResult> {
	const credential = parseCredential(await this.getCredentials(CREDENTIAL_TYPE));
	const isStepFun = SERVICES.some(({ baseUrl }) => baseUrl === credential.baseUrl);
	const operation = this.getCurrentNodeParameter('operation') as Operation;
	const models = isStepFun
		? listCatalogue(operation, credential)
		: await listServer(this, credential, operation);
	const words = filter.toLowerCase().split(/\s+/);
	return {
		results: models.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word))),
	};
}

function listCatalogue(operation: Operation, { baseUrl }: Credential): INodeListSearchItems[] {
	const currency = currencyOf(baseUrl);
	return modelsFor(operation).map(({ id, description, pricePerImage }) => {
		if (!pricePerImage || !currency) return { name: id, value: id, description };
		const price = `${CURRENCY_SIGNS[currency]}${pricePerImage[currency]} per image`;
		const sentences = `${description.replace(/\.$/, '')}. ${price}.`;
		// n8n 2.40 does not show descriptions in this list, so the name contains the price too.
		return { name: `${id} (${price})`, value: id, description: sentences };
	});
}

async function listServer(
	functions: ILoadOptionsFunctions,
	credential: Credential,
	operation: Operation,
): Promise<INodeListSearchItems[]> {
	const node = functions.getNode();
	const { baseUrl, redactor } = credential;
	// The editor shows only the description of a NodeApiError, and removes all dashes from a message, so only the
	// description may contain the name of a host or a model.
	const fail = (reason: string, httpCode?: string): never => {
		const shown = {
			message: 'The list of models is not available',
			description: `${reason}. Check the credential, or set Model to 'By ID' and enter the ID of the model.`,
		};
		throw new NodeApiError(node, shown, { ...shown, httpCode });
	};
	const problem = findCredentialProblem(credential);
	if (problem) fail(problem.message);
	try {
		const { json, text } = await getJson(functions, credential, MODELS_PATH, LIMITS);
		if (json === null) throw new RequestFailure('invalidJson', { text });
		// Hides models of the catalogue that do not offer the operation, because the node would refuse them.
		const ids = readIds(json).filter((id) => {
			const model = findModel(id);
			return model === undefined || model.operations[operation] !== undefined;
		});
		if (ids.length === 0) {
			fail(`${redactor.link(baseUrl)}${MODELS_PATH} lists no models for this operation`);
		}
		return ids.map((id) => ({ name: redactor.text(id), value: id }));
	} catch (error) {
		if (!(error instanceof RequestFailure)) throw error as Error;
		const context = { node, itemIndex: 0, isTool: false };
		const { message } = requestError(context, { credential, path: MODELS_PATH }, error);
		return fail(message.replace(/\.$/, ''), error.details.status?.toString());
	}
}

/**
 * The entries of a list of models, in OpenAI's form, `{ "data": [{ "id": … }] }`, or as the bare array that some servers
 * send; `undefined` if the response is neither.
 */
export function modelEntries(json: unknown): unknown[] | undefined {
	if (Array.isArray(json)) return json;
	const { object, data } = (json ?? {}) as { object?: unknown; data?: unknown };
	// Servers in Go, such as Ollama, write an empty list as null.
	if (object === 'list' && data === null) return [];
	return Array.isArray(data) ? data : undefined;
}

function readIds(json: unknown): string[] {
	const ids = (modelEntries(json) ?? [])
		.map((entry: unknown) => (entry as { id?: unknown } | null)?.id)
		// n8n would evaluate an ID that starts with an equals sign, as an expression.
		.filter((id): id is string => typeof id === 'string' && /^\s*[^\s=]/.test(id))
		// Each ID is searched for secrets, which takes longer in longer texts.
		.filter(({ length }) => length <= MAX_ID_CHARACTERS);
	return [...new Set(ids)].sort();
}
