import type { INodeParameters, INodeProperties, INodePropertyOptions } from 'n8n-workflow';

import {
	modelsFor,
	OPERATIONS,
	SEED_RANGE,
	sizeValue,
} from '../../nodes/StepFunImage/catalogue/models';
import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { fillDefaults, isShown, withoutDefaults } from '../kit/n8nDifferences.cts';
import { OPTIONS } from '../kit/panelOptions.cts';

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

/** The value of the Model field when this model is chosen. */
function chosen(id: string, mode: 'list' | 'id' = 'list'): INodeParameters {
	return { __rl: true, mode, value: id, ...(mode === 'list' ? { cachedResultName: id } : {}) };
}

/** The notices of the panel. */
function notices(entered: INodeParameters): string[] {
	return visible(entered)
		.filter(({ type }) => type === 'notice')
		.map(({ displayName }) => displayName);
}

const INPUT_IMAGE = ['Input Image From', 'Input Data Field Name'];
const OUTPUT = ['Output', 'Put Output File in Field', 'Options'];

describe('Panel: fields', () => {
	test.each<[string, string, string[]]>([
		['generate', 'step-image-edit-2', ['Prompt', 'Size', ...OUTPUT]],
		['generate', 'step-2x-large', ['Prompt', 'Size', ...OUTPUT]],
		['edit', 'step-image-edit-2', [...INPUT_IMAGE, 'Prompt', 'Size', ...OUTPUT]],
		['edit', 'step-1x-edit', [...INPUT_IMAGE, 'Prompt', 'Size', ...OUTPUT]],
		[
			'imageToImage',
			'step-2x-large',
			[...INPUT_IMAGE, 'Prompt', 'Source Weight', 'Size', ...OUTPUT],
		],
		['generate', 'our-own-model', ['Prompt', 'Size', ...OUTPUT]],
		['edit', 'our-own-model', [...INPUT_IMAGE, 'Prompt', 'Size', ...OUTPUT]],
	])(
		'The panel of %s with %s has the fields of the model, and all options',
		(operation, id, fields) => {
			// Workflows from before the Model field was a resource locator hold the ID as text.
			for (const model of [chosen(id), chosen(id, 'id'), id]) {
				const shown = visible({ operation, model }).filter(({ type }) => type !== 'hidden');
				expect(shown.map(({ displayName }) => displayName)).toEqual([
					'Resource',
					'Operation',
					'Model',
					...fields,
				]);
				expect(options({ operation, model }).map(({ displayName }) => displayName)).toEqual(
					OPTIONS,
				);
			}
		},
	);

	test('The fields are there when an expression gives the model', () => {
		for (const model of ['={{ $json.model }}', chosen('={{ $json.model }}', 'id')]) {
			for (const operation of ['generate', 'edit', 'imageToImage']) {
				expect(labels({ operation, model }).filter((label: string) => label === 'Size')).toEqual([
					'Size',
				]);
			}
			expect(notices({ operation: 'generate', model, options: { textMode: true } })).toEqual([]);
		}
	});

	test('The fields of all outputs are there while the editor cannot resolve the expression that chooses one', () => {
		const values = { ...withDefaults({}), output: undefined };
		const shown = description.properties.filter((each) => isShown(values, each, description));
		expect(shown.map(({ displayName }) => displayName)).toEqual(
			expect.arrayContaining(['Put Output File in Field', 'Link Lifetime']),
		);
	});

	test('A new node generates with step-image-edit-2 into the field data', () => {
		expect(withDefaults({})).toEqual({
			resource: 'image',
			operation: 'generate',
			model: { __rl: true, mode: 'list', value: 'step-image-edit-2' },
			prompt: '',
			size: '',
			output: 'file',
			outputField: 'data',
			options: {},
		});
		expect(withDefaults({ operation: 'edit' })).toMatchObject({
			model: { value: 'step-image-edit-2' },
			binaryPropertyName: 'data',
		});
		expect(withDefaults({ operation: 'imageToImage' })).toMatchObject({
			model: { value: 'step-2x-large' },
			sourceWeight: 0.5,
		});
	});

	test.each([
		['file', true, false],
		['url', false, false],
		['fileAndUrl', true, false],
		['fileAndN8nLink', true, true],
		['n8nLink', false, true],
	])('The output %s shows the fields that it needs', (output, field, lifetime) => {
		for (const operation of ['generate', 'edit', 'imageToImage']) {
			const shown = labels({ operation, output });
			expect(shown.includes('Put Output File in Field')).toBe(field);
			expect(shown.includes('Link Lifetime')).toBe(lifetime);
		}
	});
});

describe('Panel: nothing that was set is lost', () => {
	/** What the editor keeps after a change of the panel (n8n 2.40: NodeSettings, valueChanged). */
	const change = (values: INodeParameters, changed: INodeParameters): INodeParameters => {
		return withDefaults({ ...withoutDefaults(values, description), ...changed });
	};

	const everything = {
		negativePrompt: 'blurry',
		textMode: true,
		numberOfImages: 2,
		seed: 5,
		steps: 12,
		cfgScale: 3,
		additionalBodyFields: '{}',
		fileName: 'shoe',
		includeInputFields: false,
		severalImagesAs: 'fields',
		whenModerated: 'fail',
		maxImagesPerRun: 50,
		maxTries: 2,
		timeout: 30,
		giveUpAfter: 60,
	};

	test('All options are kept through any changes of model and operation', () => {
		expect(Object.keys(everything).sort()).toEqual(
			options({})
				.map(({ name }) => name)
				.sort(),
		);
		const start = withDefaults({ prompt: 'A shoe', options: everything, size: '1360x768' });
		let values = start;
		for (const step of [
			{ model: chosen('step-2x-large') },
			{ operation: 'edit' },
			{ operation: 'imageToImage' },
			{ model: chosen('our-own-model', 'id') },
			{ operation: 'generate' },
			{ model: chosen('step-1x-edit') },
			{ operation: 'edit' },
			{ model: '={{ $json.model }}' },
			{ operation: 'generate' },
			{ model: chosen('step-image-edit-2') },
		]) {
			values = change(values, step as INodeParameters);
			expect(values.options).toEqual(everything);
			expect(values.size).toBe('1360x768');
		}
		expect(values).toEqual({ ...start, model: chosen('step-image-edit-2') });
	});

	test('A model that the operation does not offer is kept for the way back, with a notice', () => {
		const large = change(withDefaults({}), { model: chosen('step-2x-large') });
		const edit = change(large, { operation: 'edit' });
		expect(edit.model).toEqual(chosen('step-2x-large'));
		expect(notices(edit)).toEqual([
			'step-2x-large does not offer Edit. Choose another model, such as step-image-edit-2.',
		]);
		const back = change(edit, { operation: 'generate' });
		expect(back).toEqual(large);
		expect(notices(back)).toEqual([]);
	});

	test('A default model changes with the operation', () => {
		const imageToImage = change(withDefaults({}), { operation: 'imageToImage' });
		expect(imageToImage.model).toMatchObject({ value: 'step-2x-large' });
		expect(change(imageToImage, { operation: 'edit' }).model).toMatchObject({
			value: 'step-image-edit-2',
		});
	});
});

describe('Panel: notices about options', () => {
	test.each<[string, string, INodeParameters, string[]]>([
		['generate', 'step-image-edit-2', { ...{ textMode: true, steps: 8, cfgScale: 1 } }, []],
		['generate', 'step-2x-large', {}, []],
		['generate', 'step-2x-large', { textMode: false, negativePrompt: '', steps: 20 }, []],
		['generate', 'step-2x-large', { textMode: true }, ['step-2x-large does not support text mode']],
		[
			'generate',
			'step-2x-large',
			{ negativePrompt: 'x' },
			['step-2x-large does not support negative prompts'],
		],
		[
			'generate',
			'step-2x-large',
			{ negativePrompt: '={{ 1 }}' },
			['step-2x-large does not support negative prompts'],
		],
		[
			'imageToImage',
			'step-2x-large',
			{ steps: 8 },
			['Steps is 8, but the default of step-2x-large is 50. Change it'],
		],
		[
			'edit',
			'step-1x-edit',
			{ cfgScale: 1 },
			['CFG Scale is 1, but the default of step-1x-edit is 6. Change it'],
		],
		['edit', 'step-1x-edit', { textMode: '={{ $json.t }}', steps: '={{ $json.s }}' }, []],
		['generate', 'our-own-model', { textMode: true, steps: 8, negativePrompt: 'x' }, []],
	])('The panel of %s with %s and %j says %j', (operation, id, set, expected) => {
		for (const model of [chosen(id), id]) {
			const said = notices({ operation, model, options: set });
			expect(said.map((text) => expected.find((words) => text.startsWith(words)))).toEqual(
				expected,
			);
		}
	});
});

describe('Panel: ranges and defaults', () => {
	const named = (name: string) => options({}).find((option) => option.name === name);

	test('The options start with the defaults of the first model, and Text Mode turned on', () => {
		expect(
			['steps', 'cfgScale', 'seed', 'textMode', 'includeInputFields'].map(
				(name) => named(name)?.default,
			),
		).toEqual([8, 1, 1, true, true]);
	});

	test('The descriptions contain every range, and every default of a model', () => {
		const { description: steps } = named('steps') as INodeProperties;
		const { description: cfgScale } = named('cfgScale') as INodeProperties;
		for (const operation of OPERATIONS) {
			for (const { id, capabilities } of modelsFor(operation)) {
				expect(steps).toContain(`${capabilities.steps.min} to ${capabilities.steps.max}`);
				expect(steps).toContain(`${capabilities.steps.default} for ${id}`);
				expect(cfgScale).toContain(`${capabilities.cfgScale.min} to ${capabilities.cfgScale.max}`);
				expect(cfgScale).toContain(`${capabilities.cfgScale.default} for ${id}`);
			}
		}
		expect(named('textMode')?.description).toMatch(
			/Only StepFun's step-image-edit-2 supports it\.$/,
		);
		expect(named('seed')?.description).toContain('For step-2x-large and step-1x-edit, 0 means');
	});

	test('No field allows more in the editor than the API, or less than a model', () => {
		expect(named('seed')?.typeOptions).toMatchObject({
			minValue: SEED_RANGE.min,
			maxValue: SEED_RANGE.max,
		});
		expect(named('steps')?.typeOptions).toMatchObject({ minValue: 1, numberPrecision: 0 });
		expect(named('steps')?.typeOptions?.maxValue).toBeUndefined();
		expect(named('maxImagesPerRun')?.typeOptions).toMatchObject({ minValue: 1 });
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
	])('The sizes of %s with %s are shown with the width first', (operation, model, choices) => {
		expect(sizeChoices(operation, model)).toEqual(choices);
	});

	test('The size of a custom model accepts any text', () => {
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
		notices({ operation, model, options: set }).some((text) =>
			text.startsWith('The negative prompt has no effect'),
		);

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

	test('A description ends with a period if it has several sentences, and without one otherwise', () => {
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

	test('No placeholder shows braces, which people would type in Fixed mode', () => {
		const placeholders = fields.map(({ placeholder }) => placeholder ?? '');
		expect(placeholders.filter((text) => text.includes('{'))).toEqual([]);
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
		expect(conditions).toContain('/options.negativePrompt.length');
		expect(conditions.filter((name) => !names.has(name) && !/^[/@]/.test(name))).toEqual([]);
	});

	test('The node works as a tool of an AI agent, with one input and one output', () => {
		expect(description.usableAsTool).toBe(true);
		expect([description.inputs, description.outputs]).toEqual([['main'], ['main']]);
		expect(description.credentials).toMatchObject([{ name: 'stepFunApi', required: true }]);
	});
});
