import fs from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { LOCAL_API_KEY, startStepFunServer, type StepFunServer } from './server.cts';
import { decoded, inputImage } from './testRequests.cts';

let server: StepFunServer;
let client: OpenAI;
let folder: string;
let cat: string;

beforeAll(async () => {
	server = await startStepFunServer();
	client = new OpenAI({ apiKey: LOCAL_API_KEY, baseURL: server.url });
	folder = await mkdtemp(join(tmpdir(), 'stepfun-sdk-'));
	cat = join(folder, 'cat.jpg');
	await writeFile(cat, await inputImage(300, 200, 'jpeg'));
});

beforeEach(() => server.reset());

afterAll(async () => {
	await server.close();
	await rm(folder, { recursive: true });
});

test('images.edit with step-image-edit-2 and Base64, as the guide shows it', async () => {
	const file = await toFile(fs.createReadStream(cat), null, {
		type: 'image/jpeg',
	});
	const rsp = await client.images.edit({
		model: 'step-image-edit-2',
		image: file,
		prompt: '变成一只英短猫',
		// @ts-expect-error this is not yet public
		cfg_scale: 1.0,
		steps: 8,
		seed: 1,
		response_format: 'b64_json',
	});
	const bytes = Buffer.from(rsp.data?.[0].b64_json ?? '', 'base64');
	expect(bytes.equals(server.sentImages[0])).toBe(true);
	expect(await decoded(bytes)).toEqual({ format: 'png', width: 300, height: 200 });
	expect(server.requests[0].fields).toMatchObject({ cfg_scale: '1', steps: '8', seed: '1' });
	expect(server.requests[0].file?.bytes.equals(fs.readFileSync(cat))).toBe(true);
});

test('images.edit with step-1x-edit and Base64, as the API reference shows it', async () => {
	const file = await toFile(fs.createReadStream(cat), null, {
		type: 'image/jpeg',
	});
	const rsp = await client.images.edit({
		model: 'step-1x-edit',
		image: file,
		prompt: '变成一只英短猫',
		// @ts-expect-error this is not yet public
		cfg_scale: 10.0,
		steps: 20,
		seed: 1,
		response_format: 'b64_json',
	});
	const bytes = Buffer.from(rsp.data?.[0].b64_json ?? '', 'base64');
	expect(bytes.equals(server.sentImages[0])).toBe(true);
	expect((await decoded(bytes)).width).toBe(624);
	expect(server.billed).toMatchObject([{ model: 'step-1x-edit', seed: 1 }]);
});

test('images.edit with the prompt and the extra fields of the Python example', async () => {
	await client.images.edit(
		{
			model: 'step-1x-edit',
			image: fs.createReadStream(cat),
			prompt: '\n变成一只英短猫\n',
			response_format: 'b64_json',
			...{ cfg_scale: 10.0, steps: 20, seed: 1 },
		},
		{ maxRetries: 0 },
	);
	expect(server.billed).toMatchObject([{ prompt: '\n变成一只英短猫\n', operation: 'edit' }]);
});

test.each(['step-image-edit-2', 'step-1x-edit'])('images.edit with %s and a URL', async (model) => {
	const rsp = await client.images.edit({
		model,
		image: fs.createReadStream(cat),
		prompt: 'a cat',
		response_format: 'url',
	});
	const picture = await fetch(rsp.data?.[0].url ?? '');
	expect(Buffer.from(await picture.arrayBuffer()).equals(server.sentImages[0])).toBe(true);
});

test('images.generate with Base64', async () => {
	const rsp = await client.images.generate({
		model: 'step-image-edit-2',
		prompt: '采菊东篱下，悠然见南山',
		size: '768x1360',
		response_format: 'b64_json',
		...{ cfg_scale: 1.0, steps: 8, seed: 1, text_mode: true },
	});
	const bytes = Buffer.from(rsp.data?.[0].b64_json ?? '', 'base64');
	expect(await decoded(bytes)).toEqual({ format: 'png', width: 1360, height: 768 });
});

test('images.generate with a URL', async () => {
	const rsp = await client.images.generate({
		model: 'step-image-edit-2',
		prompt: 'a fox',
		n: 1,
	});
	const picture = await fetch(rsp.data?.[0].url ?? '');
	expect(Buffer.from(await picture.arrayBuffer()).equals(server.sentImages[0])).toBe(true);
});

test('errors reach the SDK with status and message', async () => {
	const failing = client.images.generate({ model: 'step-1x-edit', prompt: 'a fox' });
	await expect(failing).rejects.toMatchObject({
		status: 400,
		type: 'request_params_invalid',
		message: expect.stringContaining('not allowed') as string,
	});
});
