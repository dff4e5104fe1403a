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
import { modelIdsWhere, showFor } from './showFor';

/** Nothing is sent for this choice, so that the service uses its own default. */
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
					? 'How large the result is. A square input gets exactly this size; any other keeps its proportions at about this area. In an expression, write width x height, such as 768x768.'
					: 'Width × height of the picture. In an expression, write width x height, such as 1024x1024; the node sends it in the order that the model expects.',
				displayOptions: showFor(operation, [id]),
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
		"Sent unchanged, so write it as your server's model expects. If empty, no size is sent.",
	displayOptions: { ...showFor(OPERATIONS), hide: { model: MODELS.map(({ id }) => id) } },
	routing,
};

/**
 * The Size field for models that have no sizes for an operation. It says so, and stays all the same: n8n forgets the
 * value of a field that disappears, and the way back to Generate would then make pictures of another size.
 */
export const unusedSizeFields: INodeProperties[] = OPERATIONS.map((operation) => ({
	...field,
	type: 'string',
	hint: 'Not used: this model gives the picture the size of the input image',
	description:
		'Not used by a model that gives the picture the size of the input image. What is set here is kept for other models and operations.',
	displayOptions: showFor(
		operation,
		modelIdsWhere(operation, (capabilities) => !capabilities?.sizes),
	),
}));
