import type { INodeProperties } from 'n8n-workflow';

import {
	MODELS,
	OPERATIONS,
	sizeLabel,
	sizeValue,
	type ModelCapabilities,
} from '../catalogue/models';
import { showFor, showForModel } from './showFor';

/** For this choice, the node sends no size, and the service uses its own default. */
const MODEL_DEFAULT = '';

const field = {
	displayName: 'Size',
	name: 'size',
	default: MODEL_DEFAULT,
	routing: { send: { type: 'body', property: 'size' } },
} as const;

function sizesOf({
	sizes = [],
	defaultSize,
	sizeIsArea,
}: ModelCapabilities): Pick<INodeProperties, 'type' | 'options' | 'description'> {
	const pixels = defaultSize ? ` (${defaultSize.width} × ${defaultSize.height})` : '';
	return {
		type: 'options',
		options: [
			{ name: `Model Default${pixels}`, value: MODEL_DEFAULT },
			...sizes.map((size) => ({
				name: sizeIsArea ? `About ${size.width} × ${size.height} Pixels` : sizeLabel(size),
				value: sizeValue(size),
			})),
		],
		description: sizeIsArea
			? 'The size of the result. A square input image gets exactly this size; any other one keeps its proportions and gets about this area. In an expression, write width x height, such as 768x768.'
			: 'Width × height of the image. In an expression, write width x height, such as 1024x1024; the node sends it in the order that the model expects.',
	};
}

/**
 * For models that have no sizes for an operation. The field stays visible because n8n deletes the value of a field that
 * disappears: after switching back to Generate, the images would have another size.
 */
const UNUSED = {
	type: 'string',
	hint: 'Not used by StepFun: with this model, the result has the size of the input image',
	description:
		'StepFun ignores the size with this model, because the result has the size of the input image. The value is kept for other models and operations.',
} as const;

/** The Size fields: one for each operation of each model, and one for the models that the catalogue does not know. */
export const sizeFields: INodeProperties[] = [
	...OPERATIONS.flatMap((operation) =>
		MODELS.map(({ id, operations: { [operation]: capabilities } }) => ({
			...field,
			...(capabilities?.sizes ? sizesOf(capabilities) : UNUSED),
			displayOptions: showForModel(operation, id),
		})),
	),
	{
		...field,
		type: 'string',
		placeholder: 'e.g. 1024x1024',
		description:
			"The node sends the size unchanged, so write it as your server's model expects. If empty, the node sends none.",
		displayOptions: { ...showFor(OPERATIONS), hide: { model: MODELS.map(({ id }) => id) } },
	},
];
