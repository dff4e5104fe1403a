import { PRICES } from './specification';
import type { BalanceSettings } from './types';

/** Money is counted in hundredths of a fen, so that sums of 0.02 stay exact. */
const UNITS_PER_YUAN = 10_000;

export interface Account {
	readonly balance: number;
	priceOf(model: string): number;
	canPay(model: string): boolean;
	/** Takes the price of one image: vouchers first, then cash. */
	charge(model: string): void;
	/** The answer to GET accounts. */
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
	let cashUnits = 0;
	let voucherUnits = 0;

	function reset() {
		cashUnits = Math.round(cash * UNITS_PER_YUAN);
		voucherUnits = Math.round(voucher * UNITS_PER_YUAN);
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
			return (cashUnits + voucherUnits) / UNITS_PER_YUAN;
		},
		priceOf,
		canPay: (model) => type === 'postpaid' || cashUnits + voucherUnits >= priceInUnits(model),
		charge(model) {
			const price = priceInUnits(model);
			const fromVoucher = Math.min(price, voucherUnits);
			voucherUnits -= fromVoucher;
			cashUnits -= price - fromVoucher;
		},
		describe: () => ({
			object: 'account',
			type,
			balance: (cashUnits + voucherUnits) / UNITS_PER_YUAN,
			total_cash_balance: cashUnits / UNITS_PER_YUAN,
			total_voucher_balance: voucherUnits / UNITS_PER_YUAN,
		}),
		reset,
	};
}
