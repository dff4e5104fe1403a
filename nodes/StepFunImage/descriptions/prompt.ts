import type { INodeProperties } from 'n8n-workflow';

import { OPERATIONS } from '../catalogue/models';
import { limitsInWords } from './limitsInWords';
import { showFor } from './showFor';

export const promptField: INodeProperties = {
	displayName: 'Prompt',
	name: 'prompt',
	type: 'string',
	typeOptions: { rows: 4 },
	required: true,
	default: '',
	displayOptions: showFor(OPERATIONS),
	placeholder: 'e.g. The red shoe on white marble, soft morning light, product photo',
	description: `What the image should show, or what to change in it and what to keep, in English or Chinese. At most ${limitsInWords(({ maxPromptCharacters }) => `${maxPromptCharacters} characters`)}. Put quotes around words that should appear in the image.`,
	builderHint: {
		propertyHint:
			'Describe subject, setting, light and style. For Edit, say what to change and what to keep as it is. Use an expression when the text comes from the input, and quote words that should appear as lettering.',
	},
	routing: { send: { type: 'body', property: 'prompt' } },
};
