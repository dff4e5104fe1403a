import type { INodeProperties } from 'n8n-workflow';

import type { Operation } from '../catalogue/models';
import { showFor } from './operation';

const WORDING: Record<Operation, Pick<INodeProperties, 'placeholder' | 'description'>> = {
	generate: {
		placeholder: 'e.g. A red running shoe on white marble, soft morning light, product photo',
		description:
			'What the image should show, in English or Chinese, in at most 512 characters. Put words that should appear in the picture in quotes and turn on Text Mode.',
	},
	edit: {
		placeholder: 'e.g. Replace the background with a sunny beach, keep the shoe unchanged',
		description:
			'What to change in the image, and what to keep, in English or Chinese, in at most 512 characters',
	},
};

/**
 * The Prompt field of an operation.
 *
 * @param operation the operation that the wording fits
 */
export function promptField(operation: Operation): INodeProperties {
	return {
		displayName: 'Prompt',
		name: 'prompt',
		type: 'string',
		typeOptions: { rows: 4 },
		required: true,
		default: '',
		displayOptions: showFor(operation),
		...WORDING[operation],
		routing: { send: { type: 'body', property: 'prompt' } },
	};
}
