import { deepStrictEqual, strictEqual } from 'node:assert';
import type { Editor } from '../../editor/editor.cts';
import {
	modelsFor,
	sizeLabel,
	sizeValue,
	type Operation,
	type ModelCapabilities,
} from '../../../nodes/StepFunImage/catalogue/models';

/** The options, in the order in which the panel offers them, whatever the model. */
const OPTIONS = [
	'Negative Prompt',
	'Text Mode',
	'Number of Images',
	'Seed',
	'Steps',
	'CFG Scale',
	'Additional Body Fields',
	'File Name',
	'Include Input Fields',
	'Several Images As',
	'When Moderated',
	'Max Images per Run',
	'Max Tries',
	'Timeout (Seconds)',
	'Give Up After (Seconds)',
];

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
 * panel then offers the sizes that the catalogue knows of each, and all options.
 *
 * @param listed the models that the credential's server lists
 * @returns what was found, in a line
 */
export async function checkModels(
	editor: Editor,
	operation: Operation,
	listed: string[],
): Promise<string> {
	const offered = await editor.readModels();
	deepStrictEqual([...offered].sort(), [...listed].sort());
	const found: string[] = [];
	for (const { id, capabilities } of modelsFor(operation).toReversed()) {
		if (listed.includes(id)) await editor.chooseModel(id);
		strictEqual(await editor.readModel(), id);
		const hasSizes = capabilities.sizes !== undefined;
		const isUnused = await editor.panel.getByText('Not used: this model').isVisible();
		strictEqual(isUnused, !hasSizes, `${id} takes a Size, or none, wrongly`);
		const sizes = hasSizes ? await editor.readChoices('size') : [];
		if (hasSizes) deepStrictEqual(sizes, sizesOf(capabilities));
		deepStrictEqual(await editor.readOptions(), OPTIONS);
		found.push(`${id} ${sizes.length} sizes, ${OPTIONS.length} options`);
	}
	return found.join('; ');
}
