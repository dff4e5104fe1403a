import type { INodeProperties } from 'n8n-workflow';

import { modelsFor, OPERATION_NAMES, OPERATIONS } from '../catalogue/models';
import { showFor } from './showFor';

/** `512 characters for Generate and Edit, 1024 for Image to Image`, from the models that are offered first. */
function limitsInWords(): string {
	const operationsByLimit = new Map<number, string[]>();
	for (const operation of OPERATIONS) {
		const [{ capabilities }] = modelsFor(operation);
		const alike = operationsByLimit.get(capabilities.maxPromptCharacters) ?? [];
		operationsByLimit.set(capabilities.maxPromptCharacters, [...alike, OPERATION_NAMES[operation]]);
	}
	return [...operationsByLimit]
		.map(
			([limit, operations], index) =>
				`${limit}${index === 0 ? ' characters' : ''} for ${operations.join(' and ')}`,
		)
		.join(', ');
}

export const promptField: INodeProperties = {
	displayName: 'Prompt',
	name: 'prompt',
	type: 'string',
	typeOptions: { rows: 4 },
	required: true,
	default: '',
	displayOptions: showFor(OPERATIONS),
	placeholder: 'e.g. A red running shoe on white marble, soft morning light, product photo',
	description: `What the image should show, or what to change in it and what to keep, in English or Chinese. At most ${limitsInWords()}. Put words that should appear in the picture in quotes.`,
	routing: { send: { type: 'body', property: 'prompt' } },
};
