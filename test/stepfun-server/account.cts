import { PRICES } from './specification.cts';
import type { BalanceSettings } from './types.cts';

/** Money is counted in hundredths of a fen, so that sums of 0.02 stay exact. */
const UNITS_PER_YUAN = 10_000;

export interface Account {
	readonly balance: number;
	priceOf(model: string): number;
	canPay(model: string): boolean;
	/** Takes the price of one image. */
	charge(model: string): void;
	/** The response to GET accounts. */
	describe(): object;
	reset(): void;
}

/** The account behind the keys. */
export function createAccount(
	settings: number | BalanceSettings = 100,
	prices: Record<string, number> = {},
): Account {
	const {
		type = 'prepaid',
		cash = 0,
		voucher = 0,
	} = typeof settings === 'number' ? { cash: settings } : settings;
	let units = 0;

	function reset() {
		units = Math.round((cash + voucher) * UNITS_PER_YUAN);
	}
	function priceOf(model: string) {
		return prices[model] ?? PRICES[model] ?? 0;
	}
	function priceInUnits(model: string) {
		return Math.round(priceOf(model) * UNITS_PER_YUAN);
	}
	reset();

	return {
		get balance() {
			return units / UNITS_PER_YUAN;
		},
		priceOf,
		canPay: (model) => type === 'postpaid' || units >= priceInUnits(model),
		charge(model) {
			units -= priceInUnits(model);
		},
		describe: () => ({
			object: 'account',
			type,
			balance: units / UNITS_PER_YUAN,
			// What was paid in and given in all; only the balance goes down.
			total_cash_balance: cash,
			total_voucher_balance: voucher,
		}),
		reset,
	};
}
