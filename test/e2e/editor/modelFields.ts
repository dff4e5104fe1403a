import { deepStrictEqual, strictEqual } from 'node:assert';
import type { Editor } from '../../editor/editor';
import {
	modelsFor,
	sizeLabel,
	sizeValue,
	type Operation,
	type ModelCapabilities,
} from '../../../nodes/StepFunImage/catalogue/models';

/** The options that every model has. */
const COMMON_OPTIONS = [
	'Additional Body Fields',
	'CFG Scale',
	'File Name',
	'Give Up After (Seconds)',
	'Include Input Fields',
	'Max Tries',
	'Number of Images',
	'Seed',
	'Several Images As',
	'Steps',
	'Timeout (Seconds)',
	'When Moderated',
];

function optionsOf({ negativePrompt, textMode }: ModelCapabilities): string[] {
	return [
		...COMMON_OPTIONS,
		...(negativePrompt ? ['Negative Prompt'] : []),
		...(textMode ? ['Text Mode'] : []),
	].sort();
}

function sizesOf({ sizes = [], defaultSize, sizeIsArea }: ModelCapabilities): string[] {
	const byDefault = defaultSize ? ` (${sizeValue(defaultSize).replace('x', ' × ')})` : '';
	return [
		`Model Default${byDefault}`,
		...sizes.map((size) =>
			sizeIsArea ? `About ${size.width} × ${size.height} Pixels` : sizeLabel(size),
		),
	];
}

/**
 * Chooses one model of an operation after the other in the open panel, and at last the first again. Fails unless the
 * panel then offers the sizes and the options that the catalogue knows of each.
 *
 * @returns what was found, in a line
 */
export async function checkModels(editor: Editor, operation: Operation): Promise<string> {
	const models = modelsFor(operation);
	deepStrictEqual(
		await editor.readChoices('model'),
		models.map(({ id }) => id),
	);
	const found: string[] = [];
	for (const { id, capabilities } of models.toReversed()) {
		await editor.choose('model', id);
		strictEqual(await editor.readField('model'), id);
		const hasSize = (await editor.readFieldLabels()).includes('Size');
		strictEqual(hasSize, capabilities.sizes !== undefined, `${id} shows a Size, or none, wrongly`);
		const sizes = hasSize ? await editor.readChoices('size') : [];
		if (hasSize) deepStrictEqual(sizes, sizesOf(capabilities));
		const options = await editor.readOptions();
		deepStrictEqual(options, optionsOf(capabilities));
		found.push(`${id} ${sizes.length} sizes, ${options.length} options`);
	}
	return found.join('; ');
}
