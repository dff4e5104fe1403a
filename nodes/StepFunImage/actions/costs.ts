import { findModel } from '../catalogue/models';
import { currencyOf } from '../catalogue/services';
import type { ImageRequest } from '../request/readParameters';

/** An amount of money, such as 0.02 CNY. */
export interface Cost {
	amount: number;
	currency: string;
}

/** The catalogue's price of an image; `undefined` for a subscription, or a server whose prices are not known. */
export function estimateCost({ model, credential }: ImageRequest): Cost | undefined {
	const currency = currencyOf(credential.baseUrl);
	const amount = currency && findModel(model)?.pricePerImage?.[currency];
	return amount ? { amount, currency: currency.toUpperCase() } : undefined;
}

/** Adds up amounts of money by currency, such as `0.06 CNY`, without those that are not known. */
export function describeCosts(costs: Array<Cost | undefined>): string {
	const sums = new Map<string, number>();
	for (const cost of costs) {
		if (cost) sums.set(cost.currency, (sums.get(cost.currency) ?? 0) + cost.amount);
	}
	// Rounds off the error of floating-point sums.
	return [...sums].map(([currency, sum]) => `${Number(sum.toFixed(6))} ${currency}`).join(' and ');
}
