import { deepStrictEqual, match, strictEqual } from 'node:assert';
import type { Editor } from '../../editor/editor.cts';
import {
	modelsFor,
	sizeLabel,
	sizeValue,
	type Operation,
	type ModelCapabilities,
} from '../../../nodes/StepFunImage/catalogue/models';
import { OPTIONS } from '../../kit/panelOptions.cts';
import type { Fault } from '../../stepfun-server/server.cts';
import type { Session } from './session.cts';

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
		const isUnused = await editor.panel.getByText('Not used by StepFun').isVisible();
		strictEqual(isUnused, !hasSizes, `${id} takes a Size, or none, wrongly`);
		const sizes = hasSizes ? await editor.readChoices('size') : [];
		if (hasSizes) deepStrictEqual(sizes, sizesOf(capabilities));
		deepStrictEqual(await editor.readOptions(), OPTIONS);
		found.push(`${id} ${sizes.length} sizes, ${OPTIONS.length} options`);
	}
	return found.join('; ');
}

/** What a server may send instead of its list of models, and what then stands in the list's place. */
const MISSING_LISTS: Array<{ fault: Fault; shown: RegExp }> = [
	{
		fault: { status: 401 },
		shown:
			/^401 - The list of models is not available\nThe API key was not accepted: Fault 401\. /m,
	},
	{
		fault: { drop: 'before-response' },
		shown: /^The list of models is not available\nThe connection to 127\.0\.0\.1:\d+ failed: /m,
	},
	{
		fault: { html: true },
		shown: /^The list of models is not available\nThe server responded, but not as an image API: /m,
	},
];

/** Opens the list of models while the server has none for it. Fails unless it says why, and how to go on. */
export async function checkMissingList(
	{ editor, server, log }: Session,
	node: string,
): Promise<void> {
	for (const { fault, shown } of MISSING_LISTS) {
		// The open panel keeps the list that it got.
		await editor.closePanel();
		await editor.openNode(node);
		server.setFaults([{ when: { path: '/models' }, fault }]);
		await editor.openModelList();
		const text = await editor.readMissingModelList();
		log(`no list of models: ${text.replaceAll('\n', ' / ')}`);
		match(text, shown);
		match(text, /Check the credential, or set Model to 'By ID'/);
		await editor.page.keyboard.press('Escape');
	}
	server.setFaults([]);
	await editor.closePanel();
	await editor.openNode(node);
}
