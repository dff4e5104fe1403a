import { Refusal } from '../errors/nodeErrors';
import { valueAt } from './routing';
import type { ItemContext } from './types';

/** The fields in which users write expressions, and their paths in the node's parameters. */
const FIELDS = [
	{ label: 'Prompt', path: ['prompt'] },
	{ label: 'Image URL', path: ['inputUrl'] },
	{ label: 'Base64 Text', path: ['inputText'] },
	{ label: 'Model', path: ['model'] },
	{ label: 'Model', path: ['model', 'value'] },
	{ label: 'Input Data Field Name', path: ['binaryPropertyName'] },
	{ label: 'Put Output File in Field', path: ['outputField'] },
	{ label: 'Additional Body Fields', path: ['options', 'additionalBodyFields'] },
	{ label: 'Negative Prompt', path: ['options', 'negativePrompt'] },
	{ label: 'File Name', path: ['options', 'fileName'] },
];

/**
 * Refuses an expression in a field that is set to Fixed. n8n would not resolve it, and the image would be generated
 * from the braces.
 *
 * @throws Refusal that names the field
 */
export function assertNoUnresolvedExpressions(item: ItemContext): void {
	for (const { label, path } of FIELDS) {
		const value = valueAt(item.node.parameters, path);
		if (typeof value !== 'string' || value.startsWith('=')) continue;
		const start = value.indexOf('{{');
		const end = value.indexOf('}}', start);
		if (start === -1 || end === -1) continue;
		throw new Refusal(
			`'${label}' contains ${value.slice(start, Math.min(end + 2, start + 60))}, which n8n does not resolve because the field is set to Fixed`,
			`Switch the field to Expression: hover over '${label}' and select Expression.`,
		);
	}
}
