import type { INodeExecutionData, INodeParameters } from 'n8n-workflow';

import { inputImage, itemWithFile } from '../kit/images.cts';
import { NAMES_EMPTY_FIELDS, RESOLVES_ITEMS_APART } from '../kit/n8nDifferences.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';
import { runEdit, runGenerate, sentJson } from '../kit/localRuns.cts';

/** A model that comes from an expression, so that the editor cannot hide what the model lacks. */
const STEP_2X_LARGE = '={{ "step-2x-large" }}';

let server: StepFunServer;
let picture: INodeExecutionData;

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
	picture = await itemWithFile(await inputImage(100, 100));
});

beforeEach(() => server.reset());

afterAll(async () => await server.close());

describe('Refusals of Generate', () => {
	test.each<[string, INodeParameters, string, string]>([
		[
			'an empty prompt',
			{ prompt: '={{ "" }}' },
			"'Prompt' is empty",
			'Write what the image should show.',
		],
		[
			'white space as the prompt',
			{ prompt: ' \n\t ' },
			"'Prompt' is empty",
			'Write what the image should show.',
		],
		[
			'a prompt of invisible characters',
			{ prompt: '\u200b\u200e' },
			"'Prompt' is empty",
			'Write what the image should show.',
		],
		[
			'an operation that does not exist',
			{ operation: 'upscale' },
			"'Operation' must be one of generate, edit, imageToImage, but is upscale",
			'Choose from the list',
		],
		[
			'a prompt from a field that does not exist',
			{ prompt: '={{ $json.prompt }}' },
			"'Prompt' is empty",
			'check that this item has the field',
		],
		[
			'a prompt of 513 characters',
			{ prompt: '鞋'.repeat(513) },
			"'Prompt' is too long: 513 characters, and step-image-edit-2 takes at most 512",
			'Shorten the text by 1 character.',
		],
		[
			'an object as the prompt',
			{ prompt: '={{ { text: "a shoe" } }}' },
			"'Prompt' must be text, but is an object",
			'Check the expression in',
		],
		[
			'a list as the prompt',
			{ prompt: '={{ ["a shoe"] }}' },
			"'Prompt' must be text, but is a list",
			'Check the expression in',
		],
		[
			'a negative prompt of 600 characters',
			{ options: { negativePrompt: 'x'.repeat(600) } },
			"'Negative Prompt' is too long: 600 characters, and step-image-edit-2 takes at most 512",
			'Shorten the text by 88 characters.',
		],
		[
			'a negative prompt for a model without one',
			{ model: STEP_2X_LARGE, options: { negativePrompt: 'blurry' } },
			"'Negative Prompt' is not available for step-2x-large",
			"Remove the option 'Negative Prompt'",
		],
		[
			'text mode for a model without it',
			{ model: STEP_2X_LARGE, options: { textMode: true } },
			"'Text Mode' is not available for step-2x-large",
			"Remove the option 'Text Mode'",
		],
		[
			'a word as text mode',
			{ options: { textMode: '={{ "sometimes" }}' } },
			"'Text Mode' must be true or false, but is sometimes",
			"Change 'Text Mode'",
		],
		...[0, 51, -3, 8.5, '={{ "8.5" }}', '={{ "many" }}', '={{ true }}', '={{ [8,9] }}'].map(
			(steps): [string, INodeParameters, string, string] => [
				`${steps} steps`,
				{ options: { steps } },
				`'Steps' must be a whole number from 1 to 50, but is ${String(steps).replace(/={{ "?([^"]*?)"? }}/, '$1')}`,
				'remove the option to use the default of step-image-edit-2',
			],
		),
		...[0.99, 10.01, '={{ "high" }}', '={{ {} }}'].map(
			(cfgScale): [string, INodeParameters, string, string] => [
				`a CFG scale of ${cfgScale}`,
				{ options: { cfgScale } },
				`'CFG Scale' must be a number from 1 to 10, but is ${String(cfgScale).replace(/={{ "?([^"]*?)"? }}/, '$1')}`,
				"Change 'CFG Scale'",
			],
		),
		...[-1, 2147483648, 1.5, '={{ "1e99" }}'].map(
			(seed): [string, INodeParameters, string, string] => [
				`the seed ${seed}`,
				{ options: { seed } },
				`'Seed' must be a whole number from 0 to 2147483647, but is ${String(seed).replace(/={{ "?([^"]*?)"? }}/, '$1')}`,
				"Change 'Seed'",
			],
		),
		[
			'a size of no model',
			{ size: '={{ "999x999" }}' },
			"'Size' 999x999 is not a size of step-image-edit-2",
			'width x height: 1024x1024 (Square 1:1), 1360x768 (Landscape 16:9), 1184x896 (Landscape 4:3), ',
		],
		[
			'a size of another model',
			{ size: '={{ "1280x800" }}' },
			"'Size' 1280x800 is not a size of step-image-edit-2",
			'Use one of its sizes, ',
		],
		[
			'a word as the size',
			{ model: STEP_2X_LARGE, size: 'large' },
			"'Size' large is not a size of step-2x-large",
			'256x256',
		],
		[
			'no model',
			{ model: '={{ $json.model }}' },
			"'Model' is empty",
			'Choose a model from the list',
		],
		[
			'a model that only edits',
			{ model: '={{ "step-1x-edit" }}' },
			'The model step-1x-edit does not offer Generate',
			'step-1x-edit offers: Edit.',
		],
		[
			'no output field',
			{ outputField: '  ' },
			"'Put Output File in Field' is empty",
			'Enter a name for the binary field',
		],
		[
			'a timeout of 0 seconds',
			{ options: { timeout: 0 } },
			"'Timeout (Seconds)' must be a number of at least 0.1, but is 0",
			'remove the option to use 120',
		],
		[
			'a word as the timeout',
			{ options: { timeout: '={{ "long" }}' } },
			"'Timeout (Seconds)' must be a number of at least 0.1, but is long",
			'remove the option to use 120',
		],
		[
			'no try at all',
			{ options: { maxTries: 0 } },
			"'Max Tries' must be a whole number of at least 1, but is 0",
			'remove the option to use 5',
		],
		[
			'a negative time to give up',
			{ options: { giveUpAfter: -1 } },
			"'Give Up After (Seconds)' must be a number of at least 0, but is -1",
			"Change 'Give Up After (Seconds)'",
		],
	])('Generate refuses %s without a request', async (_, parameters, message, advice) => {
		const { error, status } = await runGenerate(server, parameters);
		expect(error?.message).toBe(message);
		expect(error?.description).toContain(advice);
		expect(error?.context.itemIndex).toBe(0);
		expect(status).toBe('error');
		expect(server.requests).toEqual([]);
	});

	(NAMES_EMPTY_FIELDS ? test : test.skip).each([
		['Prompt', { prompt: '' }],
		['Put Output File in Field', { outputField: '' }],
	])('A required field that was never filled in is named by n8n (%s)', async (label, given) => {
		await expect(runGenerate(server, given)).rejects.toThrow(`Parameter "${label}" is required.`);
		expect(server.requests).toEqual([]);
	});

	test('Generate refuses an output that does not exist', async () => {
		const { error } = await runGenerate(server, { output: '={{ "png" }}' });
		expect(error?.message).toContain("'Output'");
		expect(server.requests).toEqual([]);
	});

	test.each(['', '   ', 'images.example.com/v1', 'ftp://images.example.com', 'https://'])(
		'Generate refuses the Base URL %j',
		async (baseUrl) => {
			const { error } = await runGenerate(server, {}, { credential: { baseUrl } });
			expect(error?.message).toBe("The credential's 'Base URL' is not a web address");
			expect(error?.description).toContain('such as https://images.example.com/v1');
			expect(error?.context.itemIndex).toBe(0);
		},
	);

	test.each(['', '   '])('Generate refuses the API key %j', async (apiKey) => {
		const { error } = await runGenerate(
			server,
			{ options: { maxTries: 1 } },
			{ credential: { apiKey } },
		);
		expect(error?.message).toMatch(/API key/i);
		expect(error?.context.itemIndex).toBe(0);
	});
});

describe('Refusals: texts at the limit are accepted', () => {
	test.each([
		['512 Latin letters', 'a'.repeat(512)],
		['512 Chinese characters', '鞋'.repeat(512)],
		['512 emoji', '👟'.repeat(512)],
	])('A prompt of %s is sent', async (_, prompt) => {
		const { error } = await runGenerate(server, { prompt });
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].status).toBe(200);
	});
});

describe('Refusals of Edit', () => {
	test.each<[string, INodeParameters, string, string]>([
		[
			'an empty prompt',
			{ prompt: '={{ "" }}' },
			"'Prompt' is empty",
			'Write what the image should show.',
		],
		[
			'a prompt of 513 characters',
			{ prompt: 'x'.repeat(513), model: 'step-1x-edit' },
			"'Prompt' is too long: 513 characters, and step-1x-edit takes at most 512",
			'Shorten the text by 1 character.',
		],
		[
			'a model that only generates',
			{ model: STEP_2X_LARGE },
			'The model step-2x-large does not offer Edit',
			'step-2x-large offers: Generate and Image to Image.',
		],
		[
			'a negative prompt for a model without one',
			{ model: '={{ "step-1x-edit" }}', options: { negativePrompt: 'blurry' } },
			"'Negative Prompt' is not available for step-1x-edit",
			'choose a model that has it, such as step-image-edit-2',
		],
		[
			'text mode for a model without it',
			{ model: '={{ "step-1x-edit" }}', options: { textMode: '={{ "true" }}' } },
			"'Text Mode' is not available for step-1x-edit",
			'choose a model that has it, such as step-image-edit-2',
		],
		[
			'a size that the model does not have',
			{ model: '={{ "step-1x-edit" }}', size: '640x480' },
			"'Size' 640x480 is not a size of step-1x-edit",
			'width x height: 512x512, 768x768, 1024x1024.',
		],
		[
			'0 steps',
			{ options: { steps: 0 } },
			"'Steps' must be a whole number from 1 to 50, but is 0",
			'default of step-image-edit-2',
		],
		[
			'no input field',
			{ binaryPropertyName: '={{ "" }}' },
			"'Input Data Field Name' is",
			'The item has: data.',
		],
	])('Edit refuses %s without a request', async (_, parameters, message, advice) => {
		const { error } = await runEdit(server, [picture], parameters);
		expect(error?.message.startsWith(message)).toBe(true);
		expect(error?.description).toContain(advice);
		expect(error?.context.itemIndex).toBe(0);
		expect(server.requests).toEqual([]);
	});
});

describe('Refusals: one bad item among several', () => {
	const prompts = ['one', 'two', '', 'four', 'five'].map((prompt) => ({ prompt }));
	const parameters = { prompt: '={{ $json.prompt }}' };
	const failing = {
		prompt: "={{ $json.prompt || $('Nowhere').item.json.prompt }}",
	};
	const failingOption = {
		prompt: 'A red shoe',
		options: { seed: "={{ $json.prompt ? 5 : $('Nowhere').item.json.seed }}" },
	};
	const failingField = {
		prompt: 'A red shoe',
		outputField: "={{ $json.prompt ? 'data' : $('Nowhere').item.json.field }}",
	};

	test('Stop Workflow sends nothing when item 3 of 5 is bad, and shows the error of item 3', async () => {
		const { error, items, status } = await runGenerate(server, parameters, { items: prompts });
		expect(error?.message).toBe("Row 3 of 5: 'Prompt' is empty");
		expect(error?.context.itemIndex).toBe(2);
		expect([status, items]).toEqual(['error', []]);
		expect(server.requests).toEqual([]);
	});

	test.each([
		['the prompt', failing],
		['an option', failingOption],
		['the output field', failingField],
	])('Stop Workflow sends nothing when the expression of %s fails once', async (_, given) => {
		const { error, items, status } = await runGenerate(server, given, { items: prompts });
		expect(error?.message).toMatch(/^Row 3 of 5: .*(Nowhere|referenced node)/i);
		expect([status, items]).toEqual(['error', []]);
		expect(server.requests).toEqual([]);
	});

	test('Stop Workflow shows the error of the first of several bad items', async () => {
		const { error } = await runGenerate(server, parameters, {
			items: [{ prompt: 'one' }, { prompt: '' }, { prompt: 'x'.repeat(600) }],
		});
		expect(error?.message).toMatch(/^Row 2 of 3: 'Prompt' is empty\./);
		expect(server.requests).toEqual([]);
	});

	test('Stop Workflow sends nothing when one item has a bad image', async () => {
		const { error } = await runEdit(server, [
			picture,
			picture,
			await itemWithFile(Buffer.from('no picture')),
			picture,
			picture,
		]);
		expect(error?.message).toBe(
			"Row 3 of 5: The file in 'data' is not an image that can be edited",
		);
		expect(server.requests).toEqual([]);
	});

	test('Stop Workflow sends nothing when item 30 of 40 is bad', async () => {
		const many = Array.from({ length: 40 }, (_, index) => ({
			prompt: index === 29 ? ' ' : `shoe ${index + 1}`,
		}));
		const { error } = await runGenerate(server, parameters, { items: many });
		expect(error?.message).toBe("Row 30 of 40: 'Prompt' is empty");
		expect(server.requests).toEqual([]);
	});

	test('Continue sends the good items, and the bad one becomes an error item', async () => {
		const { error, items } = await runGenerate(server, parameters, {
			items: prompts,
			onError: 'continueRegularOutput',
		});
		expect(error).toBeUndefined();
		expect((sentJson(server) as Array<{ prompt: string }>).map(({ prompt }) => prompt)).toEqual([
			'one',
			'two',
			'four',
			'five',
		]);
		expect(items.map(({ json }) => json.fileName ?? json.error)).toEqual([
			'one-1.png',
			'two-2.png',
			"'Prompt' is empty",
			'four-4.png',
			'five-5.png',
		]);
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual(
			[0, 1, 2, 3, 4].map((item) => ({ item })),
		);
	});

	test('Continue (using error output) sends the bad item there, with its input', async () => {
		const { items, errorItems } = await runGenerate(server, parameters, {
			items: prompts.map((item, index) => ({ ...item, row: index + 1 })),
			onError: 'continueErrorOutput',
		});
		expect(items.map(({ json }) => json.fileName)).toEqual([
			'one-1.png',
			'two-2.png',
			'four-4.png',
			'five-5.png',
		]);
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual([
			{ item: 0 },
			{ item: 1 },
			{ item: 3 },
			{ item: 4 },
		]);
		expect(errorItems).toHaveLength(1);
		expect(errorItems[0].json.error).toBe("'Prompt' is empty");
		expect(errorItems[0].pairedItem).toEqual({ item: 2 });
		expect(errorItems[0].json).toMatchObject({ prompt: '', row: 3 });
	});

	(RESOLVES_ITEMS_APART ? test : test.skip).each([
		['the prompt', failing],
		['an option', failingOption],
		['the output field', failingField],
	])('Continue sends the good items when the expression of %s fails once', async (_, given) => {
		const { items } = await runGenerate(server, given, {
			items: prompts,
			onError: 'continueRegularOutput',
		});
		expect(server.requests.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
		expect(items).toHaveLength(5);
		expect(items.map(({ binary }) => binary !== undefined)).toEqual([
			true,
			true,
			false,
			true,
			true,
		]);
		expect(String(items[2].json.error)).toMatch(/Nowhere|referenced node/i);
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual(
			[0, 1, 2, 3, 4].map((item) => ({ item })),
		);
	});
});
