import type { INodeExecutionData, INodeParameters } from 'n8n-workflow';

import { inputImage, itemWithFile } from '../kit/images.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';
import { COMBINES_BINARY } from '../kit/n8nDifferences.cts';
import { storeFile } from '../kit/runNode.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

let server: StepFunServer;
beforeAll(async () => (server = await startStepFunServer()));
beforeEach(() => {
	server.setFaults([]);
	server.reset();
});
afterAll(async () => await server.close());

describe('Output: the input beside the result', () => {
	test("The input's JSON is kept, its files are not", async () => {
		const item = {
			...(await itemWithFile(await inputImage(64, 64))),
			json: { sku: 'A1', model: 'mine' },
		};
		const { items } = await runEdit(server, [item], { outputField: 'picture' });
		expect(items[0].json).toMatchObject({ sku: 'A1', model: 'step-image-edit-2' });
		expect(Object.keys(items[0].binary ?? {})).toEqual(['picture']);
	});

	test('Include Input Fields turned on keeps the files as well', async () => {
		const item = { ...(await itemWithFile(await inputImage(64, 64))), json: { sku: 'A1' } };
		const { items } = await runEdit(server, [item], {
			outputField: 'picture',
			options: { includeInputFields: true },
		});
		expect(items[0].json.sku).toBe('A1');
		expect(Object.keys(items[0].binary ?? {}).sort()).toEqual(['data', 'picture']);
	});

	test('Include Input Fields turned off keeps nothing', async () => {
		const { items } = await runGenerate(
			server,
			{ options: { includeInputFields: false } },
			{ items: [{ sku: 'A1' }] },
		);
		expect(items[0].json).not.toHaveProperty('sku');
	});

	test("An agent's tool returns only the result", async () => {
		const { items } = await runGenerate(
			server,
			{ output: 'url' },
			{ items: [{ query: 'A shoe' }], asTool: true },
		);
		expect(items[0].json).not.toHaveProperty('query');
		expect(items[0].json.url).toBeDefined();
	});

	test('A field named error is renamed, so that n8n does not take the item for a failed one', async () => {
		const { items } = await runGenerate(
			server,
			{},
			{ items: [{ sku: 'A1', error: 'of the row' }], retryOnFail: { maxTries: 3 } },
		);
		expect(items[0].json).toMatchObject({ sku: 'A1', inputError: 'of the row' });
		expect(items[0].json).not.toHaveProperty('error');
		expect(server.billed).toHaveLength(1);
	});

	test.each(['message', 'details'])(
		'An image of a row that failed before, as in a loop, keeps nothing of the failure in %s',
		async (name) => {
			const failure = { description: 'Try again later.', httpCode: '500' };
			const { items } = await runGenerate(
				server,
				{},
				{ items: [{ sku: 'A1', error: 'The service failed', [name]: failure }] },
			);
			expect(items[0].json).toMatchObject({ sku: 'A1', prompt: 'A red shoe' });
			for (const field of ['error', 'inputError', name]) {
				expect(items[0].json).not.toHaveProperty(field);
			}
		},
	);

	test('A long text in a field named message does not hold up the result', async () => {
		const message = 'x'.repeat(20 * 1024 * 1024);
		const { items, error } = await runGenerate(server, {}, { items: [{ message }] });
		expect(error?.message).toBeUndefined();
		expect(items[0].json.message === message).toBe(true);
	});

	test('The result starts with its prompt, and ends with the IDs for support', async () => {
		const { items } = await runGenerate(server, {}, { items: [{}] });
		const names = Object.keys(items[0].json);
		expect(names[0]).toBe('prompt');
		expect(names.slice(-3)).toEqual(['tries', 'id', 'traceId']);
		expect(items[0].json.prompt).toBe('A red shoe');
		expect(items[0].json.created).toMatch(/^20\d\d-\d\d-\d\dT/);
	});
});

(COMBINES_BINARY ? describe : describe.skip)('Output: the input in combined binary mode', () => {
	const run = async (options: INodeParameters, outputField = 'picture') => {
		const photo = await storeFile(await inputImage(64, 64), 'shoe.png', 'image/png');
		const item = { json: { sku: 'A1', _files: { photo } } } as unknown as INodeExecutionData;
		const parameters = { binaryPropertyName: '_files.photo', outputField, options };
		const rest = { combineBinary: true, onError: 'continueRegularOutput' } as const;
		const { items } = await runEdit(server, [item], parameters, rest);
		expect(items[0].json.sku).toBe('A1');
		return Object.keys(items[0].json._files ?? {});
	};

	test('The files that n8n keeps in the JSON are not kept with it', async () => {
		expect(await run({})).toEqual(['picture']);
	});

	test('Include Input Fields turned on keeps them', async () => {
		expect(await run({ includeInputFields: true })).toEqual(['photo', 'picture']);
	});

	test.each(['passOn', 'fail'])(
		'An image that moderation refused leaves no input image in its place, with When Moderated %s',
		async (whenModerated) => {
			server.setFaults([{ times: 1, fault: { status: 451 } }]);
			expect(await run({ whenModerated }, 'photo')).toEqual([]);
		},
	);
});

describe('Output: a node behind another one of its kind', () => {
	/** What a result says of its request. An ID may be that of the row again. */
	const REQUEST_FIELDS = ['created', 'tries', 'traceId'];

	const run = async (items: INodeExecutionData[], parameters: INodeParameters = {}) =>
		(await runGenerate(server, parameters, { items })).items;

	test('An image behind a moderated item is not said to be moderated and free', async () => {
		server.setFaults([{ times: 1, fault: { status: 451 } }]);
		const options = { whenModerated: 'passOn' };
		const moderated = await run([{ json: { sku: 'A1' } }], { options });
		expect(moderated[0].json).toMatchObject({ charged: false });
		const [{ json }] = await run(moderated);
		expect(json).toMatchObject({ sku: 'A1', finishReason: 'success' });
		expect(json).not.toHaveProperty('charged');
		expect(json).not.toHaveProperty('moderation');
	});

	test('What deviated in the first image, and what it cost, is not said of the second', async () => {
		const deviations = {
			estimatedCost: { amount: 0.02, currency: 'CNY' },
			requestedSize: '512x512',
			requestedSeed: 5,
		};
		const [first] = await run([{ json: {} }]);
		const [{ json }] = await run([{ ...first, json: { ...first.json, ...deviations } }]);
		for (const name of Object.keys(deviations)) expect(json).not.toHaveProperty(name);
	});

	test('A failed edit keeps nothing that says that the image before it succeeded', async () => {
		const [first] = await run([{ json: { sku: 'A1' } }]);
		server.setFaults([{ times: 1, fault: { status: 451 } }]);
		const { items } = await runGenerate(
			server,
			{},
			{ items: [first], onError: 'continueRegularOutput' },
		);
		expect(items[0].json).toMatchObject({ sku: 'A1', error: expect.any(String) as unknown });
		for (const name of ['finishReason', 'width', 'fileSize', 'estimatedCost', ...REQUEST_FIELDS]) {
			expect(items[0].json).not.toHaveProperty(name);
		}
	});

	test('Several images in one item do not get the trace ID of the image before them', async () => {
		const [first] = await run([{ json: { sku: 'A1' } }]);
		const options = { numberOfImages: 2, severalImagesAs: 'fields' };
		const [{ json }] = await run([first], { options });
		expect(json).toMatchObject({ sku: 'A1', images: [{}, {}] });
		for (const name of REQUEST_FIELDS) expect(json).not.toHaveProperty(name);
	});

	test('An image of which only the link is returned does not get the size of the image before it', async () => {
		const [first] = await run([{ json: {} }]);
		expect(first.json).toHaveProperty('width');
		const [{ json }] = await run([first], { output: 'url' });
		for (const name of ['width', 'height', 'mimeType', 'fileSize']) {
			expect(json).not.toHaveProperty(name);
		}
	});

	test("A row's own fields of these names stay", async () => {
		const [{ json }] = await run([{ json: { charged: 'by card', requestedSize: 'XL' } }]);
		expect(json).toMatchObject({ charged: 'by card', requestedSize: 'XL' });
	});
});

describe('Output: Additional Body Fields change what the item says', () => {
	test('Model and seed in the item are those that were sent', async () => {
		const { items } = await runGenerate(server, {
			options: { seed: 1, additionalBodyFields: '{"seed": 9, "model": "step-2x-large"}' },
		});
		expect(items[0].json).toMatchObject({ seed: 9, model: 'step-2x-large' });
	});

	test('null removes a field', async () => {
		await runGenerate(server, {
			options: { steps: 9, additionalBodyFields: '{"steps": null, "response_format": null}' },
		});
		expect(server.requests[0].json).not.toHaveProperty('steps');
		expect(server.requests[0].json).not.toHaveProperty('response_format');
	});
});

describe('Output: the hint at the end of a run', () => {
	const hintsOf = async (...settings: Parameters<typeof runGenerate>) => {
		const { run } = await runGenerate(...settings);
		return run.data.resultData.runData['StepFun Image'].flatMap(({ hints = [] }) => hints);
	};

	test('A run that succeeded at the first try shows no hint if the price is not known', async () => {
		expect(await hintsOf(server, {}, { items: [{}, {}] })).toEqual([]);
	});

	test('A run with failures, moderation and retries is summarized', async () => {
		server.setFaults([
			{ when: { nth: 1 }, fault: { status: 400 } },
			{ when: { nth: 2 }, fault: { status: 451 } },
			{ when: { nth: 3 }, fault: { status: 500 } },
		]);
		const hints = await hintsOf(
			server,
			{},
			{
				items: [{}, {}, {}, {}],
				onError: 'continueRegularOutput',
				credential: { concurrentRequests: 1 },
			},
		);
		expect(hints).toHaveLength(1);
		expect(hints[0].message).toBe(
			'Made 2 images. 1 image failed. 1 image did not pass moderation. 1 image needed more than one try.',
		);
		expect(hints[0].type).toBe('warning');
	});
});
