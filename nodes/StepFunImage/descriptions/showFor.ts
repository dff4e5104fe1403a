import type { IDisplayOptions, INodeProperties } from 'n8n-workflow';

import { MODELS, type ModelCapabilities, type Operation } from '../catalogue/models';

/**
 * The display condition of a field for some operations and models.
 *
 * @param models the IDs of the models; without them, the field is shown for all models
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
 * The display condition of a field for one model. n8n always shows a field whose condition in `show` meets an
 * expression, whatever its result is. The model is therefore in `hide`.
 */
export function showForModel(operation: Operation, model: string) {
	return { ...showFor(operation), hide: { model: [{ _cnd: { not: model } }] } };
}

/**
 * A notice about one model.
 *
 * @param conditions further conditions
 */
export function noticeFor(
	operation: Operation,
	model: string,
	name: string,
	displayName: string,
	conditions: IDisplayOptions = {},
): INodeProperties {
	const { show, hide } = showForModel(operation, model);
	return {
		displayName,
		name: `${name}Notice_${operation}_${model}`,
		type: 'notice',
		default: '',
		displayOptions: {
			show: { ...show, ...conditions.show },
			hide: { ...hide, ...conditions.hide },
		},
	};
}

/**
 * The IDs of the models whose capabilities for an operation fit.
 *
 * @param fits receives `undefined` for a model that does not offer the operation
 */
export function modelIdsWhere(
	operation: Operation,
	fits: (capabilities: ModelCapabilities | undefined) => boolean,
): string[] {
	return MODELS.filter(({ operations }) => fits(operations[operation])).map(({ id }) => id);
}
