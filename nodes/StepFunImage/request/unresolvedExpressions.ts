import type { IDataObject } from 'n8n-workflow';

import { inputError } from '../errors/nodeErrors';
import type { ItemContext } from './types';

/** The fields in which people type expressions, by their place in the node's parameters. */
const FIELDS = [
	{ label: 'Prompt', path: ['prompt'] },
	{ label: 'Image URL', path: ['inputUrl'] },
	{ label: 'Base64 Text', path: ['inputText'] },
	{ label: 'Negative Prompt', path: ['options', 'negativePrompt'] },
	{ label: 'File Name', path: ['options', 'fileName'] },
];

/**
 * Refuses braces of an expression in a field that is set to Fixed, where n8n leaves them as they are: the picture
 * would be made, and paid for, of the braces.
 *
 * @throws NodeOperationError that names the field
 */
export function assertNoUnresolvedExpressions(item: ItemContext): void {
	for (const { label, path } of FIELDS) {
		const value = path.reduce<unknown>(
			(inner, name) => (inner as IDataObject | undefined)?.[name],
			item.node.parameters,
		);
		if (typeof value !== 'string' || value.startsWith('=')) continue;
		const start = value.indexOf('{{');
		const end = value.indexOf('}}', start);
		if (start === -1 || end === -1) continue;
		throw inputError(
			item,
			`'${label}' contains ${value.slice(start, Math.min(end + 2, start + 60))}, which n8n does not fill in, because the field is set to Fixed`,
			`Switch the field to Expression: point at '${label}' and choose Expression beside it.`,
		);
	}
}
