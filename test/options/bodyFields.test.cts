import type { IDataObject } from 'n8n-workflow';

import { findModel, type ModelCapabilities } from '../../nodes/StepFunImage/catalogue/models';
import { readBodyFields } from '../../nodes/StepFunImage/request/bodyFields';
import type { Field } from '../../nodes/StepFunImage/request/routing';

const FIELDS: { [apiField: string]: Pick<Field, 'label' | 'type'> } = {
	model: { label: 'Model', type: 'options' },
	prompt: { label: 'Prompt', type: 'string' },
	size: { label: 'Size', type: 'options' },
	steps: { label: 'Steps', type: 'number' },
	cfg_scale: { label: 'CFG Scale', type: 'number' },
	seed: { label: 'Seed', type: 'number' },
	negative_prompt: { label: 'Negative Prompt', type: 'string' },
	text_mode: { label: 'Text Mode', type: 'boolean' },
	source_weight: { label: 'Source Weight', type: 'number' },
	style: { label: 'Style', type: 'string' },
	// A name that every object has.
	toString: { label: 'To String', type: 'string' as Field['type'] },
};

type Operations = 'generate' | 'edit' | 'imageToImage';

/** What is sent for these values, without the model. */
function read(
	values: Record<string, unknown>,
	model = 'step-image-edit-2',
	operation: Operations = 'generate',
	capabilities: ModelCapabilities | undefined = findModel(model)?.operations[operation],
) {
	const { model: sentModel, ...fields } = readBodyFields(
		Object.keys(values).map((apiField) => ({
			...FIELDS[apiField],
			apiField,
			path: [apiField],
			isRequired: ['prompt', 'source_weight'].includes(apiField),
		})),
		values as IDataObject,
		operation,
		model,
		capabilities,
	);
	expect(sentModel).toBe(model);
	// A field that is left out is not there at all.
	expect(Object.values(fields)).not.toContain(undefined);
	return fields;
}

const refusal = (message: string, description: unknown = expect.any(String)) =>
	expect.objectContaining({ message, description }) as Error;

describe('Body fields of a model of the catalogue', () => {
	test('are converted to numbers and booleans if an expression returned text', () => {
		expect(
			read({
				model: 'another',
				prompt: 'A shoe',
				steps: '8',
				cfg_scale: '1.5',
				seed: '0',
				text_mode: 'true',
				negative_prompt: 'blur',
			}),
		).toEqual({
			prompt: 'A shoe',
			steps: 8,
			cfg_scale: 1.5,
			seed: 0,
			text_mode: true,
			negative_prompt: 'blur',
		});
	});

	test('that are unset are left out', () => {
		expect(
			read({ prompt: 'A shoe', size: '', steps: undefined, seed: null, style: ' ', text_mode: '' }),
		).toEqual({ prompt: 'A shoe' });
	});

	test('that the catalogue does not know are sent unchanged', () => {
		expect(read({ prompt: 'A shoe', style: 'ink', toString: 'x' })).toEqual({
			prompt: 'A shoe',
			style: 'ink',
			toString: 'x',
		});
	});

	test.each([
		['steps', 51, "'Steps' must be a whole number from 1 to 50, but is 51"],
		['steps', 1.5, "'Steps' must be a whole number from 1 to 50, but is 1.5"],
		['cfg_scale', 0.5, "'CFG Scale' must be a number from 1 to 10, but is 0.5"],
		['cfg_scale', 11, "'CFG Scale' must be a number from 1 to 10, but is 11"],
		['seed', -1, "'Seed' must be a whole number from 0 to 2147483647, but is -1"],
		['seed', 0.5, "'Seed' must be a whole number from 0 to 2147483647, but is 0.5"],
		['text_mode', 'maybe', "'Text Mode' must be true or false, but is maybe"],
	])('refuse %s %p', (field, value, message) => {
		expect(() => read({ prompt: 'A shoe', [field]: value })).toThrow(
			refusal(
				message,
				`Change '${FIELDS[field].label}', or remove the option to use the default of step-image-edit-2.`,
			),
		);
	});
});

describe('A prompt', () => {
	test.each([undefined, null, '', ' ', '\u200b', '\u200e\u200f \u0000'])(
		'may not be %j',
		(prompt) => {
			expect(() => read({ prompt })).toThrow(
				refusal(
					"'Prompt' is empty",
					'Write what the image should show. If the prompt comes from an expression, check that this item has the field.',
				),
			);
		},
	);

	test.each([
		[['shoe'], 'a list'],
		[{ text: 'shoe' }, 'an object'],
	])('may not be %j', (prompt, what) => {
		expect(() => read({ prompt })).toThrow(
			refusal(
				`'Prompt' must be text, but is ${what}`,
				"Check the expression in 'Prompt': it must return a single text.",
			),
		);
	});

	test('may be a number, which is sent as text', () => {
		expect(read({ prompt: 42 })).toEqual({ prompt: '42' });
	});

	test('has as many characters as code points', () => {
		const longest = `${'鞋'.repeat(505)}👨‍👩‍👧‍👦`;
		expect(read({ prompt: longest })).toEqual({ prompt: longest });
		expect(() => read({ prompt: `${longest}xx` })).toThrow(
			refusal(
				"'Prompt' is too long: 514 characters, and step-image-edit-2 takes at most 512",
				'Shorten the text by 2 characters. A Chinese character counts as one, an emoji as one or more.',
			),
		);
		expect(() => read({ negative_prompt: 'x'.repeat(513) })).toThrow(
			"'Negative Prompt' is too long: 513 characters",
		);
	});

	test.each(['\n', '\r', '\r\n'])(
		'counts the line break %j as two characters in Edit, whose form sends two',
		(lineBreak) => {
			const fits = `${'x'.repeat(254)}${lineBreak}${'x'.repeat(254)}${lineBreak}`;
			expect(read({ prompt: fits }, 'step-image-edit-2', 'edit')).toEqual({ prompt: fits });
			expect(() => read({ prompt: `${fits}x` }, 'step-image-edit-2', 'edit')).toThrow(
				refusal(
					"'Prompt' is too long: 513 characters, and step-image-edit-2 takes at most 512",
					'Shorten the text by 1 character. A Chinese character counts as one, an emoji as one or more, and a line break as two.',
				),
			);
		},
	);

	test('counts a line break as one character in Generate', () => {
		const prompt = `${'x'.repeat(510)}\n\n`;
		expect(read({ prompt })).toEqual({ prompt });
	});
});

describe('A size', () => {
	test.each([
		['step-image-edit-2', 'generate', '1360x768', '768x1360'],
		['step-image-edit-2', 'generate', ' 1360 × 768 ', '768x1360'],
		['step-image-edit-2', 'generate', '1360X768', '768x1360'],
		['step-image-edit-2', 'generate', '1360*768', '768x1360'],
		['step-2x-large', 'generate', '1280x800', '1280x800'],
		['step-1x-edit', 'edit', '768x768', '768x768'],
	] as const)('of %s %s written %j is sent as %s', (model, operation, size, sent) => {
		expect(read({ size }, model, operation)).toEqual({ size: sent });
	});

	test.each(['1360x769', 'x1360x768', '1360x768x', '1360 768', 'large', '1024', 'a1024x1024'])(
		'may not be %j',
		(size) => {
			expect(() => read({ size })).toThrow(
				refusal(
					`'Size' ${size} is not a size of step-image-edit-2`,
					'Use one of its sizes, width x height: 1024x1024 (Square 1:1), 1360x768 (Landscape 16:9), 1184x896 (Landscape 4:3), 896x1184 (Portrait 3:4), 768x1360 (Portrait 9:16).',
				),
			);
		},
	);

	test('that only sets an area is offered without a ratio', () => {
		expect(() => read({ size: '1x1' }, 'step-1x-edit', 'edit')).toThrow(
			refusal(
				"'Size' 1x1 is not a size of step-1x-edit",
				'Use one of its sizes, width x height: 512x512, 768x768, 1024x1024.',
			),
		);
	});

	test('is not sent to a model that keeps the size of its input', () => {
		expect(read({ size: 'any' }, 'step-image-edit-2', 'edit')).toEqual({});
	});
});

describe('An option that a model does not support', () => {
	const advice = (label: string) =>
		`Remove the option '${label}', or choose a model that has it, such as step-image-edit-2.`;

	test('is refused if it is set', () => {
		expect(() => read({ negative_prompt: 'blur' }, 'step-2x-large')).toThrow(
			refusal("'Negative Prompt' is not available for step-2x-large", advice('Negative Prompt')),
		);
		expect(() => read({ text_mode: true }, 'step-2x-large')).toThrow(
			refusal("'Text Mode' is not available for step-2x-large", advice('Text Mode')),
		);
	});

	test('is left out if it is not set', () => {
		expect(read({ text_mode: false }, 'step-2x-large')).toEqual({});
		expect(read({ negative_prompt: '' }, 'step-2x-large')).toEqual({});
	});

	test('is still checked for a valid value', () => {
		expect(() => read({ text_mode: 'maybe' }, 'step-2x-large')).toThrow(
			"'Text Mode' must be true or false",
		);
		expect(read({ text_mode: false })).toEqual({ text_mode: false });
	});
});

describe('A source weight', () => {
	const readWeight = (weight: unknown) =>
		read({ source_weight: weight }, 'step-2x-large', 'imageToImage');

	test('is above 0 and at most 1', () => {
		expect(readWeight('0.01')).toEqual({ source_weight: 0.01 });
		expect(readWeight(1)).toEqual({ source_weight: 1 });
		expect(() => readWeight(0)).toThrow(
			refusal(
				"'Source Weight' must be above 0, and at most 1, but is 0",
				'Use a small number such as 0.1 to keep close to the source.',
			),
		);
		// The field is not an option, so it cannot be removed.
		expect(() => readWeight(1.1)).toThrow(
			refusal(
				"'Source Weight' must be a number from 0 to 1, but is 1.1",
				"Change 'Source Weight'.",
			),
		);
		expect(() => readWeight(-0.1)).toThrow('must be a number from 0 to 1');
	});

	test('is not sent to a model without it', () => {
		expect(read({ source_weight: 0.5 })).toEqual({});
	});
});

describe('Body fields of a model that the catalogue does not know', () => {
	test('are converted to their declared types if possible, and have no limits', () => {
		expect(
			read(
				{
					prompt: 'A red shoe',
					size: '1x1',
					steps: '500',
					cfg_scale: 'auto',
					text_mode: 'true',
					negative_prompt: 7,
					seed: -1,
					source_weight: ' ',
				},
				'our-own-model',
			),
		).toEqual({
			prompt: 'A red shoe',
			size: '1x1',
			steps: 500,
			cfg_scale: 'auto',
			text_mode: true,
			negative_prompt: '7',
			seed: -1,
		});
		expect(read({ text_mode: 'false' }, 'our-own-model')).toEqual({ text_mode: false });
		expect(read({ text_mode: 'auto' }, 'our-own-model')).toEqual({ text_mode: 'auto' });
		for (const text of ['7', 'true']) {
			expect(read({ negative_prompt: text }, 'our-own-model')).toEqual({ negative_prompt: text });
		}
	});

	test.each([undefined, null, '', ' \n'])('are refused without a prompt (%j)', (prompt) => {
		expect(() => read({ prompt }, 'our-own-model')).toThrow(
			refusal("'Prompt' is empty", expect.stringContaining('check that this item has the field')),
		);
	});

	test.each([
		[{ steps: { a: 1 } }, '\'Steps\' must be a number, but is {"a":1}'],
		[{ steps: [5] }, "'Steps' must be a number, but is [5]"],
		[{ seed: NaN }, "'Seed' must be a number, but is NaN"],
		[{ seed: true }, "'Seed' must be a number, but is true"],
		[{ prompt: { a: 1 } }, "'Prompt' must be text, but is an object"],
		[{ prompt: ['a'] }, "'Prompt' must be text, but is a list"],
		[{ negative_prompt: NaN }, "'Negative Prompt' must be text, but is NaN"],
		[{ text_mode: {} }, "'Text Mode' must be true or false, but is {}"],
	])('are refused if no server could read them: %j', (values, message) => {
		expect(() => read(values, 'our-own-model')).toThrow(refusal(message));
	});
});
