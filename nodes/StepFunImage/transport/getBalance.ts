import type {
	DeclarativeRestApiSettings,
	IDataObject,
	IExecutePaginationFunctions,
	IHttpRequestOptions,
	INodeExecutionData,
} from 'n8n-workflow';

import { balanceCurrencyOf } from '../catalogue/hosts';
import { MODELS } from '../catalogue/models';
import { apiError } from '../errors/apiError';
import { canceledError } from '../errors/canceled';
import { asNodeError, errorItem } from '../errors/errorItem';
import { failureError, failureOf } from '../errors/failure';
import { strikeOutSecrets, type StrikeOut } from '../errors/strikeOut';
import { checkBaseUrl } from '../request/baseUrl';
import { besideInput, wantsInputFields } from '../response/besideInput';
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
		checkBaseUrl(this, options.baseURL);
		const account = await timed(
			DEFAULT_PATIENCE.timeoutSeconds * 1000,
			this.getExecutionCancelSignal() ?? new AbortController().signal,
			async (signal) => {
				const response = await sendWithKey(this, options, signal);
				await refuseErrorStatus(response);
				return await readJson(response.body as ByteStream);
			},
		);
		const json = toBalance(account, options.baseURL ?? '', strikeOut);
		const userOptions = this.getNodeParameter('options', {}) as IDataObject;
		return [besideInput(this, { json }, wantsInputFields(userOptions))];
	} catch (error) {
		if (this.getExecutionCancelSignal()?.aborted) throw canceledError(this);
		const failure = failureOf(error);
		const shown = failure
			? apiError(this, { options, isForBalance: true }, failure, strikeOut)
			: asNodeError(this, error);
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
	const parsed = parseJson(text);
	if (typeof parsed?.balance !== 'number') throw failureError({ kind: 'noBalance', text });
	return parsed;
}

function parseJson(text: string): IDataObject | null {
	try {
		return JSON.parse(text) as IDataObject | null;
	} catch {
		throw failureError({ kind: 'notJson', text });
	}
}

function toBalance(account: IDataObject, baseUrl: string, strikeOut: StrikeOut): IDataObject {
	const balance = account.balance as number;
	return {
		type: typeof account.type === 'string' ? strikeOut(account.type) : null,
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
			// In whole fen, because 0.06 / 0.02 is a little less than 3. What floating point makes of 0.29
			// is a little less than 29 fen, while half a fen buys nothing.
			const fen = Math.floor(balance * 100 + 1e-6);
			const count = Math.floor(fen / Math.round(pricePerImage.cny * 100));
			return [[id, Math.max(0, count)]];
		}),
	);
}

function amountOf(value: unknown): number | null {
	return typeof value === 'number' ? value : null;
}
