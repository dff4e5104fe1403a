import type { INodeProperties } from 'n8n-workflow';

import { OPERATIONS } from '../catalogue/models';
import { withToolChoices } from './forTools';
import { showFor } from './showFor';

export const OUTPUTS = ['file', 'url', 'fileAndUrl', 'fileAndN8nLink', 'n8nLink'] as const;

export type Output = (typeof OUTPUTS)[number];

/** The outputs that put the image into a binary field. */
export const OUTPUTS_WITH_FILE: readonly string[] = ['file', 'fileAndUrl', 'fileAndN8nLink'];

/** The outputs with the service's own link, for which the API is asked for a link. */
export const OUTPUTS_WITH_URL: readonly string[] = ['url', 'fileAndUrl'];

/** The outputs with a link that n8n serves. */
export const OUTPUTS_WITH_N8N_LINK: readonly string[] = ['fileAndN8nLink', 'n8nLink'];

const [output, ...rest]: INodeProperties[] = [
	{
		displayName: 'Output',
		name: 'output',
		type: 'options',
		displayOptions: showFor(OPERATIONS),
		options: [
			{
				name: 'Image File',
				value: 'file',
				description: 'Put the image into the item as binary data',
			},
			{
				name: 'Image File and Temporary Link',
				value: 'fileAndN8nLink',
				description:
					'Put the image into the item, and a link to it that n8n serves and that opens without a login',
			},
			{
				name: 'Image File and URL',
				value: 'fileAndUrl',
				description: "Put the image and StepFun's link to it into the item",
			},
			{
				name: 'Image URL',
				value: 'url',
				description: "Put only StepFun's link into the item, without downloading the image",
			},
			{
				name: 'Temporary Link',
				value: 'n8nLink',
				description:
					'Keep the image in n8n and put a link into the item that n8n serves and that opens without a login',
			},
		],
		default: 'file',
		description:
			"What to put into the item. StepFun's links live for 30 days on the Chinese platform and for about 2 hours on the international one. A temporary link lives as long as Link Lifetime says, and no longer than n8n keeps the execution.",
	},
	{
		displayName: 'Put Output File in Field',
		name: 'outputField',
		type: 'string',
		required: true,
		default: 'data',
		placeholder: 'e.g. data',
		hint: 'The name of the output binary field to put the image in',
		displayOptions: {
			show: { ...showFor(OPERATIONS).show, output: [...OUTPUTS_WITH_FILE] },
		},
	},
	{
		displayName: 'Link Lifetime',
		name: 'linkLifetime',
		type: 'options',
		options: [
			{ name: '1 Hour', value: '1 hour' },
			{ name: '1 Day', value: '1 day' },
			{ name: '7 Days', value: '7 days' },
			{ name: '30 Days', value: '30 days' },
		],
		default: '1 day',
		description:
			"How long the link opens. It ends earlier when n8n deletes the execution's data: by default after 14 days or 10,000 executions, and soon after the run if the workflow's settings say not to save it.",
		displayOptions: { show: { ...showFor(OPERATIONS).show, output: [...OUTPUTS_WITH_N8N_LINK] } },
	},
];

/**
 * The fields that say in which form the image leaves the node.
 *
 * The API gives either the image itself or a link to it, so Image File and URL asks for the link and
 * downloads. A temporary link is n8n's own, so for it the API is asked for the image itself.
 */
export const outputFields: INodeProperties[] = [
	...withToolChoices(
		output,
		['url', 'n8nLink'],
		"What the agent gets beside the image's facts. StepFun's link lives for 30 days on the Chinese platform and for about 2 hours on the international one. A temporary link lives as long as Link Lifetime says, and opens where your n8n can be reached.",
	),
	...rest,
];
