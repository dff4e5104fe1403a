import type { INodeProperties, INodePropertyOptions } from 'n8n-workflow';

import {
	MODELS,
	modelsFor,
	OPERATIONS,
	sizeLabel,
	sizeValue,
	type Operation,
	type ModelCapabilities,
} from '../catalogue/models';
import { modelIdsWhere, noticeFor, showFor } from './showFor';

/** For this choice, the node sends no size, and the service uses its own default. */
const MODEL_DEFAULT = '';

function label(
	capabilities: ModelCapabilities,
	size: NonNullable<ModelCapabilities['sizes']>[number],
): string {
	return capabilities.sizeIsArea ? `About ${size.width} × ${size.height} Pixels` : sizeLabel(size);
}

function sizeOptions(capabilities: ModelCapabilities): INodePropertyOptions[] {
	const defaultSize = capabilities.defaultSize
		? ` (${sizeValue(capabilities.defaultSize).replace('x', ' × ')})`
		: '';
	return [
		{ name: `Model Default${defaultSize}`, value: MODEL_DEFAULT },
		...(capabilities.sizes ?? []).map((size) => ({
			name: label(capabilities, size),
			value: sizeValue(size),
		})),
	];
}

const field = { displayName: 'Size', name: 'size', default: MODEL_DEFAULT };
const routing = { send: { type: 'body', property: 'size' } } as const;

/**
 * The Size fields of an operation: one for each model that has sizes.
 *
 * @param operation the operation whose sizes are offered
 */
export function sizeFields(operation: Operation): INodeProperties[] {
	return modelsFor(operation)
		.filter(({ capabilities }) => capabilities.sizes)
		.map(
			({ id, capabilities }): INodeProperties => ({
				...field,
				type: 'options',
				options: sizeOptions(capabilities),
				description: capabilities.sizeIsArea
					? 'The size of the result. A square input image gets exactly this size; any other one keeps its proportions and gets about this area. In an expression, write width x height, such as 768x768.'
					: 'Width × height of the image. In an expression, write width x height, such as 1024x1024; the node sends it in the order that the model expects.',
				displayOptions: noticeFor(operation, id),
				routing,
			}),
		);
}

/** The Size field for models that the catalogue does not know. */
export const sizeOfUnknownModel: INodeProperties = {
	...field,
	type: 'string',
	placeholder: 'e.g. 1024x1024',
	description:
		"The node sends the size unchanged, so write it as your server's model expects. If empty, it sends none.",
	displayOptions: { ...showFor(OPERATIONS), hide: { model: MODELS.map(({ id }) => id) } },
	routing,
};

/**
 * The Size field for models that have no sizes for an operation. It stays visible because n8n deletes the value of a
 * field that disappears: after switching back to Generate, the images would have another size.
 */
export const unusedSizeFields: INodeProperties[] = OPERATIONS.flatMap((operation) =>
	modelIdsWhere(operation, (capabilities) => !capabilities?.sizes).map((model) => ({
		...field,
		type: 'string',
		hint: 'Not used: with this model, the result has the size of the input image',
		description:
			'This model does not use it, because the result has the size of the input image. The value is kept for other models and operations.',
		displayOptions: noticeFor(operation, model),
	})),
);
