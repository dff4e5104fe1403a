import {
	type INodeParameters,
	type INodeProperties,
	type INodePropertyOptions,
} from 'n8n-workflow';

import {
	modelsFor,
	SEED_RANGE,
	sizeValue,
	type Operation,
} from '../../nodes/StepFunImage/catalogue/models';
import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { fillDefaults, isShown } from '../kit/n8nDifferences';

const { description } = new StepFunImage();

/** The values that the editor has once these are entered, the defaults filled in as n8n does it. */
function withDefaults(entered: INodeParameters): INodeParameters {
	return fillDefaults({ resource: 'image', ...entered }, description);
}

/** What a person sees in the editor with these values. */
function visible(entered: INodeParameters): INodeProperties[] {
	const values = withDefaults(entered);
	return description.properties.filter((property) => isShown(values, property, description));
}

function labels(entered: INodeParameters): string[] {
	return visible(entered).map(({ displayName }) => displayName);
}

/** The entries of the Options menu. */
function options(entered: INodeParameters): INodeProperties[] {
	const collections = visible(entered).filter(({ name }) => name === 'options');
	if (collections.length !== 1) throw new Error(`${collections.length} Options are visible`);
	return collections[0].options as INodeProperties[];
}

/** The options that every model has. */
const COMMON = [
	'Additional Body Fields',
	'File Name',
	'Give Up After (Seconds)',
	'Include Input Fields',
	'Max Images per Run',
	'Max Tries',
	'Number of Images',
	'Several Images As',
	'Timeout (Seconds)',
	'When Moderated',
];

describe('Panel: fields', () => {
	test.each<[string, string, string[], string[]]>([
		[
			'generate',
			'step-image-edit-2',
			['Prompt', 'Size', 'Output', 'Put Output File in Field', 'Options'],
			['CFG Scale', 'Negative Prompt', 'Seed', 'Steps', 'Text Mode', ...COMMON],
		],
		[
			'generate',
			'step-2x-large',
			['Prompt', 'Size', 'Output', 'Put Output File in Field', 'Options'],
			['CFG Scale', 'Seed', 'Steps', ...COMMON],
		],
		[
			'edit',
			'step-image-edit-2',
			[
				'Input Image From',
				'Input Data Field Name',
				'Prompt',
				'Output',
				'Put Output File in Field',
				'Options',
			],
			['CFG Scale', 'Negative Prompt', 'Seed', 'Steps', 'Text Mode', ...COMMON],
		],
		[
			'edit',
			'step-1x-edit',
			[
				'Input Image From',
				'Input Data Field Name',
				'Prompt',
				'Size',
				'Output',
				'Put Output File in Field',
				'Options',
			],
			['CFG Scale', 'Seed', 'Steps', ...COMMON],
		],
		[
			'generate',
			'our-own-model',
			['Prompt', 'Size', 'Output', 'Put Output File in Field', 'Options'],
			['CFG Scale', 'Negative Prompt', 'Seed', 'Steps', 'Text Mode', ...COMMON],
		],
		[
			'edit',
			'our-own-model',
			[
				'Input Image From',
				'Input Data Field Name',
				'Prompt',
				'Size',
				'Output',
				'Put Output File in Field',
				'Options',
			],
			['CFG Scale', 'Negative Prompt', 'Seed', 'Steps', 'Text Mode', ...COMMON],
		],
	])('The panel of %s with %s is that of the model', (operation, model, fields, entries) => {
		expect(labels({ operation, model })).toEqual(['Resource', 'Operation', 'Model', ...fields]);
		expect(
			options({ operation, model })
				.map(({ displayName }) => displayName)
				.sort(),
		).toEqual([...entries].sort());
	});

	test('A fresh node generates with step-image-edit-2 into the field data', () => {
		expect(withDefaults({})).toEqual({
			resource: 'image',
			operation: 'generate',
			model: 'step-image-edit-2',
			prompt: '',
			size: '',
			output: 'file',
			outputField: 'data',
			options: {},
		});
		expect(withDefaults({ operation: 'edit' })).toMatchObject({
			model: 'step-image-edit-2',
			binaryPropertyName: 'data',
		});
	});

	test.each([
		['file', true, false],
		['url', false, false],
		['fileAndUrl', true, false],
		['fileAndN8nLink', true, true],
		['n8nLink', false, true],
	])('The output %s asks for what it needs', (output, field, lifetime) => {
		for (const operation of ['generate', 'edit', 'imageToImage']) {
			const shown = labels({ operation, output });
			expect(shown.includes('Put Output File in Field')).toBe(field);
			expect(shown.includes('Link Lifetime')).toBe(lifetime);
		}
	});

	test.each([
		['generate', ['step-image-edit-2', 'step-2x-large']],
		['edit', ['step-image-edit-2', 'step-1x-edit']],
	])('The panel of %s offers its models', (operation, models) => {
		const field = visible({ operation }).find(({ name }) => name === 'model');
		expect((field?.options as INodePropertyOptions[]).map(({ value }) => value)).toEqual(models);
		expect(field?.default).toBe('step-image-edit-2');
	});
});

describe('Panel: ranges and defaults of the model', () => {
	test.each<[string, string, string, number, number, number]>([
		['generate', 'step-image-edit-2', 'steps', 1, 50, 8],
		['generate', 'step-image-edit-2', 'cfgScale', 1, 10, 1],
		['generate', 'step-image-edit-2', 'seed', 0, 2147483647, 0],
		['generate', 'step-2x-large', 'steps', 1, 50, 50],
		['generate', 'step-2x-large', 'cfgScale', 1, 10, 6],
		['generate', 'step-2x-large', 'seed', 0, 2147483647, 1],
		['edit', 'step-image-edit-2', 'steps', 1, 50, 8],
		['edit', 'step-image-edit-2', 'cfgScale', 1, 10, 1],
		['edit', 'step-1x-edit', 'steps', 1, 50, 28],
		['edit', 'step-1x-edit', 'cfgScale', 1, 10, 6],
		['edit', 'step-1x-edit', 'seed', 0, 2147483647, 1],
	])(
		'The panel of %s with %s gives %s from %d to %d, starting at %d',
		(operation, model, name, min, max, start) => {
			const option = options({ operation, model }).find((each) => each.name === name);
			expect(option?.typeOptions?.minValue).toBe(min);
			expect(option?.typeOptions?.maxValue).toBe(max);
			expect(option?.default).toBe(start);
		},
	);

	test("The panel of a model of one's own has no ranges", () => {
		const own = options({ operation: 'generate', model: 'our-own-model' });
		for (const name of ['steps', 'cfgScale']) {
			const option = own.find((each) => each.name === name);
			expect([option?.typeOptions?.minValue, option?.typeOptions?.maxValue]).toEqual([
				undefined,
				undefined,
			]);
		}
	});

	test.each<Operation>(['generate', 'edit'])('The panel of %s offers every fact', (operation) => {
		const models = modelsFor(operation);
		expect(models.length).toBeGreaterThan(1);
		for (const { id: model, capabilities } of models) {
			const offered = options({ operation, model });
			const named = (name: string) => offered.find((option) => option.name === name);
			expect(named('steps')).toMatchObject({
				default: capabilities.steps.default,
				typeOptions: { minValue: capabilities.steps.min, maxValue: capabilities.steps.max },
			});
			expect(named('cfgScale')).toMatchObject({
				default: capabilities.cfgScale.default,
				typeOptions: { minValue: capabilities.cfgScale.min, maxValue: capabilities.cfgScale.max },
			});
			expect(named('seed')?.typeOptions).toMatchObject({
				minValue: SEED_RANGE.min,
				maxValue: SEED_RANGE.max,
			});
			expect(named('textMode') !== undefined).toBe(capabilities.textMode);
			expect(named('negativePrompt') !== undefined).toBe(capabilities.negativePrompt !== undefined);
		}
	});
});

describe('Panel: sizes', () => {
	const sizeChoices = (operation: string, model: string) => {
		const field = visible({ operation, model }).find(({ name }) => name === 'size');
		return (field?.options as INodePropertyOptions[]).map(({ name, value }) => [name, value]);
	};

	test.each<[string, string, string[][]]>([
		[
			'generate',
			'step-image-edit-2',
			[
				['Model Default (1024 × 1024)', ''],
				['Square 1:1 (1024 × 1024)', '1024x1024'],
				['Landscape 16:9 (1360 × 768)', '1360x768'],
				['Landscape 4:3 (1184 × 896)', '1184x896'],
				['Portrait 3:4 (896 × 1184)', '896x1184'],
				['Portrait 9:16 (768 × 1360)', '768x1360'],
			],
		],
		[
			'generate',
			'step-2x-large',
			[
				['Model Default', ''],
				['Square 1:1 (1024 × 1024)', '1024x1024'],
				['Square 1:1 (768 × 768)', '768x768'],
				['Square 1:1 (512 × 512)', '512x512'],
				['Square 1:1 (256 × 256)', '256x256'],
				['Landscape 16:10 (1280 × 800)', '1280x800'],
				['Portrait 10:16 (800 × 1280)', '800x1280'],
			],
		],
		[
			'edit',
			'step-1x-edit',
			[
				['Model Default (512 × 512)', ''],
				['About 512 × 512 Pixels', '512x512'],
				['About 768 × 768 Pixels', '768x768'],
				['About 1024 × 1024 Pixels', '1024x1024'],
			],
		],
	])('The sizes of %s with %s stand with the width first', (operation, model, choices) => {
		expect(sizeChoices(operation, model)).toEqual(choices);
	});

	test("The size of a model of one's own takes any text", () => {
		const field = visible({ operation: 'generate', model: 'our-own-model' }).find(
			({ name }) => name === 'size',
		);
		expect([field?.type, field?.default]).toEqual(['string', '']);
	});

	test('The ratio of every size is close to its pixels', () => {
		for (const operation of ['generate', 'edit'] as const) {
			for (const { capabilities } of modelsFor(operation)) {
				for (const size of capabilities.sizes ?? []) {
					const [across, down] = size.ratio.split(':').map(Number);
					expect(Math.abs(size.width / size.height / (across / down) - 1)).toBeLessThan(0.02);
					expect(sizeValue(size)).toBe(`${size.width}x${size.height}`);
				}
			}
		}
	});
});

describe('Panel: the notice that a negative prompt does nothing', () => {
	const shown = (operation: string, model: string, set: INodeParameters) =>
		visible({ operation, model, options: set }).some(({ type }) => type === 'notice');

	describe.each(['generate', 'edit'])('Panel: notice, %s with step-image-edit-2', (operation) => {
		test.each<[boolean, INodeParameters]>([
			[false, {}],
			[false, { cfgScale: 1 }],
			[false, { cfgScale: 5 }],
			[false, { negativePrompt: '' }],
			[true, { negativePrompt: 'blurry' }],
			[true, { negativePrompt: 'blurry', cfgScale: 1 }],
			[true, { negativePrompt: '={{ $json.not }}' }],
			[false, { negativePrompt: 'blurry', cfgScale: 1.1 }],
			[false, { negativePrompt: 'blurry', cfgScale: 5 }],
			[false, { negativePrompt: 'blurry', cfgScale: '={{ $json.cfg }}' }],
		])('The notice that a negative prompt does nothing is shown (%s) for %j', (expected, set) => {
			expect(shown(operation, 'step-image-edit-2', set)).toBe(expected);
		});
	});

	test.each([
		['generate', 'step-2x-large'],
		['edit', 'step-1x-edit'],
		['generate', 'our-own-model'],
	])('The notice that a negative prompt does nothing is absent for %s, %s', (operation, model) => {
		expect(shown(operation, model, { negativePrompt: 'blurry', cfgScale: 1 })).toBe(false);
	});
});

describe("Panel: n8n's conventions", () => {
	type Field = INodeProperties & { options?: Array<INodeProperties | INodePropertyOptions> };

	const all = (properties: Field[]): Field[] =>
		properties.flatMap((property) => [
			property,
			...(property.type === 'collection' ? all((property.options ?? []) as Field[]) : []),
		]);
	const fields = all(description.properties as Field[]);
	const choices = fields
		.filter(({ type }) => type === 'options')
		.flatMap(({ options: entries }) => (entries ?? []) as INodePropertyOptions[]);

	test('Labels are in title case', () => {
		const small = new Set([
			'a',
			'an',
			'and',
			'as',
			'for',
			'in',
			'of',
			'on',
			'or',
			'per',
			'the',
			'to',
		]);
		const wrong = fields
			.filter(({ type }) => type !== 'notice')
			.map(({ displayName }) => displayName)
			.filter((label) =>
				label
					.split(' ')
					.some((word, index) => /^[a-z]/.test(word) && (index === 0 || !small.has(word))),
			);
		expect(fields.length).toBeGreaterThan(40);
		expect(wrong).toEqual([]);
	});

	test('A description of one sentence has no period at its end, one of several has', () => {
		const texts = [...fields, ...choices]
			.map(({ description: text }) => text)
			.filter((text): text is string => text !== undefined)
			.map((text) => text.replace(/<[^>]*>/g, '').replace(/\be\.g\./g, 'eg'));
		expect(texts.length).toBeGreaterThan(40);
		const wrong = texts.filter((text) => {
			const sentences = text.split(/[.!?:]\s+(?=[A-Z0-9])/).length;
			return sentences > 1 !== text.endsWith('.');
		});
		expect(wrong).toEqual([]);
	});

	test('Entries of Options are sorted by their labels', () => {
		const collections = fields.filter(({ type }) => type === 'collection');
		expect(collections.length).toBeGreaterThan(5);
		for (const { options: entries } of collections) {
			const names = ((entries ?? []) as INodeProperties[]).map(({ displayName }) => displayName);
			expect(names).toEqual([...names].sort((a, b) => a.localeCompare(b)));
			expect(names.length).toBeGreaterThan(0);
		}
	});

	test('A boolean is described with Whether', () => {
		const booleans = fields.filter(({ type }) => type === 'boolean');
		expect(booleans.length).toBeGreaterThan(0);
		for (const field of booleans) expect(field.description).toMatch(/^Whether /);
	});

	test('A condition names a field, a path from the root, or a fact of the node; n8n 1.x loads no workflow otherwise', () => {
		const names = new Set(description.properties.map(({ name }) => name));
		const conditions = description.properties.flatMap(({ displayOptions }) =>
			Object.values(displayOptions ?? {}).flatMap((rule) => Object.keys(rule)),
		);
		expect(conditions).toContain('/options.negativePrompt');
		expect(conditions.filter((name) => !names.has(name) && !/^[/@]/.test(name))).toEqual([]);
	});

	test('The node works as a tool of an AI agent, with one input and one output', () => {
		expect(description.usableAsTool).toBe(true);
		expect([description.inputs, description.outputs]).toEqual([['main'], ['main']]);
		expect(description.credentials).toEqual([
			{ name: 'stepFunApi', required: true, testedBy: 'testStepFunApi' },
		]);
	});
});
