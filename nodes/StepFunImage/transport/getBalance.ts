import {
	jsonParse,
	type DeclarativeRestApiSettings,
	type IDataObject,
	type IExecutePaginationFunctions,
	type IHttpRequestOptions,
	type INodeExecutionData,
} from 'n8n-workflow';

import { balanceCurrencyOf } from '../catalogue/hosts';
import { MODELS } from '../catalogue/models';
import { apiError } from '../errors/apiError';
import { asNodeError, errorItem } from '../errors/errorItem';
import { failureError, failureOf } from '../errors/failure';
import { strikeOutSecrets, type StrikeOut } from '../errors/strikeOut';
import type { ByteStream } from '../response/image';
import { sendWithKey } from './exchange';
import { received, refuseErrorStatus, timed } from './network';
import { DEFAULT_PATIENCE } from './patience';

/** An account is a few numbers; this stops a server that never ends. */
const MAX_BYTES = 64 * 1024;

/**
 * Gets what is left on the account, and how many images of each model that buys.
 *
 * Source of the fields: StepFun's API reference for GET /accounts.
 *
 * @param requestData what n8n's routing made of the node's declarations
 * @returns one item
 * @throws NodeApiError, in stop mode
 */
export async function getBalance(
	this: IExecutePaginationFunctions,
	requestData: DeclarativeRestApiSettings.ResultOptions,
): Promise<INodeExecutionData[]> {
	const options = requestData.options as IHttpRequestOptions;
	const strikeOut = strikeOutSecrets(await this.getCredentials('stepFunApi'));
	try {
		const account = await timed(
			DEFAULT_PATIENCE.timeoutSeconds * 1000,
			this.getExecutionCancelSignal() ?? new AbortController().signal,
			async (signal) => {
				const response = await sendWithKey(this, options, signal);
				await refuseErrorStatus(response);
				return await readJson(response.body as ByteStream);
			},
		);
		return [beside(this, toBalance(account, options.baseURL ?? '', strikeOut))];
	} catch (error) {
		const failure = failureOf(error);
		const shown = failure
			? apiError(this, { options }, failure, strikeOut)
			: asNodeError(this, error);
		if (failure?.kind === 'status' && failure.status === 404) {
			shown.description = `Not every region and server tells the balance. ${shown.description ?? ''}`;
		}
		if (!this.continueOnFail()) throw shown;
		return [errorItem(this, shown)];
	}
}

async function readJson(stream: ByteStream): Promise<IDataObject> {
	const chunks: Buffer[] = [];
	let bytes = 0;
	for await (const chunk of received(stream)) {
		bytes += chunk.length;
		if (bytes > MAX_BYTES) {
			throw failureError({ kind: 'tooLarge', text: 'The answer is far larger than an account is' });
		}
		chunks.push(chunk);
	}
	const text = Buffer.concat(chunks).toString('utf8');
	const parsed = jsonParse<IDataObject | null>(text, { fallbackValue: null });
	if (typeof parsed?.balance !== 'number') throw failureError({ kind: 'notJson', text });
	return parsed;
}

function toBalance(account: IDataObject, baseUrl: string, strikeOut: StrikeOut): IDataObject {
	const balance = account.balance as number;
	return {
		type: typeof account.type === 'string' ? strikeOut.ofText(account.type) : null,
		balance,
		totalCashBalance: amountOf(account.total_cash_balance),
		totalVoucherBalance: amountOf(account.total_voucher_balance),
		currency: balanceCurrencyOf(baseUrl)?.toUpperCase() ?? null,
		buysImages: imagesFor(balance),
	};
}

/**
 * How many images of each model a balance buys. It is counted in yuan, whose figures are the larger
 * ones of the price list, so an account that turns out to be in dollars buys more, never less.
 */
function imagesFor(balance: number): IDataObject {
	return Object.fromEntries(
		MODELS.flatMap(({ id, pricePerImage }) => {
			if (!pricePerImage) return [];
			// In fen, because 0.06 / 0.02 is a little less than 3.
			const count = Math.floor(Math.round(balance * 100) / Math.round(pricePerImage.cny * 100));
			return [[id, Math.max(0, count)]];
		}),
	);
}

/** The item that leaves the node: the result, and the input's fields if they are wanted. */
function beside(context: IExecutePaginationFunctions, result: IDataObject): INodeExecutionData {
	const { includeInputFields } = context.getNodeParameter('options', {}) as IDataObject;
	const input =
		includeInputFields === true || includeInputFields === 'true'
			? context.getInputData()
			: undefined;
	return {
		json: { ...input?.json, ...result },
		...(input?.binary ? { binary: input.binary } : {}),
		pairedItem: { item: context.getItemIndex() },
	};
}

function amountOf(value: unknown): number | null {
	return typeof value === 'number' ? value : null;
}
