import type { IDisplayOptions, INodeProperties } from 'n8n-workflow';

import { MODELS, type ModelCapabilities, type Operation } from '../catalogue/models';

export type Conditions = NonNullable<IDisplayOptions['show']>;

/**
 * The display condition of a field for some operations.
 *
 * @param conditions further conditions
 */
export function showFor(
	operations: Operation | readonly Operation[],
	conditions?: Conditions,
): { show: Conditions } {
	return { show: { resource: ['image'], operation: [operations].flat(), ...conditions } };
}

/**
 * The display condition of a field for one model. n8n always shows a field whose condition in `show` meets an
 * expression, whatever its result is. The model is therefore in `hide`.
 *
 * @param conditions further conditions
 */
export function showForModel(
	operation: Operation,
	model: string,
	conditions: IDisplayOptions = {},
): IDisplayOptions {
	const { show, hide } = conditions;
	return { ...showFor(operation, show), hide: { model: [{ _cnd: { not: model } }], ...hide } };
}

/** A notice about one model. */
export function noticeFor(
	operation: Operation,
	model: string,
	name: string,
	displayName: string,
	conditions?: IDisplayOptions,
): INodeProperties {
	return {
		displayName,
		name: `${name}Notice_${operation}_${model}`,
		type: 'notice',
		default: '',
		displayOptions: showForModel(operation, model, conditions),
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
