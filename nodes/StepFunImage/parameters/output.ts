import type { INodeProperties } from 'n8n-workflow';

import type { Operation } from '../catalogue/models';
import { showFor } from './operation';

export const OUTPUTS = ['file', 'url', 'fileAndUrl'] as const;

export type Output = (typeof OUTPUTS)[number];

/**
 * The fields that say in which form the image leaves the node.
 *
 * The API gives either the image itself or a link to it, so "both" asks for the link and downloads.
 *
 * @param operation the operation that shows the fields
 */
export function outputFields(operation: Operation): INodeProperties[] {
	return [
		{
			displayName: 'Output',
			name: 'output',
			type: 'options',
			displayOptions: showFor(operation),
			options: [
				{
					name: 'Image File',
					value: 'file',
					description: 'Put the image into the item as binary data',
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
			],
			default: 'file',
			description:
				"What to put into the item. StepFun's links work without a key; they live for 30 days on the Chinese platform and for about 2 hours on the international one.",
			routing: {
				send: {
					type: 'body',
					property: 'response_format',
					value: '={{ $value === "file" ? "b64_json" : "url" }}',
				},
			},
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
				show: { ...showFor(operation).show, output: ['file', 'fileAndUrl'] },
			},
		},
	];
}
