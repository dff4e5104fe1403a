import type { INodeProperties } from 'n8n-workflow';

import { DEFAULT_LINK_LIFETIME, FALLBACK_FIELD, LINK_LIFETIMES } from '../catalogue/defaults';
import { OPERATIONS } from '../catalogue/models';
import { OUTPUTS, outputsWithout, type Output } from '../catalogue/outputs';
import { showFor } from './showFor';
import { toolVariant } from './toolVariant';

/** In `hide`, because the editor does not know the output while an expression chooses it and no item is there. */
const showUnless = (output: Output[]) => ({ ...showFor(OPERATIONS), hide: { output } });

/**
 * The fields that choose the form of the output. The API returns either the image or a link to it: for Image File and
 * URL, the node requests the link and downloads the image; for a temporary link, it requests the image.
 */
export const outputFields: INodeProperties[] = [
	...toolVariant(
		{
			displayName: 'Output',
			name: 'output',
			type: 'options',
			displayOptions: showFor(OPERATIONS),
			options: OUTPUTS.map(({ name, value, description }) => ({ name, value, description })),
			default: 'file',
			description:
				"What to put into the item. StepFun's links work for 30 days on the Chinese platform and for about 2 hours on the international one. A temporary link works as long as Link Lifetime says, but not longer than n8n keeps the execution. Browsers download its image instead of showing it.",
		},
		['url', 'n8nLink'],
		"What the agent gets in addition to the details of the image. StepFun's links work for 30 days on the Chinese platform and for about 2 hours on the international one. A temporary link works as long as Link Lifetime says, wherever your n8n can be reached. Browsers download its image instead of showing it.",
	),
	{
		displayName: 'Put Output File in Field',
		name: 'outputField',
		type: 'string',
		required: true,
		default: FALLBACK_FIELD,
		placeholder: 'e.g. data',
		hint: 'The name of the output binary field to put the image in',
		displayOptions: showUnless(outputsWithout('hasFile')),
	},
	{
		displayName: 'Link Lifetime',
		name: 'linkLifetime',
		type: 'options',
		options: [...LINK_LIFETIMES],
		default: DEFAULT_LINK_LIFETIME,
		description:
			"How long the link works. It stops working earlier if n8n deletes the execution's data: by default after 14 days or 10,000 executions, or soon after the run if the workflow's settings say not to save it.",
		displayOptions: showUnless(outputsWithout('hasN8nLink')),
	},
];
