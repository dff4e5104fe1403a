import type { INodeParameters } from 'n8n-workflow';
import sharp from 'sharp';

import { inputImage, itemWithFile } from '../kit/images.cts';
import { bytesOf } from '../kit/runNode.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';
import { runEdit, runGenerate, sentFields, sentJson } from '../kit/localRuns.cts';

const OWN_MODEL = 'our-own-model';

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer({
		drawing: 'once',
		models: ['step-image-edit-2', 'step-1x-edit', 'step-2x-large', OWN_MODEL],
	});
});

beforeEach(() => server.reset());

afterAll(async () => await server.close());

describe('Options of Generate: sizes', () => {
	test.each([
		['step-image-edit-2', '1024x1024', '1024x1024', 1024, 1024],
		['step-image-edit-2', '1360x768', '768x1360', 1360, 768],
		['step-image-edit-2', '1184x896', '896x1184', 1184, 896],
		['step-image-edit-2', '896x1184', '1184x896', 896, 1184],
		['step-image-edit-2', '768x1360', '1360x768', 768, 1360],
		['step-2x-large', '1024x1024', '1024x1024', 1024, 1024],
		['step-2x-large', '768x768', '768x768', 768, 768],
		['step-2x-large', '512x512', '512x512', 512, 512],
		['step-2x-large', '256x256', '256x256', 256, 256],
		['step-2x-large', '1280x800', '1280x800', 1280, 800],
		['step-2x-large', '800x1280', '800x1280', 800, 1280],
	])(
		'%s and the size %s send %s, and get a picture %i wide and %i high',
		async (model, size, onWire, width, height) => {
			const { items } = await runGenerate(server, { model, size });

			expect(sentJson(server)).toEqual([
				{ model, prompt: 'A red shoe', size: onWire, response_format: 'b64_json' },
			]);
			const picture = await sharp(await bytesOf(items[0].binary?.data)).metadata();
			expect([picture.width, picture.height]).toEqual([width, height]);
			expect([items[0].json.width, items[0].json.height]).toEqual([width, height]);
		},
	);

	test.each([
		['1360 × 768', '768x1360'],
		['1360X768', '768x1360'],
		['1360*768', '768x1360'],
		[' 768 x 1360 ', '1360x768'],
	])('A size in an expression may be written %j', async (size, onWire) => {
		await runGenerate(server, { size: '={{ $json.size }}' }, { items: [{ size }] });
		expect(sentJson(server)).toMatchObject([{ size: onWire }]);
	});

	test.each([
		['step-image-edit-2', 1024],
		['step-2x-large', 1024],
	])('%s without a size sends none and gets %i pixels', async (model, side) => {
		const { items } = await runGenerate(server, { model });
		expect(sentJson(server)).toEqual([
			{ model, prompt: 'A red shoe', response_format: 'b64_json' },
		]);
		expect([items[0].json.width, items[0].json.height]).toEqual([side, side]);
	});
});

describe('Options of Generate: names on the wire', () => {
	test.each<[string, string, INodeParameters, object]>([
		['step-image-edit-2', 'Steps', { steps: 1 }, { steps: 1 }],
		['step-image-edit-2', 'Steps', { steps: 50 }, { steps: 50 }],
		['step-image-edit-2', 'CFG Scale', { cfgScale: 1 }, { cfg_scale: 1 }],
		['step-image-edit-2', 'CFG Scale', { cfgScale: 7.25 }, { cfg_scale: 7.25 }],
		['step-image-edit-2', 'CFG Scale', { cfgScale: 10 }, { cfg_scale: 10 }],
		['step-image-edit-2', 'Seed', { seed: 0 }, { seed: 0 }],
		['step-image-edit-2', 'Seed', { seed: 2147483647 }, { seed: 2147483647 }],
		[
			'step-image-edit-2',
			'Negative Prompt',
			{ negativePrompt: 'blurry' },
			{ negative_prompt: 'blurry' },
		],
		['step-image-edit-2', 'Text Mode', { textMode: true }, { text_mode: true }],
		['step-image-edit-2', 'Text Mode', { textMode: false }, { text_mode: false }],
		['step-2x-large', 'Steps', { steps: 50 }, { steps: 50 }],
		['step-2x-large', 'CFG Scale', { cfgScale: 6 }, { cfg_scale: 6 }],
		['step-2x-large', 'Seed', { seed: 7 }, { seed: 7 }],
	])('%s sends %s under its API name: %j', async (model, _label, options, onWire) => {
		const { items } = await runGenerate(server, { model, options });
		expect(sentJson(server)).toEqual([
			{ model, prompt: 'A red shoe', ...onWire, response_format: 'b64_json' },
		]);
		expect(items).toHaveLength(1);
	});

	test('All options of Generate are sent together', async () => {
		await runGenerate(server, {
			size: '1184x896',
			output: 'url',
			options: {
				steps: 20,
				cfgScale: 3.5,
				seed: 11,
				negativePrompt: 'blurry, watermark',
				textMode: true,
				timeout: 60,
				maxTries: 2,
				giveUpAfter: 100,
			},
		});
		expect(sentJson(server)).toEqual([
			{
				model: 'step-image-edit-2',
				prompt: 'A red shoe',
				size: '896x1184',
				steps: 20,
				cfg_scale: 3.5,
				seed: 11,
				negative_prompt: 'blurry, watermark',
				text_mode: true,
				response_format: 'url',
			},
		]);
	});

	test.each([
		['file', 'b64_json'],
		['url', 'url'],
		['fileAndUrl', 'url'],
	])('Output %s asks for response_format %s', async (output, responseFormat) => {
		await runGenerate(server, { output });
		expect(sentJson(server)).toEqual([
			{ model: 'step-image-edit-2', prompt: 'A red shoe', response_format: responseFormat },
		]);
	});

	test('Options that concern only the run are not sent', async () => {
		await runGenerate(server, { options: { timeout: 30, maxTries: 1, giveUpAfter: 0 } });
		expect(sentJson(server)).toEqual([
			{ model: 'step-image-edit-2', prompt: 'A red shoe', response_format: 'b64_json' },
		]);
	});

	test.each([
		['Negative Prompt', { negativePrompt: 'blurry' }],
		['Text Mode', { textMode: true }],
	])(
		'%s that only another model has is refused before anything is sent',
		async (label, options) => {
			const { error } = await runGenerate(server, {
				model: 'step-2x-large',
				options: { ...options, steps: 30 },
			});
			expect(error?.message).toBe(`'${label}' is not available for step-2x-large`);
			expect(error?.description).toContain(`Remove the option '${label}'`);
			expect(server.requests).toEqual([]);
		},
	);
});

describe('Options: expressions', () => {
	test('Texts from expressions are converted to numbers and booleans', async () => {
		await runGenerate(
			server,
			{
				options: {
					steps: '={{ $json.steps }}',
					cfgScale: '={{ $json.cfg }}',
					seed: '={{ $json.seed }}',
					textMode: '={{ $json.text }}',
				},
			},
			{ items: [{ steps: '8', cfg: '2.5', seed: '0', text: 'true' }] },
		);
		expect(sentJson(server)).toEqual([
			{
				model: 'step-image-edit-2',
				prompt: 'A red shoe',
				steps: 8,
				cfg_scale: 2.5,
				seed: 0,
				text_mode: true,
				response_format: 'b64_json',
			},
		]);
	});

	test.each(['', '   ', null])('A field whose expression returns %j is not sent', async (v) => {
		const given = '={{ $json.v }}';
		await runGenerate(
			server,
			{
				size: given,
				options: {
					steps: given,
					cfgScale: given,
					seed: given,
					negativePrompt: given,
					textMode: given,
				},
			},
			{ items: [{ v }] },
		);
		expect(sentJson(server)).toEqual([
			{ model: 'step-image-edit-2', prompt: 'A red shoe', response_format: 'b64_json' },
		]);
	});

	test.each([
		['timeout', ''],
		['timeout', '  '],
		['timeout', null],
		['maxTries', ''],
		['maxTries', '  '],
		['giveUpAfter', ''],
		['giveUpAfter', '  '],
	])('The option %s keeps its default if its expression returns %j', async (option, v) => {
		// One failure that passes; with the defaults the image comes at the second try.
		server.setFaults([{ when: { nth: 1 }, fault: { status: 503, retryAfter: 0.01 } }]);
		const { items, error } = await runGenerate(
			server,
			{ options: { [option]: '={{ $json.v }}' } },
			{ items: [{ v }] },
		);
		server.setFaults([]);
		expect(error?.message).toBeUndefined();
		expect(items[0].json.tries).toBe(2);
	});

	test('An option whose field does not exist on the item is not sent', async () => {
		await runGenerate(server, {
			size: '={{ $json.size }}',
			options: { steps: '={{ $json.steps }}', seed: '={{ $json.seed }}' },
		});
		expect(sentJson(server)).toEqual([
			{ model: 'step-image-edit-2', prompt: 'A red shoe', response_format: 'b64_json' },
		]);
	});

	test('All parameters may differ from item to item', async () => {
		await runGenerate(
			server,
			{
				model: '={{ $json.model }}',
				prompt: '={{ $json.prompt }}',
				size: '={{ $json.size }}',
				output: '={{ $json.output }}',
				options: { steps: '={{ $json.steps }}' },
			},
			{
				items: [
					{
						model: 'step-image-edit-2',
						prompt: 'one',
						size: '768x1360',
						output: 'file',
						steps: 4,
					},
					{ model: 'step-2x-large', prompt: 'two', size: '800x1280', output: 'url', steps: 40 },
				],
			},
		);
		const byPrompt = (sentJson(server) as Array<{ prompt: string }>).sort((a, b) =>
			a.prompt.localeCompare(b.prompt),
		);
		expect(byPrompt).toEqual([
			{
				model: 'step-image-edit-2',
				prompt: 'one',
				size: '1360x768',
				steps: 4,
				response_format: 'b64_json',
			},
			{
				model: 'step-2x-large',
				prompt: 'two',
				size: '800x1280',
				steps: 40,
				response_format: 'url',
			},
		]);
	});

	test('A model given by an expression keeps the sizes of that model', async () => {
		await runGenerate(server, { model: '={{ "step-2x-large" }}', size: '1280x800' });
		expect(sentJson(server)).toMatchObject([{ model: 'step-2x-large', size: '1280x800' }]);
	});

	test('A model without Text Mode accepts Text Mode that is off', async () => {
		const { error } = await runGenerate(server, {
			model: '={{ "step-2x-large" }}',
			options: { textMode: false },
		});
		expect(error).toBeUndefined();
		expect(sentJson(server)).toEqual([
			{ model: 'step-2x-large', prompt: 'A red shoe', response_format: 'b64_json' },
		]);
	});
});

describe('Options of a custom model', () => {
	test('A custom model gets everything that is set, unchanged', async () => {
		const { items, error } = await runGenerate(server, {
			model: `={{ "${OWN_MODEL}" }}`,
			prompt: `${'long '.repeat(200)}prompt`,
			size: '640x360',
			options: {
				steps: 500,
				cfgScale: 0.25,
				seed: 99999999999,
				negativePrompt: 'blurry',
				textMode: true,
			},
		});
		expect(error).toBeUndefined();
		expect(sentJson(server)).toEqual([
			{
				model: OWN_MODEL,
				prompt: `${'long '.repeat(200)}prompt`,
				size: '640x360',
				steps: 500,
				cfg_scale: 0.25,
				seed: 99999999999,
				negative_prompt: 'blurry',
				text_mode: true,
				response_format: 'b64_json',
			},
		]);
		expect([items[0].json.model, items[0].json.width, items[0].json.height]).toEqual([
			OWN_MODEL,
			640,
			360,
		]);
	});

	test('A custom model gets numbers and booleans if expressions returned texts', async () => {
		await runGenerate(
			server,
			{
				model: '={{ $json.model }}',
				options: { steps: '={{ $json.steps }}', textMode: '={{ $json.text }}' },
			},
			{ items: [{ model: OWN_MODEL, steps: '8', text: 'false' }] },
		);
		expect(sentJson(server)).toEqual([
			{
				model: OWN_MODEL,
				prompt: 'A red shoe',
				steps: 8,
				text_mode: false,
				response_format: 'b64_json',
			},
		]);
	});

	test('A custom model gets nothing that is not set', async () => {
		await runGenerate(server, { model: `={{ "${OWN_MODEL}" }}` });
		expect(sentJson(server)).toEqual([
			{ model: OWN_MODEL, prompt: 'A red shoe', response_format: 'b64_json' },
		]);
	});

	test('A custom model also edits images', async () => {
		const item = await itemWithFile(await inputImage(40, 30));
		const { items } = await runEdit(server, [item], {
			model: `={{ "${OWN_MODEL}" }}`,
			size: '320x240',
			options: { steps: 99 },
		});
		expect(sentFields(server)).toEqual({
			model: OWN_MODEL,
			prompt: 'Make it blue',
			size: '320x240',
			steps: '99',
			response_format: 'b64_json',
		});
		expect([items[0].json.width, items[0].json.height]).toEqual([320, 240]);
	});
});

describe('Options of Edit', () => {
	test.each<[string, INodeParameters, Record<string, string>]>([
		['step-image-edit-2', {}, {}],
		['step-image-edit-2', { options: { steps: 12 } }, { steps: '12' }],
		['step-image-edit-2', { options: { cfgScale: 4.5 } }, { cfg_scale: '4.5' }],
		['step-image-edit-2', { options: { seed: 0 } }, { seed: '0' }],
		['step-image-edit-2', { options: { negativePrompt: '模糊' } }, { negative_prompt: '模糊' }],
		['step-image-edit-2', { options: { textMode: true } }, { text_mode: 'true' }],
		['step-image-edit-2', { options: { textMode: false } }, { text_mode: 'false' }],
		['step-image-edit-2', { output: 'url' }, { response_format: 'url' }],
		['step-1x-edit', {}, {}],
		['step-1x-edit', { size: '512x512' }, { size: '512x512' }],
		['step-1x-edit', { size: '768x768' }, { size: '768x768' }],
		['step-1x-edit', { size: '1024x1024' }, { size: '1024x1024' }],
		['step-1x-edit', { options: { steps: 28 } }, { steps: '28' }],
		['step-1x-edit', { options: { cfgScale: 6 } }, { cfg_scale: '6' }],
		['step-1x-edit', { options: { seed: 5 } }, { seed: '5' }],
	])('Edit sends options of %s by their API names: %j', async (model, parameters, onWire) => {
		const item = await itemWithFile(await inputImage(128, 96));
		const { items } = await runEdit(server, [item], { model, ...parameters });
		expect(sentFields(server)).toEqual({
			model,
			prompt: 'Make it blue',
			response_format: 'b64_json',
			...onWire,
		});
		expect(items).toHaveLength(1);
		expect(server.requests[0].status).toBe(200);
	});

	test('A size left over from another model is not sent to step-image-edit-2', async () => {
		const item = await itemWithFile(await inputImage(128, 96));
		await runEdit(server, [item], { model: '={{ "step-image-edit-2" }}', size: '768x768' });
		expect(sentFields(server)).toEqual({
			model: 'step-image-edit-2',
			prompt: 'Make it blue',
			response_format: 'b64_json',
		});
	});
});

test.each(['={{ 100 / 3 }}', 1.005, 3_000_000, 1e12])('Timeout accepts %p', async (timeout) => {
	const { error } = await runGenerate(server, {
		options: { timeout, giveUpAfter: timeout, maxTries: 1 },
	});
	expect(error?.message).toBeUndefined();
});

test("Requests use the proxy from n8n's environment, as with n8n's other nodes", async () => {
	const { host } = new URL(server.origin);
	process.env.HTTP_PROXY = `http://${host}`;
	try {
		// A plain proxy is sent the whole address; the local server serves paths only, so it is not found.
		const { error } = await runGenerate(
			server,
			{ options: { maxTries: 1 } },
			{ credential: { baseUrl: 'http://images.example.invalid/v1' } },
		);
		expect(server.requests.map(({ path }) => path)).toEqual([
			'http://images.example.invalid/v1/images/generations',
		]);
		expect(error?.httpCode).toBe('404');
	} finally {
		delete process.env.HTTP_PROXY;
	}
});
