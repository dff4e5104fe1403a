import {
	jsonParse,
	type IExecuteFunctions,
	type ILoadOptionsFunctions,
	type INodeListSearchItems,
	type INodeListSearchResult,
} from 'n8n-workflow';

import { findModel, modelsFor, type Model, type Operation } from '../catalogue/models';
import { currencyOf, isWebAddress, SERVICES, type Currency } from '../catalogue/services';
import { inputError, requestError } from '../errors/nodeErrors';
import { RequestFailure } from '../errors/requestFailure';
import { CREDENTIAL_TYPE, parseCredential, type Credential } from '../transport/credential';
import {
	assertOk,
	readAll,
	readChunks,
	sendWithKey,
	withTimeout,
	type ByteStream,
} from '../transport/send';

const MODELS_PATH = '/models';

/** A gateway in front of hundreds of models sends a few hundred kilobytes. */
const MAX_BYTES = 4 * 1024 * 1024;

const MAX_ID_CHARACTERS = 300;

/** Somebody waits for the list. */
const TIMEOUTS = { silenceMs: 10_000, totalMs: 20_000 };

const BY_ID_ADVICE = "Set Model to 'By ID' and enter the ID of the model.";

const CURRENCY_SIGNS: Record<Currency, string> = { cny: '¥', usd: '$' };

/**
 * The models that the Model field lists: those of the catalogue with their prices for StepFun's services, and the
 * server's own for a gateway or a server of the user's own.
 *
 * @param filter what the user typed into the list's search
 * @throws NodeOperationError that says why there is no list
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
		const price = priceOf(pricePerImage, currency);
		return {
			// n8n 2.40 shows no description in this list, so the price stands in the name as well.
			name: price === undefined ? id : `${id} (${price} per image)`,
			value: id,
			description: price === undefined ? description : `${description} ${price} per image.`,
		};
	});
}

function priceOf(pricePerImage: Model['pricePerImage'], currency: Currency | undefined) {
	return pricePerImage && currency && `${CURRENCY_SIGNS[currency]}${pricePerImage[currency]}`;
}

async function listServer(
	functions: ILoadOptionsFunctions,
	credential: Credential,
	operation: Operation,
): Promise<INodeListSearchItems[]> {
	const context = { node: functions.getNode(), itemIndex: 0, isTool: false };
	const { baseUrl, redactor } = credential;
	const fail = (reason: string): never => {
		throw inputError(context, reason, BY_ID_ADVICE);
	};
	if (!isWebAddress(baseUrl)) fail("The credential's 'Base URL' is not a web address");
	try {
		const answer = await requestModels(functions, credential);
		// A model that the node knows, and knows not to offer the operation, would be refused.
		const ids = readIds(answer).filter((id) => {
			const model = findModel(id);
			return model === undefined || model.operations[operation] !== undefined;
		});
		if (ids.length === 0) fail(`${baseUrl}${MODELS_PATH} lists no models for this operation`);
		return ids.map((id) => ({ name: redactor.text(id), value: id }));
	} catch (error) {
		if (!(error instanceof RequestFailure)) throw error as Error;
		return fail(requestError(context, { baseUrl, path: MODELS_PATH }, error, redactor).message);
	}
}

async function requestModels(
	functions: ILoadOptionsFunctions,
	credential: Credential,
): Promise<string> {
	return await withTimeout(TIMEOUTS, new AbortController().signal, async (signal, onAlive) => {
		const response = await sendWithKey(
			// Of a node's functions, sending uses the request helper, which both kinds have.
			functions as unknown as IExecuteFunctions,
			credential,
			{ method: 'GET', path: MODELS_PATH },
			signal,
		);
		await assertOk(response);
		const bytes = await readAll(
			readChunks(response.body as ByteStream, onAlive),
			MAX_BYTES,
			'The list of models is too large',
		);
		return bytes.toString('utf8');
	});
}

/** OpenAI's form of the list, `{ "data": [{ "id": … }] }`, or the bare list that some servers send. */
function readIds(answer: string): string[] {
	const parsed = jsonParse<unknown>(answer, { fallbackValue: null });
	if (parsed === null) throw new RequestFailure('invalidJson', { text: answer.slice(0, 300) });
	const entries = Array.isArray(parsed) ? parsed : (parsed as { data?: unknown }).data;
	const ids = (Array.isArray(entries) ? entries : [])
		.map((entry: unknown) => (entry as { id?: unknown } | null)?.id)
		.filter((id): id is string => typeof id === 'string' && id.trim() !== '')
		// Each is searched for secrets, which takes the longer the more of it there is.
		.filter(({ length }) => length <= MAX_ID_CHARACTERS);
	return [...new Set(ids)].sort();
}
