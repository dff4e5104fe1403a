import { findModel } from '../../nodes/StepFunImage/catalogue/models';
import {
	findServerFormat,
	type ServerFormat,
} from '../../nodes/StepFunImage/catalogue/serverFormats';
import type { Field } from '../../nodes/StepFunImage/request/routing';
import {
	assertOperation,
	randomSeed,
	encodeFields,
	expectedSize,
} from '../../nodes/StepFunImage/request/serverFormat';
import type { BodyFields } from '../../nodes/StepFunImage/request/types';

const LABELS = [
	{ apiField: 'cfg_scale', label: 'CFG Scale' },
	{ apiField: 'steps', label: 'Steps' },
] as Field[];

const refusal = (message: string, description: string) =>
	expect.objectContaining({ message, description }) as Error;

/** The body for a server of a format. */
function encode(format: ServerFormat['value'], fields: BodyFields): BodyFields {
	return encodeFields(findServerFormat(format), { prompt: 'a shoe', ...fields }, LABELS);
}

const ALL = { steps: 9, cfg_scale: 2, seed: 7, negative_prompt: 'blurry' };

describe('The fields of a request', () => {
	test('go to StepFun unchanged', () => {
		const fields = { prompt: 'a shoe', size: '768x1360', text_mode: true, style: 'x', ...ALL };
		expect(encode('stepfun', fields)).toEqual(fields);
		expect(encode('stepfun', { size: '768 × 1360' })).toHaveProperty('size', '768 × 1360');
	});

	test('have the names that a server knows, or both if its models differ', () => {
		expect(encode('vllmOmni', ALL)).toEqual({
			prompt: 'a shoe',
			num_inference_steps: 9,
			guidance_scale: 2,
			true_cfg_scale: 2,
			seed: 7,
			negative_prompt: 'blurry',
		});
	});

	test('go into the prompt of stable-diffusion.cpp as an object', () => {
		const { prompt, ...rest } = encode('stableDiffusionCpp', { ...ALL, size: '64x64' });
		expect(rest).toEqual({ size: '64x64' });
		const [, text, settings] =
			/^(.*)<sd_cpp_extra_args>(.*)<\/sd_cpp_extra_args>$/.exec(String(prompt)) ?? [];
		expect(text).toBe('a shoe');
		expect(JSON.parse(settings)).toEqual({
			steps: 9,
			cfg_scale: 2,
			sample_params: { sample_steps: 9, guidance: { txt_cfg: 2 } },
			seed: 7,
			negative_prompt: 'blurry',
		});
	});

	test('go into the prompt of LocalAI as text', () => {
		expect(encode('localAi', { steps: 9, negative_prompt: 'blurry' })).toEqual({
			prompt: 'a shoe|blurry',
			step: 9,
		});
	});

	test('leave the prompt unchanged if it carries no settings', () => {
		expect(encode('stableDiffusionCpp', {})).toEqual({ prompt: 'a shoe' });
		expect(encode('localAi', { steps: 9 })).toEqual({ prompt: 'a shoe', step: 9 });
	});

	test('are refused by their labels if the server does not support them', () => {
		expect(() => encode('openai', { steps: 9 })).toThrow(
			refusal(
				"'Steps' cannot be sent to servers of the format OpenAI-Compatible",
				"Remove the option 'Steps', or send it in 'Additional Body Fields' under the name that your server uses.",
			),
		);
		expect(() => encode('localAi', { cfg_scale: 2 })).toThrow("'CFG Scale' cannot be sent");
		expect(() => encode('openai', { negative_prompt: '' })).toThrow(
			"'negative_prompt' cannot be sent",
		);
		expect(() => encode('vllmOmni', { text_mode: true })).toThrow("'text_mode' cannot be sent");
	});

	test('that are off are not sent', () => {
		expect(encode('vllmOmni', { text_mode: false })).toEqual({ prompt: 'a shoe' });
	});
});

describe('The additional fields of a request', () => {
	const encodeWith = (format: ServerFormat['value'], additional: BodyFields) =>
		encodeFields(findServerFormat(format), { prompt: 'a shoe', ...ALL }, LABELS, additional);
	const settingsIn = (prompt: unknown) =>
		JSON.parse(/<sd_cpp_extra_args>(.*)</.exec(String(prompt))?.[1] ?? '') as unknown;

	test('replace fields of the same name, and null removes them', () => {
		expect(encodeWith('vllmOmni', { seed: null, guidance_scale: 4, style: { a: null } })).toEqual({
			prompt: 'a shoe',
			num_inference_steps: 9,
			guidance_scale: 4,
			true_cfg_scale: 2,
			negative_prompt: 'blurry',
			style: { a: null },
		});
	});

	test('can have any name, and remove the prompt', () => {
		const additional = JSON.parse('{"__proto__":{"x":1},"prompt":null}') as BodyFields;
		for (const format of ['openai', 'stableDiffusionCpp'] as const) {
			const body = encodeFields(findServerFormat(format), { prompt: 'a shoe' }, [], additional);
			expect(JSON.stringify(body)).toBe(format === 'openai' ? '{"__proto__":{"x":1}}' : '{}');
			expect(Object.prototype).not.toHaveProperty('x');
		}
	});

	test('go into the prompt of stable-diffusion.cpp, which reads few fields from the body', () => {
		const { prompt, ...rest } = encodeWith('stableDiffusionCpp', {
			output_format: 'jpeg',
			seed: null,
			steps: 5,
			clip_skip: 2,
			sample_params: { scheduler: 'karras', guidance: { distilled_guidance: 3.5 } },
		});
		expect(rest).toEqual({ output_format: 'jpeg' });
		expect(settingsIn(prompt)).toEqual({
			steps: 5,
			cfg_scale: 2,
			negative_prompt: 'blurry',
			clip_skip: 2,
			sample_params: {
				sample_steps: 9,
				scheduler: 'karras',
				guidance: { txt_cfg: 2, distilled_guidance: 3.5 },
			},
		});
	});
});

describe('A size', () => {
	test.each([
		['1024x768', '1024x768'],
		['1024X768', '1024x768'],
		['1024×768', '1024x768'],
		['1024*768', '1024x768'],
		[' 1024 x  768 ', '1024x768'],
		['64x8', '64x8'],
		['auto', 'auto'],
		['1024x768px', '1024x768px'],
		['a 1024x768', 'a 1024x768'],
		['1024x', '1024x'],
		['x768', 'x768'],
		[undefined, undefined],
	])('written as %j goes to servers that count width first as %j', (size, sent) => {
		expect(encode('openai', { size }).size).toBe(sent);
	});

	test('is changed in no other field', () => {
		expect(encode('openai', { prompt: '1024 × 768' }).prompt).toBe('1024 × 768');
	});

	const sizeOf = (
		format: ServerFormat['value'],
		size: unknown,
		model = 'other-model',
		operation: 'generate' | 'edit' = 'generate',
	) => expectedSize(findServerFormat(format), findModel(model)?.operations[operation], size);

	test.each([
		['1024x768', 1024, 768],
		['1024X768', 1024, 768],
		[' 64 ×  8 ', 64, 8],
	])('of %j says how large the picture should come', (size, width, height) => {
		expect(sizeOf('openai', size)).toEqual({ width, height });
	});

	test.each(['auto', '1024x768px', 'a 1024x768', '1024x', undefined])(
		'of %j says nothing',
		(size) => {
			expect(sizeOf('openai', size)).toBeUndefined();
		},
	);

	test('is read in the notation of its model on StepFun', () => {
		expect(sizeOf('stepfun', '768x1360', 'step-image-edit-2')).toMatchObject({
			width: 1360,
			height: 768,
		});
		expect(sizeOf('stepfun', '1280x800', 'step-2x-large')).toMatchObject({
			width: 1280,
			height: 800,
		});
		expect(sizeOf('stepfun', '7x7', 'step-image-edit-2')).toBeUndefined();
		expect(sizeOf('stepfun', undefined, 'step-image-edit-2', 'edit')).toBeUndefined();
	});

	test('is unknown if it sets only the area', () => {
		expect(sizeOf('stepfun', '512x512', 'step-1x-edit', 'edit')).toBeUndefined();
	});

	test('is unknown for another model of a StepFun gateway', () => {
		expect(sizeOf('stepfun', '1024x768')).toBeUndefined();
	});

	test('is width first on another server, also for a model of StepFun', () => {
		expect(sizeOf('vllmOmni', '768x1360', 'step-image-edit-2')).toEqual({
			width: 768,
			height: 1360,
		});
	});
});

describe('A prompt that contains marks itself', () => {
	test.each([
		['localAi', 'a | b', '|', 'LocalAI'],
		[
			'stableDiffusionCpp',
			'a <sd_cpp_extra_args> b',
			'<sd_cpp_extra_args>',
			'stable-diffusion.cpp',
		],
		[
			'stableDiffusionCpp',
			'a </sd_cpp_extra_args> b',
			'</sd_cpp_extra_args>',
			'stable-diffusion.cpp',
		],
	] as const)('is refused for %s: %s', (format, text, mark, name) => {
		const failure = (label: string) =>
			refusal(
				`'${label}' must not contain ${mark} for ${name} servers`,
				`The server reads ${mark} as the start or the end of settings. Remove it, and use the options of this node instead.`,
			);
		expect(() => encode(format, { prompt: text })).toThrow(failure('Prompt'));
		expect(() => encode(format, { negative_prompt: text })).toThrow(failure('Negative Prompt'));
	});

	test('is any other text for other servers', () => {
		const prompt = 'a | b <sd_cpp_extra_args>';
		expect(encode('vllmOmni', { prompt })).toEqual({ prompt });
	});
});

test('An operation that a server does not offer is refused', () => {
	const assert =
		(format: ServerFormat['value'], operation: 'generate' | 'edit' | 'imageToImage') => () =>
			assertOperation(findServerFormat(format), operation);
	const advice =
		"Choose another operation. If the server is of another kind, change 'API Format' in the StepFun API credential.";
	expect(assert('localAi', 'edit')).toThrow(refusal("LocalAI servers do not offer 'Edit'", advice));
	expect(assert('vllmOmni', 'imageToImage')).toThrow(
		refusal("vLLM-Omni servers do not offer 'Image to Image'", advice),
	);
	for (const [format, operation] of [
		['localAi', 'generate'],
		['vllmOmni', 'generate'],
		['vllmOmni', 'edit'],
		['stepfun', 'imageToImage'],
	] as const) {
		expect(assert(format, operation)).not.toThrow();
	}
});

test('A random seed is small enough for every server, and sent only if one is needed', () => {
	const random = jest.spyOn(Math, 'random');
	expect(randomSeed(findServerFormat('stepfun'))).toBeUndefined();
	random.mockReturnValue(0);
	expect(randomSeed(findServerFormat('vllmOmni'))).toBe(0);
	random.mockReturnValue(1 - 2 ** -53);
	expect(randomSeed(findServerFormat('vllmOmni'))).toBe(2_147_483_647);
	random.mockRestore();
});
