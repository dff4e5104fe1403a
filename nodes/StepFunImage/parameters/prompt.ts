import type { INodeProperties } from 'n8n-workflow';

import { modelsFor, type Operation } from '../catalogue/models';
import { showFor } from './showFor';

const WORDING: Record<Operation, { placeholder: string; what: string; hint: string }> = {
	generate: {
		placeholder: 'e.g. A red running shoe on white marble, soft morning light, product photo',
		what: 'What the image should show',
		hint: 'Put words that should appear in the picture in quotes and turn on Text Mode',
	},
	edit: {
		placeholder: 'e.g. Replace the background with a sunny beach, keep the shoe unchanged',
		what: 'What to change in the image',
		hint: 'Say what should stay as it is, too',
	},
	imageToImage: {
		placeholder: 'e.g. The same chair as a watercolour',
		what: 'What the new image should show',
		hint: 'Source Weight says how much of the source remains',
	},
};

/**
 * The Prompt field of an operation.
 *
 * @param operation the operation that the wording fits
 */
export function promptField(operation: Operation): INodeProperties {
	const { placeholder, what, hint } = WORDING[operation];
	const [{ facts }] = modelsFor(operation);
	return {
		displayName: 'Prompt',
		name: 'prompt',
		type: 'string',
		typeOptions: { rows: 4 },
		required: true,
		default: '',
		displayOptions: showFor(operation),
		placeholder,
		description: `${what}, in English or Chinese, in at most ${facts.maxPromptCharacters} characters. ${hint}.`,
		routing: { send: { type: 'body', property: 'prompt' } },
	};
}
