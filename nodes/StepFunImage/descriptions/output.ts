import type { INodeProperties } from 'n8n-workflow';

import { DEFAULT_LINK_LIFETIME, FALLBACK_FIELD, LINK_LIFETIMES } from '../catalogue/defaults';
import { OPERATIONS } from '../catalogue/models';
import { OUTPUTS, outputsWith } from '../catalogue/outputs';
import { showFor } from './showFor';
import { toolVariant } from './toolVariant';

const [output, ...rest]: INodeProperties[] = [
	{
		displayName: 'Output',
		name: 'output',
		type: 'options',
		displayOptions: showFor(OPERATIONS),
		options: OUTPUTS.map(({ name, value, description }) => ({ name, value, description })),
		default: 'file',
		description:
			"What to put into the item. StepFun's links work for 30 days on the Chinese platform and for about 2 hours on the international one. A temporary link works as long as Link Lifetime says, but not longer than n8n keeps the execution. A browser downloads the image instead of showing it.",
	},
	{
		displayName: 'Put Output File in Field',
		name: 'outputField',
		type: 'string',
		required: true,
		default: FALLBACK_FIELD,
		placeholder: 'e.g. data',
		hint: 'The name of the output binary field to put the image in',
		displayOptions: {
			show: { ...showFor(OPERATIONS).show, output: outputsWith('hasFile') },
		},
	},
	{
		displayName: 'Link Lifetime',
		name: 'linkLifetime',
		type: 'options',
		options: [...LINK_LIFETIMES],
		default: DEFAULT_LINK_LIFETIME,
		description:
			"How long the link works. It ends earlier when n8n deletes the execution's data: by default after 14 days or 10,000 executions, and soon after the run if the workflow's settings say not to save it.",
		displayOptions: { show: { ...showFor(OPERATIONS).show, output: outputsWith('hasN8nLink') } },
	},
];

/**
 * The fields that say in which form the image leaves the node.
 *
 * The API gives either the image itself or a link to it, so Image File and URL asks for the link and
 * downloads. A temporary link is n8n's own, so for it the API is asked for the image itself.
 */
export const outputFields: INodeProperties[] = [
	...toolVariant(
		output,
		['url', 'n8nLink'],
		"What the agent gets besides the details of the image. StepFun's link lives for 30 days on the Chinese platform and for about 2 hours on the international one. A temporary link lives as long as Link Lifetime says, and opens where your n8n can be reached; a browser downloads what is behind it.",
	),
	...rest,
];
