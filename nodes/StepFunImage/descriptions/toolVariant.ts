import type { INodeProperties, INodePropertyOptions } from 'n8n-workflow';

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
