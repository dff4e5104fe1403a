import type { INodeProperties, INodePropertyOptions } from 'n8n-workflow';

import { modelsFor, type Operation } from '../catalogue/models';
import { showFor } from './showFor';

/**
 * A list with fewer entries, and another default, where an AI agent uses the node as its tool: text
 * goes into a tool and comes out of it, and files do neither.
 *
 * @param field the list as a workflow's node shows it
 * @param choices the values that a tool offers, its default first
 * @param description what the tool says about the list
 * @returns the list for a workflow's node, and the one for a tool; n8n shows one of them
 */
export function toolVariant(
	field: INodeProperties,
	choices: readonly string[],
	description: string,
): INodeProperties[] {
	const options = (field.options ?? []) as INodePropertyOptions[];
	return [
		{ ...field, displayOptions: { ...field.displayOptions, hide: { '@tool': [true] } } },
		{
			...field,
			options: options.filter(({ value }) => choices.includes(String(value))),
			default: choices[0],
			description,
			displayOptions: { show: { ...field.displayOptions?.show, '@tool': [true] } },
		},
	];
}

/** What a tool does, in an agent's eyes; the price of the operation's first model is added. */
const TOOL_PURPOSES: Record<Operation, string> = {
	generate: 'Generates an image from a text prompt and returns a link to it.',
	edit: 'Edits the image at a URL as a text prompt says and returns a link to the result.',
	imageToImage:
		'Creates a new image from the image at a URL and a text prompt, and returns a link to it.',
};

const field = {
	displayName: 'Tool Description',
	name: 'toolDescription',
	type: 'string',
	typeOptions: { rows: 4 },
	required: true,
	default: '',
	description: 'What the agent reads about this tool when it decides whether and how to call it',
} as const;

/**
 * The descriptions that an agent reads of the tool, one for each operation. With a field of this name n8n adds none of
 * its own, which says only the name of the operation.
 */
export const toolDescriptionFields: INodeProperties[] = [
	...(Object.keys(TOOL_PURPOSES) as Operation[]).map((operation): INodeProperties => {
		const [{ id, pricePerImage }] = modelsFor(operation);
		const price = pricePerImage ? ` about $${pricePerImage.usd} or ¥${pricePerImage.cny}` : '';
		const text = `${TOOL_PURPOSES[operation]} Each call is charged:${price} per image with ${id}. Call it once for each image that you want.`;
		return {
			...field,
			default: text,
			displayOptions: { show: { ...showFor(operation).show, '@tool': [true] } },
		};
	}),
	{
		...field,
		default:
			'Gets the balance of the StepFun account, and how many images of each model it buys. Costs nothing.',
		displayOptions: { show: { resource: ['account'], '@tool': [true] } },
	},
];
