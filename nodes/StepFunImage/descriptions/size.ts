import type { INodeProperties, INodePropertyOptions } from 'n8n-workflow';

import {
	MODELS,
	OFFERS,
	OPERATIONS,
	sizeLabel,
	sizeValue,
	type ModelCapabilities,
} from '../catalogue/models';
import { modelIdsWhere, showFor, showForModel } from './showFor';

/** For this choice, the node sends no size, and the service uses its own default. */
const MODEL_DEFAULT = '';

function sizeOptions({
	sizes = [],
	defaultSize,
	sizeIsArea,
}: ModelCapabilities): INodePropertyOptions[] {
	const pixels = defaultSize ? ` (${defaultSize.width} × ${defaultSize.height})` : '';
	return [
		{ name: `Model Default${pixels}`, value: MODEL_DEFAULT },
		...sizes.map((size) => ({
			name: sizeIsArea ? `About ${size.width} × ${size.height} Pixels` : sizeLabel(size),
			value: sizeValue(size),
		})),
	];
}

const field = { displayName: 'Size', name: 'size', default: MODEL_DEFAULT };
const routing = { send: { type: 'body', property: 'size' } } as const;

const fieldsOfModels = OFFERS.filter(({ capabilities }) => capabilities.sizes).map(
	({ id, operation, capabilities }): INodeProperties => ({
		...field,
		type: 'options',
		options: sizeOptions(capabilities),
		description: capabilities.sizeIsArea
			? 'The size of the result. A square input image gets exactly this size; any other one keeps its proportions and gets about this area. In an expression, write width x height, such as 768x768.'
			: 'Width × height of the image. In an expression, write width x height, such as 1024x1024; the node sends it in the order that the model expects.',
		displayOptions: showForModel(operation, id),
		routing,
	}),
);

/** The Size field for models that the catalogue does not know. */
const fieldOfUnknownModel: INodeProperties = {
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
const unusedFields = OPERATIONS.flatMap((operation) =>
	modelIdsWhere(operation, (capabilities) => !capabilities?.sizes).map(
		(model): INodeProperties => ({
			...field,
			type: 'string',
			hint: 'Not used by StepFun: with this model, the result has the size of the input image',
			description:
				'StepFun ignores it for this model, because the result has the size of the input image. The value is kept for other models and operations.',
			displayOptions: showForModel(operation, model),
		}),
	),
);

/** The Size fields: one for each operation of a model that has sizes, and one for all others. */
export const sizeFields: INodeProperties[] = [
	...fieldsOfModels,
	fieldOfUnknownModel,
	...unusedFields,
];
