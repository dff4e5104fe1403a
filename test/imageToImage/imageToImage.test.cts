import type { INodeParameters } from 'n8n-workflow';

import { inputImage, itemWithFile, pngOfBytes } from '../kit/images.cts';
import { bytesOf, runNode } from '../kit/runNode.cts';
import { localCredential } from '../kit/stepFunCredential.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

let server: StepFunServer;
beforeAll(async () => (server = await startStepFunServer()));
afterEach(() => server.reset());
afterAll(async () => await server.close());

async function run(parameters: INodeParameters = {}, width = 100, height = 80) {
	return await runWith(await inputImage(width, height), parameters);
}

async function runWith(bytes: Buffer, parameters: INodeParameters = {}) {
	const result = await runNode({
		items: [await itemWithFile(bytes)],
		parameters: {
			operation: 'imageToImage',
			model: 'step-2x-large',
			prompt: 'The same chair as a watercolour',
			...parameters,
		},
		credential: localCredential(server),
	});
	return { ...result, bytes };
}

test('Image to Image sends the source as a data URI, with the weight and the size the model expects', async () => {
	const { items, error, bytes } = await run({
		sourceWeight: '={{ "0.3" }}',
		size: '1280x800',
		options: { steps: 100, cfgScale: 7, seed: 3 },
	});
	expect(error?.message).toBeUndefined();
	expect(server.requests[0].path).toBe('/v1/images/image2image');
	expect(server.requests[0].json).toEqual({
		model: 'step-2x-large',
		prompt: 'The same chair as a watercolour',
		size: '1280x800',
		steps: 100,
		cfg_scale: 7,
		seed: 3,
		source_weight: 0.3,
		source_url: `data:image/png;base64,${bytes.toString('base64')}`,
		response_format: 'b64_json',
	});
	expect(items[0].json).toMatchObject({ width: 1280, height: 800, seed: 3 });
	expect((await bytesOf(items[0].binary?.data)).equals(server.sentImages[0])).toBe(true);
});

test.each([1_000_000, 1_000_001, 1_000_002])(
	'Image to Image sends a source of %d bytes, which is read in several pieces, unchanged',
	async (size) => {
		const { error, bytes } = await runWith(await pngOfBytes(size), {
			prompt: 'Ein Stuhl, "größer"',
		});
		expect(error?.message).toBeUndefined();
		expect(server.requests[0].json).toMatchObject({
			prompt: 'Ein Stuhl, "größer"',
			source_url: `data:image/png;base64,${bytes.toString('base64')}`,
		});
		expect(server.requests[0].headers['content-type']).toBe('application/json');
	},
);

test('Image to Image sends 0.5 as the default weight, and prompts of up to 1024 characters', async () => {
	const { error } = await run({ prompt: '一'.repeat(1024) });
	expect(error?.message).toBeUndefined();
	expect(server.requests[0].json).toMatchObject({ source_weight: 0.5 });
});

test.each([
	[{ sourceWeight: 0 }, "'Source Weight' must be above 0, and at most 1, but is 0"],
	[{ sourceWeight: 1.5 }, "'Source Weight' must be a number from 0 to 1, but is 1.5"],
	[{ options: { steps: 101 } }, "'Steps' must be a whole number from 1 to 100, but is 101"],
	[
		{ model: '={{ "step-image-edit-2" }}' },
		'The model step-image-edit-2 does not offer Image to Image',
	],
])('Image to Image refuses %j before anything is sent', async (parameters, message) => {
	const { error } = await run(parameters as INodeParameters);
	expect(error?.message).toBe(message);
	expect(server.requests).toEqual([]);
});

test('Image to Image refuses a source beyond 2048 pixels before anything is sent', async () => {
	const { error } = await run({}, 2049, 100);
	expect(error?.message).toBe("The image in 'data' is too large: 2049 × 100 pixels");
	expect(server.requests).toEqual([]);
});
