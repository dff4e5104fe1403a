import type { IDisplayOptions, INodeProperties } from 'n8n-workflow';

import type { Operation } from '../catalogue/models';

type Conditions = NonNullable<IDisplayOptions['show']>;

/** The display condition of a field for some operations, besides other conditions. */
export function showFor(
	operations: Operation | readonly Operation[],
	conditions?: Conditions,
): { show: Conditions } {
	return { show: { resource: ['image'], operation: [operations].flat(), ...conditions } };
}

/**
 * The display condition of a field for one model, besides other conditions. n8n always shows a field whose condition in
 * `show` meets an expression, whatever its result is. The model is therefore in `hide`.
 */
export function showForModel(
	operation: Operation,
	model: string,
	{ show, hide }: IDisplayOptions = {},
): IDisplayOptions {
	return { ...showFor(operation, show), hide: { model: [{ _cnd: { not: model } }], ...hide } };
}

/** A notice about one operation of one model. */
export function noticeFor(
	{ operation, id }: { operation: Operation; id: string },
	name: string,
	displayName: string,
	conditions?: IDisplayOptions,
): INodeProperties {
	return {
		displayName,
		name: `${name}Notice_${operation}_${id}`,
		type: 'notice',
		default: '',
		displayOptions: showForModel(operation, id, conditions),
	};
}
