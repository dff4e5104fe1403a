import type { IDisplayOptions } from 'n8n-workflow';

import { MODELS, type ModelCapabilities, type Operation } from '../catalogue/models';

/**
 * The display condition of a field that belongs to one operation or several, and there to some models.
 *
 * @param operations what shows the field
 * @param models IDs of the models that show it; without them all models do
 */
export function showFor(
	operations: Operation | readonly Operation[],
	models?: readonly string[],
): { show: Record<string, string[]> } {
	return {
		show: {
			resource: ['image'],
			operation: [operations].flat(),
			...(models ? { model: [...models] } : {}),
		},
	};
}

/**
 * The display condition of a notice about one model. n8n shows whatever has an expression in `show`, so the model
 * stands in `hide`: what an expression gives is not known here.
 */
export function noticeFor(
	operation: Operation,
	model: string,
): Required<Pick<IDisplayOptions, 'show' | 'hide'>> {
	return { ...showFor(operation), hide: { model: [{ _cnd: { not: model } }] } };
}

/**
 * The models whose capabilities for an operation fit.
 *
 * @param fits is given `undefined` for a model that does not offer the operation
 */
export function modelIdsWhere(
	operation: Operation,
	fits: (capabilities: ModelCapabilities | undefined) => boolean,
): string[] {
	return MODELS.filter(({ operations }) => fits(operations[operation])).map(({ id }) => id);
}
