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
import type { StrikeOut } from '../errors/strikeOut';
import { checkBaseUrl } from '../request/baseUrl';
import { besideInput, wantsInputFields } from '../response/besideInput';
import type { ByteStream } from '../response/image';
import { accountOf, type Account } from './account';
import { sendUntilAnswered } from './attempts';
import { sendWithKey } from './exchange';
import { received, refuseErrorStatus, timed } from './network';
import { DEFAULT_PATIENCE } from './patience';
import { joinRun, type Run } from './run';

/** An account is a few numbers; this stops a server that never ends. */
const MAX_BYTES = 64 * 1024;

interface BalanceRequest {
	context: IExecutePaginationFunctions;
	/** Address, headers, proxy and so on, as n8n's routing resolved them. */
	options: IHttpRequestOptions;
	run: Run;
	account: Account;
}

/**
 * Gets what is left on the account, and how many images of each model that buys. The account is asked
 * once for all items of a run.
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
	const run = joinRun(this);
	try {
		const options = requestData.options as IHttpRequestOptions;
		checkBaseUrl(this, options.baseURL);
		const { account, strikeOut } = await accountOf(this, run, { options });
		const request: BalanceRequest = { context: this, options, run, account };
		const said = await askOnce(request).catch((error: unknown) => {
			const failure = failureOf(error);
			throw failure ? apiError(this, { options, isForBalance: true }, failure, strikeOut) : error;
		});
		const json = toBalance(said, options.baseURL ?? '', strikeOut);
		const userOptions = this.getNodeParameter('options', {}) as IDataObject;
		return [besideInput(this, { json }, wantsInputFields(userOptions))];
	} catch (error) {
		if (this.getExecutionCancelSignal()?.aborted) throw canceledError(this);
		const shown = asNodeError(this, error);
		if (!this.continueOnFail()) throw shown;
		return [errorItem(this, shown)];
	}
}

/** The answers of each run, by the account and by what was asked. */
const answers = new WeakMap<Run, Map<Account, Map<string, Promise<IDataObject>>>>();

/** Asks once in a run: n8n starts all items in one go, and the account is the same for all of them. */
async function askOnce(request: BalanceRequest): Promise<IDataObject> {
	const { options, run, account } = request;
	const ofRun = answers.get(run) ?? new Map<Account, Map<string, Promise<IDataObject>>>();
	answers.set(run, ofRun);
	// Expressions may give each item another account, or other Request Options.
	const ofAccount = ofRun.get(account) ?? new Map<string, Promise<IDataObject>>();
	ofRun.set(account, ofAccount);
	const question = JSON.stringify(options);
	const answer = ofAccount.get(question) ?? ask(request);
	ofAccount.set(question, answer);
	return await answer;
}

async function ask({ context, options, run, account }: BalanceRequest): Promise<IDataObject> {
	const { timeoutSeconds, maxTries, giveUpAfterSeconds } = DEFAULT_PATIENCE;
	// A signal of its own, since Node warns of many listeners on a shared one.
	const signal = AbortSignal.any([run.signal]);
	try {
		const { answer } = await sendUntilAnswered({
			run,
			account,
			patience: { maxTries, giveUpAfterMs: giveUpAfterSeconds * 1000 },
			signal,
			send: async () =>
				await timed(timeoutSeconds * 1000, signal, async (timedSignal) => {
					const response = await sendWithKey(context, options, timedSignal);
					await refuseErrorStatus(response);
					return await readJson(response.body as ByteStream);
				}),
		});
		return answer;
	} catch (error) {
		// All that breaks a request is a failure, but for the end of the execution.
		throw failureOf(error) ? (error as Error) : canceledError(context);
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
