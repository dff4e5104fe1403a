import {
	findServerFormat,
	SERVER_FORMATS,
	STEPFUN_FORMAT,
	type ServerFormat,
} from '../../nodes/StepFunImage/catalogue/serverFormats';
import { resolveLink } from '../../nodes/StepFunImage/catalogue/services';

type Value = ServerFormat['value'];

const valuesWith = (isSo: (format: ServerFormat) => boolean): Value[] =>
	SERVER_FORMATS.filter(isSo).map(({ value }) => value);

test('The catalogue has six kinds of servers, each with a name and a description', () => {
	expect(SERVER_FORMATS.map(({ value, name }) => [value, name])).toEqual([
		['stepfun', 'StepFun'],
		['openai', 'OpenAI-Compatible'],
		['vllmOmni', 'vLLM-Omni'],
		['sglang', 'SGLang'],
		['stableDiffusionCpp', 'stable-diffusion.cpp'],
		['localAi', 'LocalAI'],
	]);
	for (const { description } of SERVER_FORMATS) expect(description).toMatch(/^\w.{10,}/);
});

test('A kind of server is found by its value, and any other value means StepFun', () => {
	for (const format of SERVER_FORMATS) expect(findServerFormat(format.value)).toBe(format);
	expect(findServerFormat('another')).toBe(STEPFUN_FORMAT);
	expect(findServerFormat(undefined)).toBe(STEPFUN_FORMAT);
	expect(STEPFUN_FORMAT.value).toBe('stepfun');
});

test('Each kind of server gets the settings under the names that it reads', () => {
	expect(
		Object.fromEntries(SERVER_FORMATS.map(({ value, settings }) => [value, settings])),
	).toEqual({
		stepfun: {},
		openai: { seed: ['seed'] },
		vllmOmni: {
			steps: ['num_inference_steps'],
			cfg_scale: ['guidance_scale', 'true_cfg_scale'],
			seed: ['seed'],
			negative_prompt: ['negative_prompt'],
		},
		sglang: {
			steps: ['num_inference_steps'],
			cfg_scale: ['guidance_scale', 'true_cfg_scale'],
			seed: ['seed'],
			negative_prompt: ['negative_prompt'],
		},
		stableDiffusionCpp: {},
		localAi: { steps: ['step'], seed: ['seed'] },
	});
});

test('Two kinds of servers read settings from the prompt', () => {
	const inPrompt = SERVER_FORMATS.flatMap(({ value, promptSettings }) =>
		promptSettings ? [[value, promptSettings]] : [],
	);
	expect(Object.fromEntries(inPrompt)).toEqual({
		stableDiffusionCpp: {
			as: 'json',
			before: '<sd_cpp_extra_args>',
			after: '</sd_cpp_extra_args>',
			settings: {
				steps: ['steps', 'sample_params.sample_steps'],
				cfg_scale: ['cfg_scale', 'sample_params.guidance.txt_cfg'],
				seed: ['seed'],
				negative_prompt: ['negative_prompt'],
			},
			bodyFields: ['model', 'prompt', 'n', 'size', 'output_format', 'output_compression'],
		},
		localAi: {
			as: 'text',
			before: '|',
			after: '',
			settings: { negative_prompt: ['negative_prompt'] },
		},
	});
});

test('Servers differ in sizes, responses and edits', () => {
	const own = ['vllmOmni', 'sglang', 'stableDiffusionCpp', 'localAi'];
	expect(valuesWith(({ hasStepFunModels }) => hasStepFunModels)).toEqual(['stepfun']);
	expect(valuesWith(({ maxPaidRetries }) => maxPaidRetries > 0)).toEqual(['stepfun']);
	expect(SERVER_FORMATS.map(({ responseFormats }) => responseFormats.join(' '))).toEqual([
		'b64_json url',
		'',
		'b64_json',
		'b64_json url',
		'',
		'b64_json url',
	]);
	expect(valuesWith(({ hasLinks }) => hasLinks)).toEqual([
		'stepfun',
		'openai',
		'sglang',
		'localAi',
	]);
	expect(SERVER_FORMATS.map(({ operations }) => operations.join(' '))).toEqual([
		'generate edit imageToImage',
		'generate edit',
		'generate edit',
		'generate edit',
		'generate edit',
		'generate',
	]);
	expect(valuesWith(({ needsSeed }) => needsSeed)).toEqual(own);
	expect(valuesWith(({ mayLackModels }) => mayLackModels)).toEqual([
		'openai',
		'stableDiffusionCpp',
	]);
	expect(SERVER_FORMATS.map(({ concurrentRequests }) => concurrentRequests)).toEqual([
		5, 5, 1, 1, 1, 1,
	]);
});

test.each([
	['https://res.example/1.png', 'https://res.example/1.png'],
	['/files/1.png', 'http://localhost:8080/files/1.png'],
	['//res.example/1.png', 'http://res.example/1.png'],
	['files/1.png', undefined],
	['see /files/1.png', undefined],
	['', undefined],
])('A result at %j is at %s', (link, address) => {
	expect(resolveLink(link, 'http://localhost:8080/v1')).toBe(address);
});

test.each([
	['/v1/images/7/content', 'https://proxy.example/images/v1/images/7/content'],
	['/images/v1/images/7/content', 'https://proxy.example/images/v1/images/7/content'],
	['/v10/7.png', 'https://proxy.example/v10/7.png'],
	['/files/7.png', 'https://proxy.example/files/7.png'],
	['//res.example/v1/7.png', 'https://res.example/v1/7.png'],
	['https://res.example/v1/7.png', 'https://res.example/v1/7.png'],
])('A result of a server below a path of a proxy, at %j, is at %s', (link, address) => {
	expect(resolveLink(link, 'https://proxy.example/images/v1')).toBe(address);
});
