import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';
import { inputImage } from '../kit/images.cts';
import { bytesOf } from '../kit/runNode.cts';
import { runGenerate } from '../kit/localRuns.cts';

// An image server with the request shapes of vLLM-Omni's images API (docs.vllm.ai, "Image Generation
// API"): its own names for steps and guidance, no response_format but b64_json, no seed in the response.

let server: HostileServer;
let image: Buffer;

beforeAll(async () => {
	image = await inputImage(64, 48);
	server = await startHostileServer();
});
beforeEach(() =>
	server.attackWith((_request, response) => {
		const data = [{ b64_json: image.toString('base64'), url: null }];
		response.end(JSON.stringify({ created: 1, data }));
	}),
);
afterAll(async () => await server.close());

const sentBody = () => JSON.parse(server.requests[0].body.toString()) as object;

test('Additional Body Fields go to a custom model unchanged', async () => {
	const { items, error } = await runGenerate(server, {
		model: '=Qwen/Qwen-Image',
		size: '1328x1328',
		options: {
			seed: 42,
			negativePrompt: 'blurry',
			additionalBodyFields:
				'{ "num_inference_steps": 50, "guidance_scale": 4.0, "true_cfg_scale": 4.0 }',
		},
	});
	expect(error?.message).toBeUndefined();
	expect(sentBody()).toEqual({
		model: 'Qwen/Qwen-Image',
		prompt: 'A red shoe',
		size: '1328x1328',
		seed: 42,
		negative_prompt: 'blurry',
		response_format: 'b64_json',
		num_inference_steps: 50,
		guidance_scale: 4,
		true_cfg_scale: 4,
	});
	expect((await bytesOf(items[0].binary?.data)).equals(image)).toBe(true);
	expect(items[0].json).toMatchObject({ width: 64, height: 48, finishReason: null });
	expect(items[0].json).not.toHaveProperty('estimatedCost');
});

test('Additional Body Fields may come from an expression as an object, and replace fields of the node', async () => {
	await runGenerate(
		server,
		{ options: { seed: 1, additionalBodyFields: '={{ $json.extra }}' } },
		{ items: [{ extra: { seed: 2, user: 'shop' } }] },
	);
	expect(sentBody()).toMatchObject({ seed: 2, user: 'shop' });
});

test.each(['[1]', 'steps: 5', '"text"', '5'])(
	'Additional Body Fields refuse %s, which is not an object of fields',
	async (additional) => {
		const { error } = await runGenerate(server, { options: { additionalBodyFields: additional } });
		expect(error?.message).toBe("'Additional Body Fields' is not a JSON object");
		expect(server.requests).toEqual([]);
	},
);

test.each([
	[{ n: 4 }, "'Additional Body Fields' asks for several images with n", "'Number of Images'"],
	[{ n: '2' }, "'Additional Body Fields' asks for several images with n", "'Number of Images'"],
	[
		{ batch_size: 4 },
		"'Additional Body Fields' asks for several images with batch_size",
		"'Number of Images'",
	],
	[
		{ batch_count: 2 },
		"'Additional Body Fields' asks for several images with batch_count",
		"'Number of Images'",
	],
	[
		{ stream: true },
		"'Additional Body Fields' asks for a stream of events with stream",
		'Remove stream',
	],
	[
		{ stream: 'true' },
		"'Additional Body Fields' asks for a stream of events with stream",
		'Remove stream',
	],
])(
	'Additional Body Fields refuse %j, which would pay for images that are not delivered',
	async (additional, message, advice) => {
		const { error } = await runGenerate(server, {
			options: { additionalBodyFields: JSON.stringify(additional) },
		});
		expect(error?.message).toBe(message);
		expect(error?.description).toContain(advice);
		expect(server.requests).toEqual([]);
	},
);

test.each([{ n: 1 }, { stream: false }])('Additional Body Fields accept %j', async (additional) => {
	const { error } = await runGenerate(server, {
		options: { additionalBodyFields: JSON.stringify(additional) },
	});
	expect(error?.message).toBeUndefined();
	expect(sentBody()).toMatchObject(additional);
});

test('Additional Body Fields refuse a seed with Number of Images, which would pay for the same image several times', async () => {
	const { error } = await runGenerate(server, {
		options: { numberOfImages: 3, additionalBodyFields: '{ "seed": 5 }' },
	});
	expect(error?.message).toBe(
		"'Additional Body Fields' sets the same seed for 3 images, which would all be identical",
	);
	expect(error?.description).toContain("set 'Seed' under Options");
	expect(server.requests).toEqual([]);
});

test('A negative seed stays the same for several images, because servers choose a random one for it', async () => {
	server.attackWith((_request, response) => {
		response.end(JSON.stringify({ data: [{ b64_json: image.toString('base64'), seed: 71 }] }));
	});
	for (const options of [{ seed: -1 }, { additionalBodyFields: '{ "seed": -1 }' }]) {
		server.requests.length = 0;
		const { items, error } = await runGenerate(server, {
			model: '=Qwen/Qwen-Image',
			options: { ...options, numberOfImages: 2 },
		});
		expect(error?.message).toBeUndefined();
		const bodies = server.requests.map(({ body }) => JSON.parse(body.toString()) as object);
		expect(bodies).toMatchObject([{ seed: -1 }, { seed: -1 }]);
		expect(items.map(({ json }) => [json.seed, json.requestedSeed])).toEqual([
			[71, undefined],
			[71, undefined],
		]);
	}
});

test('Additional Body Fields that remove the seed leave the item without one', async () => {
	const { items } = await runGenerate(server, {
		options: { seed: 5, additionalBodyFields: '{ "seed": null }' },
	});
	expect(sentBody()).not.toHaveProperty('seed');
	expect(items[0].json.seed).toBeNull();
});

test('A prompt in Additional Body Fields appears in the item', async () => {
	const { items } = await runGenerate(server, {
		options: { additionalBodyFields: '{ "prompt": "A blue shoe" }' },
	});
	expect(sentBody()).toMatchObject({ prompt: 'A blue shoe' });
	expect(items[0].json).toMatchObject({ prompt: 'A blue shoe', fileName: 'a-blue-shoe-1.png' });
});

test('A prompt in Additional Body Fields carries the settings that a server reads from the prompt', async () => {
	const { items } = await runGenerate(
		server,
		{ model: 'm', options: { seed: 5, additionalBodyFields: '{ "prompt": "A blue shoe" }' } },
		{ credential: { apiFormat: 'stableDiffusionCpp' } },
	);
	expect(sentBody()).toMatchObject({
		prompt: 'A blue shoe<sd_cpp_extra_args>{"seed":5}</sd_cpp_extra_args>',
	});
	expect(items[0].json.seed).toBe(5);
});

test.each(['stepfun', 'openai', 'vllmOmni', 'sglang', 'stableDiffusionCpp', 'localAi'])(
	'A server with the format %s gets no request without a prompt',
	async (apiFormat) => {
		const { error } = await runGenerate(
			server,
			{ model: 'm', prompt: '={{ $json.nowhere }}' },
			{ credential: { apiFormat } },
		);
		expect(error?.message).toBe("'Prompt' is empty");
		expect(server.requests).toEqual([]);
	},
);

test('A seed that is not a number is not replaced by a random one', async () => {
	await runGenerate(
		server,
		{ model: 'm', options: { seed: '={{ "random" }}' } },
		{ credential: { apiFormat: 'vllmOmni' } },
	);
	expect(sentBody()).toMatchObject({ seed: 'random' });
});

test.each([
	[{ prompt: '' }, "'Additional Body Fields' sets prompt to an empty text"],
	[{ strength: NaN }, "'Additional Body Fields' sets strength to NaN"],
])('Additional Body Fields %j are refused before anything is sent', async (fields, message) => {
	const value = Object.entries(fields).map(([name, of]) => `${name}: ${of === '' ? '""' : 'NaN'}`);
	const { error } = await runGenerate(server, {
		options: { additionalBodyFields: `={{ { ${value.join()} } }}` },
	});
	expect(error?.message).toBe(message);
	expect(server.requests).toEqual([]);
});

test('A prompt and a negative prompt that are numbers are sent as texts to any model', async () => {
	await runGenerate(server, {
		model: '=our-own-model',
		prompt: '={{ 2024 }}',
		options: { negativePrompt: '={{ 7 }}' },
	});
	expect(sentBody()).toMatchObject({ prompt: '2024', negative_prompt: '7' });
});

test.each(['application/octet-stream', undefined])(
	'An image that is the whole response is accepted with the type %s',
	async (type) => {
		server.attackWith((_request, response) => {
			if (type) response.setHeader('content-type', type);
			response.end(image);
		});
		const { items, error } = await runGenerate(server);
		expect(error?.message).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(image)).toBe(true);
	},
);

test.each([
	['whenModerated', "'When Moderated' must be one of fail, passOn, but is pass_on"],
	['severalImagesAs', "'Several Images As' must be one of items, fields, but is pass_on"],
])('An unknown value of the option %s is refused', async (option, message) => {
	const { error } = await runGenerate(server, { options: { [option]: '={{ "pass_on" }}' } });
	expect(error?.message).toBe(message);
	expect(server.requests).toEqual([]);
});
