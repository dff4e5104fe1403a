import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';

import { RETRY_DEFAULTS } from '../catalogue/defaults';
import { MODELS } from '../catalogue/models';
import { balanceCurrencyOf } from '../catalogue/services';
import { requestError } from '../errors/nodeErrors';
import { RequestFailure } from '../errors/requestFailure';
import { truncate } from '../errors/truncate';
import { assertCredential } from '../request/credentialRules';
import { readIncludeInput } from '../request/options';
import { findOperation } from '../request/routing';
import type { Credential } from '../transport/credential';
import { schedule } from '../transport/rateLimiter';
import { retry, type Attempt } from '../transport/retry';
import { getJson } from './getJson';
import { memoize } from './memoize';
import { mergeInput } from './outputItems';
import type { Action, RunState } from './runState';

const { timeoutSeconds, maxTries, giveUpAfterSeconds } = RETRY_DEFAULTS;
const POLICY = { maxTries, maxElapsedMs: giveUpAfterSeconds * 1000, maxPaidRetries: Infinity };

const LIMITS = {
	timeouts: { silenceMs: timeoutSeconds * 1000, totalMs: timeoutSeconds * 1000 },
	/** An account is a few numbers; the limit guards against endless responses. */
	maxBytes: 64 * 1024,
	tooLarge: 'The response is far too large for an account balance',
};

/**
 * Get Balance: returns the account's balance, and how many images of each model it buys. A run requests the balance
 * once per account. Source of the fields: StepFun's API reference for GET /accounts.
 */
export function createBalanceAction(functions: IExecuteFunctions, state: RunState): Action {
	const { path } = findOperation(state.routing, 'account getBalance');

	const requestAccount = memoize(async (credential: Credential): Promise<IDataObject> => {
		const signal = state.signalOf([]);
		const readAccount = async () => {
			const { json, text } = await getJson(functions, credential, path, LIMITS, signal);
			const account = json as IDataObject | null;
			if (typeof account?.balance === 'number') return account;
			throw new RequestFailure('noBalance', { text: truncate(text) });
		};
		const readInTurn = async (attempt: Attempt) =>
			await schedule(credential, state, attempt, readAccount);
		const { result } = await retry(readInTurn, { policy: POLICY, signal });
		return result;
	});

	return async (item, read) => {
		const { parameters, credential } = await read(item.itemIndex);
		assertCredential(credential);
		const options = (parameters.options ?? {}) as IDataObject;
		const includeInput = readIncludeInput(item, options);
		const send = async () => {
			try {
				const account = await requestAccount(credential);
				// One response may serve thousands of items.
				return await state.inTurn(() => {
					const json = toBalance(account, credential);
					return { results: [mergeInput(item, includeInput, { json })], failures: [] };
				});
			} catch (error) {
				if (!(error instanceof RequestFailure)) throw error as Error;
				throw await state.inTurn(() => {
					state.stop.signal.throwIfAborted();
					const shown = requestError(item, { credential, path }, error);
					if (!state.continueOnFail) state.stop.abort(shown);
					return shown;
				});
			}
		};
		return { send, images: 0 };
	};
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

/** How many images of each model a balance buys: never too many, because prices in yuan are the higher numbers. */
function imagesFor(balance: number): IDataObject {
	// In whole fen, because 0.06 / 0.02 is slightly less than 3 in floating point. The small addend is for amounts such as
	// 0.29, which gives slightly less than 29 fen.
	const fen = Math.max(0, Math.floor(balance * 100 + 1e-6));
	const counts = MODELS.flatMap(({ id, pricePerImage: price }) =>
		price ? [[id, Math.floor(fen / Math.round(price.cny * 100))]] : [],
	);
	return Object.fromEntries(counts) as IDataObject;
}

function amountOf(value: unknown): number | null {
	return typeof value === 'number' ? value : null;
}
