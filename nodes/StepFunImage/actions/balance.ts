import type { IDataObject, INodeExecutionData } from 'n8n-workflow';

import { RETRY_DEFAULTS } from '../catalogue/defaults';
import { MODELS } from '../catalogue/models';
import { balanceCurrencyOf } from '../catalogue/services';
import { requestError } from '../errors/nodeErrors';
import { RequestFailure } from '../errors/requestFailure';
import { assertCredential } from '../request/credentialRules';
import { readIncludeInput } from '../request/readParameters';
import type { ItemContext } from '../request/types';
import type { Credential } from '../transport/credential';
import { rateLimiterFor } from '../transport/rateLimiter';
import { assertOk, readAll, readChunks, type ByteStream } from '../transport/response';
import { retry } from '../transport/retry';
import { sendWithKey, withTimeout } from '../transport/send';
import type { Progress } from '../transport/timeLimits';
import { mergeInput } from './outputItems';
import { RUN_SCOPE, type Action, type RunState } from './runState';

/** An account is a few numbers; the limit guards against endless responses. */
const MAX_BYTES = 64 * 1024;

/** How much to show of an answer without a balance. */
const MAX_SHOWN_CHARACTERS = 300;

const { timeoutSeconds, maxTries, giveUpAfterSeconds } = RETRY_DEFAULTS;
const MAX_ELAPSED_MS = giveUpAfterSeconds * 1000;
const TIMEOUTS = { silenceMs: timeoutSeconds * 1000, totalMs: timeoutSeconds * 1000 };

/**
 * Get Balance: returns the account's balance, and how many images of each model it buys. A run requests the balance
 * once per account.
 *
 * Source of the fields: StepFun's API reference for GET /accounts.
 */
export function createBalanceAction(state: RunState): Action {
	const answers = new Map<Credential, Promise<IDataObject>>();
	const { method, path } = state.routing.operations.get('account getBalance') ?? {
		method: 'GET' as const,
		path: '',
	};

	const requestBalance = async (
		item: ItemContext,
		credential: Credential,
	): Promise<IDataObject> => {
		const signal = state.scopes.signalOf([]);
		const { result } = await retry(
			async ({ number, onStart }) =>
				await rateLimiterFor(credential.accountId).schedule(
					async () => {
						onStart();
						return await withTimeout(TIMEOUTS, signal, async (timedSignal, progress) => {
							const { functions } = item;
							const response = await sendWithKey(
								functions,
								credential,
								{ method, path },
								timedSignal,
								progress,
							);
							await assertOk(response);
							return await readAccount(response.body as ByteStream, progress);
						});
					},
					{
						limits: credential.limits,
						run: state,
						isRetry: number > 1,
						maxElapsedMs: MAX_ELAPSED_MS,
						signal,
					},
				),
			{
				policy: { maxTries, maxElapsedMs: MAX_ELAPSED_MS, maxPaidRetries: Infinity },
				signal,
			},
		);
		return result;
	};

	const getBalance = async (
		item: ItemContext,
		credential: Credential,
		options: IDataObject,
	): Promise<INodeExecutionData> => {
		const answer = answers.get(credential) ?? requestBalance(item, credential);
		answers.set(credential, answer);
		const account = await answer;
		const includeInput = readIncludeInput(options.includeInputFields, 'nothing');
		const input = state.input[item.itemIndex];
		return mergeInput(item.itemIndex, input, includeInput, {
			json: toBalance(account, credential),
		});
	};

	return {
		async prepare(item, parameters, credential) {
			assertCredential(item, credential);
			const options = (parameters.options ?? {}) as IDataObject;
			const send = async () => {
				try {
					return { results: [await getBalance(item, credential, options)], failures: [] };
				} catch (error) {
					if (!(error instanceof RequestFailure)) throw error as Error;
					const { baseUrl, redactor } = credential;
					const shown = requestError(item, { baseUrl, path }, error, redactor);
					if (!state.continueOnFail) state.scopes.abort(RUN_SCOPE, shown);
					return { results: [], failures: [{ error: shown, wasCharged: false, retryable: true }] };
				}
			};
			return { send, images: 0 };
		},
	};
}

async function readAccount(stream: ByteStream, progress: Progress): Promise<IDataObject> {
	const bytes = await readAll(
		readChunks(stream, progress),
		MAX_BYTES,
		'The answer is far too large for an account balance',
	);
	const text = bytes.toString('utf8');
	const shown = text.slice(0, MAX_SHOWN_CHARACTERS);
	const account = parseJson(text);
	if (account === undefined) throw new RequestFailure('invalidJson', { text: shown });
	if (typeof account?.balance === 'number') return account;
	throw new RequestFailure('noBalance', { text: shown });
}

function parseJson(text: string): IDataObject | null | undefined {
	try {
		return JSON.parse(text) as IDataObject | null;
	} catch {
		return undefined;
	}
}

function toBalance(account: IDataObject, { baseUrl, redactor }: Credential): IDataObject {
	const balance = account.balance as number;
	return {
		type: typeof account.type === 'string' ? redactor.text(account.type) : null,
		balance,
		totalCashBalance: amountOf(account.total_cash_balance),
		totalVoucherBalance: amountOf(account.total_voucher_balance),
		currency: balanceCurrencyOf(baseUrl)?.toUpperCase() ?? null,
		buysImages: imagesFor(balance),
	};
}

/**
 * How many images of each model a balance buys. The prices are in yuan, which are the higher numbers, so the count is
 * never too high if the account is in dollars.
 */
function imagesFor(balance: number): IDataObject {
	return Object.fromEntries(
		MODELS.flatMap(({ id, pricePerImage }) => {
			if (!pricePerImage) return [];
			// In whole fen, because 0.06 / 0.02 is slightly less than 3 in floating point. The small addend is for
			// amounts such as 0.29, which gives slightly less than 29 fen.
			const fen = Math.floor(balance * 100 + 1e-6);
			const count = Math.floor(fen / Math.round(pricePerImage.cny * 100));
			return [[id, Math.max(0, count)]];
		}),
	);
}

function amountOf(value: unknown): number | null {
	return typeof value === 'number' ? value : null;
}
