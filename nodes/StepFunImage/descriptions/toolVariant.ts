import type { INodeProperties, INodePropertyOptions } from 'n8n-workflow';

import { modelsFor, type Operation } from '../catalogue/models';
import { showFor } from './showFor';

/**
 * Two variants of a list, of which n8n shows one: the whole list for a node in a workflow, and fewer entries with
 * another default for a tool of an AI agent. Agents can exchange only text with a tool, not files.
 *
 * @param choices the values that the tool offers, its default first
 * @param description the description in the tool
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

/** The purpose of each tool, written for the agent. The price of the operation's first model follows it. */
const TOOL_PURPOSES: Record<Operation, string> = {
	generate: 'Generates an image from a text prompt and returns a link to it.',
	edit: 'Edits the image at a URL according to a text prompt and returns a link to the result.',
	imageToImage:
		'Creates a new image from the image at a URL and a text prompt, and returns a link to the result.',
};

const field = {
	displayName: 'Tool Description',
	name: 'toolDescription',
	type: 'string',
	// The default texts fill up to five lines.
	typeOptions: { rows: 5 },
	required: true,
	default: '',
	description: 'What the agent reads to decide whether and how to call this tool',
} as const;

/** The tool's descriptions for the agent. They replace n8n's own, which contains only the name of the operation. */
export const toolDescriptionFields: INodeProperties[] = [
	...(Object.keys(TOOL_PURPOSES) as Operation[]).map((operation): INodeProperties => {
		const [{ id, pricePerImage }] = modelsFor(operation);
		const price = pricePerImage ? ` about $${pricePerImage.usd} or ¥${pricePerImage.cny}` : '';
		const text = `${TOOL_PURPOSES[operation]} Each call may cost money: with StepFun's ${id},${price} per image. Call it once for each image that you want.`;
		return { ...field, default: text, displayOptions: showFor(operation, { '@tool': [true] }) };
	}),
	{
		...field,
		default:
			'Gets the balance of the StepFun account, and how many images of each model it buys. Costs nothing.',
		displayOptions: { show: { resource: ['account'], '@tool': [true] } },
	},
];
