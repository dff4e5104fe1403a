import type {
	IDataObject,
	INodeExecutionData,
	INodeParameters,
	IRunExecutionData,
	NodeHint,
} from 'n8n-workflow';

import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { editorWorkflow } from '../kit/editorWorkflow.cts';

const { hints = [] } = new StepFunImage().description;

/** What the node before brought, as the editor keeps it. */
function runOfPrevious(items: INodeExecutionData[]): IRunExecutionData {
	return {
		resultData: {
			runData: {
				Previous: [
					{
						startTime: 0,
						executionTime: 0,
						executionIndex: 0,
						source: [],
						data: { main: [items] },
					},
				],
			},
		},
	} as unknown as IRunExecutionData;
}

/**
 * The hints that a person sees, by n8n's own Workflow, evaluated as the editor of n8n 2.40 does it
 * (getNodeHints in its useNodeHelpers): for the first item, and only a boolean counts.
 *
 * @param input the items of the node before; without them it has not run
 */
function shownHints(parameters: INodeParameters, input?: IDataObject[]): NodeHint[] {
	const { workflow, node } = editorWorkflow(parameters);
	const items = (input ?? []).map((json) => ({ json }));
	return hints.filter(({ displayCondition }) => {
		const shown = workflow.expression.getParameterValue(
			displayCondition as string,
			input ? runOfPrevious(items) : null,
			0,
			0,
			node.name,
			items,
			'manual',
			{},
		);
		expect(typeof shown).toBe('boolean');
		return shown === true;
	});
}

const named = (word: string, parameters: INodeParameters, input?: IDataObject[]) =>
	shownHints(parameters, input).some(({ message }) => message.includes(word));

describe('Panel: the hint to turn on Text Mode', () => {
	const shown = (parameters: INodeParameters, input?: IDataObject[]) =>
		named('Text Mode', parameters, input);

	test.each([
		'A poster that says "SALE"',
		"A poster that says 'SALE'",
		"A poster that says 'Don't wait, it's now'.",
		'A poster that says “SALE”',
		'A poster that says ‘SALE’',
		'一张写着“新品上市”的海报',
		'一张写着"新品上市"的海报',
		'一张写着「新品上市」的海报',
		'"SALE"',
		'Two lines:\n"SUMMER\nSALE"',
		'A 5" shelf with a sign "SALE"',
	])('The hint to turn on Text Mode appears for %j', (prompt) => {
		expect(shown({ prompt })).toBe(true);
		expect(shown({ operation: 'edit', prompt })).toBe(true);
	});

	test.each([
		'',
		'A red shoe',
		"The shoe's sole, and the laces aren't white",
		"The girls' and the boys' shoes",
		'A 5" shelf and a 6" one',
		'A quote " that never ends',
		"l'été d'or",
		'《西游记》',
	])('The hint to turn on Text Mode does not appear for %j', (prompt) => {
		expect(shown({ prompt })).toBe(false);
	});

	test.each<[boolean, INodeParameters]>([
		[true, { options: {} }],
		[true, { options: { textMode: false } }],
		[false, { options: { textMode: true } }],
		// What an expression will give is not known for every item.
		[false, { options: { textMode: '={{ $json.lettering }}' } }],
		[false, { model: 'step-2x-large' }],
		[true, { model: { __rl: true, mode: 'id', value: 'step-image-edit-2' } }],
		[false, { model: { __rl: true, mode: 'list', value: 'step-2x-large' } }],
		[false, { operation: 'edit', model: 'step-1x-edit' }],
		[false, { operation: 'imageToImage', model: 'step-2x-large' }],
		[false, { model: 'our-own-model' }],
		[false, { resource: 'account', operation: 'getBalance' }],
	])('The hint to turn on Text Mode is shown (%s) with %j', (expected, parameters) => {
		expect(shown({ prompt: 'It says "SALE"', ...parameters })).toBe(expected);
	});

	test('The hint to turn on Text Mode reads expressions, even before the previous nodes have run', () => {
		const prompt = '=A poster that says "{{ $json.slogan }}"';
		expect(shown({ prompt })).toBe(true);
		expect(shown({ prompt }, [{ slogan: 'SALE' }])).toBe(true);
		expect(shown({ prompt: '={{ "A shoe, " + \'photo\' }}' })).toBe(false);
	});

	test.each(['={{ $json.prompt }}', "={{ $('Previous').first().json.prompt }}"])(
		'The hint to turn on Text Mode sees quotes that the data adds to %s',
		(prompt) => {
			expect(shown({ prompt }, [{ prompt: 'A poster that says "SALE"' }])).toBe(true);
			expect(shown({ prompt }, [{ prompt: 'A red shoe' }])).toBe(false);
			expect(shown({ prompt }, [{}])).toBe(false);
			expect(shown({ prompt })).toBe(false);
		},
	);

	test.each(["={{ $fromAI('Prompt', `in \"quotes\"`, 'string') }}", '={{ $json. }}'])(
		'The hint to turn on Text Mode does not appear, and nothing breaks, for %s',
		(prompt) => {
			expect(shown({ prompt })).toBe(false);
			expect(shown({ prompt }, [{}])).toBe(false);
		},
	);
});

describe('Panel: the hint that Size does nothing', () => {
	const shown = (parameters: INodeParameters, input?: IDataObject[]) =>
		named('Size', { prompt: 'x', ...parameters }, input);
	const model = '={{ $json.model }}';
	const size = '768x768';

	test('The hint that Size does nothing appears if an expression chose a model without sizes', () => {
		for (const set of [model, { __rl: true, mode: 'id', value: model }]) {
			expect(shown({ operation: 'edit', model: set, size }, [{ model: 'step-image-edit-2' }])).toBe(
				true,
			);
		}
	});

	test('The hint that Size does nothing appears for a size that was set for another operation', () => {
		expect(shown({ operation: 'edit', model: 'step-image-edit-2', size })).toBe(true);
	});

	test.each<[INodeParameters, string]>([
		[{ operation: 'edit', model, size: '' }, 'step-image-edit-2'],
		[{ operation: 'edit', model, size }, 'step-1x-edit'],
		[{ operation: 'edit', model, size }, 'our-own-model'],
		[{ operation: 'generate', model, size }, 'step-image-edit-2'],
	])('The hint that Size does nothing does not appear for %j with %j', (parameters, chosen) => {
		expect(shown(parameters, [{ model: chosen }])).toBe(false);
	});
});

test('A hint appears above the output, before and after a run', () => {
	expect(hints.map(({ location, whenToDisplay }) => [location, whenToDisplay])).toEqual([
		['outputPane', 'always'],
		['outputPane', 'always'],
	]);
});

test('A hint reads a prompt only up to its maximum length, so that no text holds up the editor', () => {
	const text = (before: number) => `${'“'.repeat(before)} "Sale"`;
	expect(named('Text Mode', { operation: 'generate', prompt: text(1_000) })).toBe(true);
	expect(named('Text Mode', { operation: 'generate', prompt: text(50_000) })).toBe(false);
});
