import {
	jsonParse,
	type IExecuteFunctions,
	type ILoadOptionsFunctions,
	type INodeListSearchItems,
	type INodeListSearchResult,
} from 'n8n-workflow';

import { findModel, modelsFor, type Model, type Operation } from '../catalogue/models';
import { currencyOf, isWebAddress, SERVICES, type Currency } from '../catalogue/services';
import { listError, requestError } from '../errors/nodeErrors';
import { RequestFailure } from '../errors/requestFailure';
import { CREDENTIAL_TYPE, parseCredential, type Credential } from '../transport/credential';
import { assertOk, readAll, readChunks, type ByteStream } from '../transport/response';
import { sendWithKey, withTimeout } from '../transport/send';

const MODELS_PATH = '/models';

/** A gateway with hundreds of models sends a few hundred kilobytes. */
const MAX_BYTES = 4 * 1024 * 1024;

const MAX_ID_CHARACTERS = 300;

/** Short, because the user waits for the list. */
const TIMEOUTS = { silenceMs: 10_000, totalMs: 20_000 };

const NO_LIST = 'The list of models is not available';

const NO_LIST_ADVICE =
	"Check the credential, or set Model to 'By ID' and enter the ID of the model.";

const CURRENCY_SIGNS: Record<Currency, string> = { cny: '¥', usd: '$' };

/**
 * The entries of the Model field's list: the catalogue's models with their prices for StepFun's services, and the
 * server's own models for all other servers.
 *
 * @param filter the text in the list's search field
 * @throws NodeApiError that explains why there is no list
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
			// n8n 2.40 does not show descriptions in this list, so the name contains the price too.
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
	const node = functions.getNode();
	const { baseUrl, redactor } = credential;
	const fail = (reason: string, httpCode?: string): never => {
		throw listError(node, NO_LIST, `${reason}. ${NO_LIST_ADVICE}`, httpCode);
	};
	if (!isWebAddress(baseUrl)) fail("The credential's 'Base URL' is not a web address");
	try {
		const answer = await requestModels(functions, credential);
		// Hides models of the catalogue that do not offer the operation, because the node would refuse them.
		const ids = readIds(answer).filter((id) => {
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
		const request = { baseUrl, path: MODELS_PATH };
		const { message, httpCode } = requestError(context, request, error, redactor);
		// A success status would not explain the error.
		return fail(
			message.replace(/\.$/, ''),
			error.kind === 'status' ? (httpCode ?? undefined) : undefined,
		);
	}
}

async function requestModels(
	functions: ILoadOptionsFunctions,
	credential: Credential,
): Promise<string> {
	return await withTimeout(TIMEOUTS, new AbortController().signal, async (signal, progress) => {
		const response = await sendWithKey(
			// Sending uses only the request helper, which both types of functions have.
			functions as unknown as IExecuteFunctions,
			credential,
			{ method: 'GET', path: MODELS_PATH },
			signal,
			progress,
		);
		await assertOk(response);
		const bytes = await readAll(
			readChunks(response.body as ByteStream, progress),
			MAX_BYTES,
			'The list of models is too large',
		);
		return bytes.toString('utf8');
	});
}

/** Reads OpenAI's form of the list, `{ "data": [{ "id": … }] }`, or the bare array that some servers send. */
function readIds(answer: string): string[] {
	const parsed = jsonParse<unknown>(answer, { fallbackValue: null });
	if (parsed === null) throw new RequestFailure('invalidJson', { text: answer.slice(0, 300) });
	const entries = Array.isArray(parsed) ? parsed : (parsed as { data?: unknown }).data;
	const ids = (Array.isArray(entries) ? entries : [])
		.map((entry: unknown) => (entry as { id?: unknown } | null)?.id)
		.filter((id): id is string => typeof id === 'string' && id.trim() !== '')
		// Each ID is searched for secrets, which takes longer in longer texts.
		.filter(({ length }) => length <= MAX_ID_CHARACTERS);
	return [...new Set(ids)].sort();
}
