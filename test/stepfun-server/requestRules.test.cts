import sharp from 'sharp';
import { startStepFunServer, type StepFunServer } from './server.cts';
import {
	edit,
	filePart,
	generate,
	GENERATION,
	get,
	inputImage,
	postForm,
	postJson,
	type Reply,
} from './testRequests.cts';

const MEBIBYTE = 1024 * 1024;

let server: StepFunServer;
let image: Blob;

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
	image = filePart(await inputImage(100, 80));
});

beforeEach(() => server.reset());

afterAll(() => server.close());

function expectRefusal({ status, body, headers }: Reply, wanted: number, message: RegExp) {
	expect({ status, message: body.error?.message }).toEqual({
		status: wanted,
		message: expect.stringMatching(message) as string,
	});
	expect(body.error?.type).toMatch(/^[a-z_]+$/);
	expect(headers.get('x-trace-id')).toBe(server.requests[0].traceId);
	expect(server.billed).toEqual([]);
	expect(server.requests[0]).toMatchObject({ status: wanted, billed: false });
}

const LONGEST = '😀'.repeat(512);

describe('step-image-edit-2 generate', () => {
	test.each<[string, Record<string, unknown>, RegExp]>([
		['no model', { model: undefined }, /'model' is required/],
		['model not a string', { model: 7 }, /'model' must be a string/],
		['model null', { model: null }, /'model' must be a string/],
		['unknown model', { model: 'step-image-edit-3' }, /does not exist/],
		['no prompt', { prompt: undefined }, /'prompt' is required/],
		['empty prompt', { prompt: '' }, /'prompt' must have 1 to 512/],
		['prompt too long', { prompt: `${LONGEST}a` }, /has 513/],
		['prompt not a string', { prompt: ['fox'] }, /'prompt' must be a string/],
		['size not offered', { size: '512x512' }, /'size' must be one of/],
		['size with ×', { size: '768×1360' }, /'size'/],
		['steps 0', { steps: 0 }, /'steps' must be from 1 to 50/],
		['steps 51', { steps: 51 }, /'steps' must be from 1 to 50/],
		['steps as text', { steps: '8' }, /'steps' must be an integer/],
		['steps with a fraction', { steps: 8.5 }, /'steps' must be an integer/],
		['steps null', { steps: null }, /'steps' must be an integer/],
		['cfg_scale 0.9', { cfg_scale: 0.9 }, /'cfg_scale' must be from 1 up to 10/],
		['cfg_scale 10.1', { cfg_scale: 10.1 }, /'cfg_scale' must be from 1 up to 10/],
		['cfg_scale as text', { cfg_scale: '1.0' }, /'cfg_scale' must be a number/],
		['seed -1', { seed: -1 }, /'seed' must be from 0 to 2147483647/],
		['seed 2147483648', { seed: 2147483648 }, /'seed' must be from 0/],
		['seed as text', { seed: '1' }, /'seed' must be an integer/],
		['negative_prompt too long', { negative_prompt: `${LONGEST}a` }, /'negative_prompt'/],
		['negative_prompt null', { negative_prompt: null }, /'negative_prompt' must be a string/],
		['text_mode as text', { text_mode: 'true' }, /'text_mode' must be true or false/],
		['text_mode as number', { text_mode: 1 }, /'text_mode' must be true or false/],
		['response_format png', { response_format: 'png' }, /'response_format' must be one of/],
		['response_format empty', { response_format: '' }, /'response_format' must be one of/],
		['n 2', { n: 2 }, /'n' must be from 1 to 1/],
	])('refuses %s', async (_, changes, message) => {
		expectRefusal(await generate(server, changes), 400, message);
	});

	test.each<[string, Record<string, unknown>]>([
		['only what is required', {}],
		['512 characters outside the BMP', { prompt: LONGEST }],
		['the least of each', { steps: 1, cfg_scale: 1, seed: 0, n: 1, negative_prompt: '' }],
		['the most of each', { steps: 50, cfg_scale: 10, seed: 2147483647, negative_prompt: LONGEST }],
		['text_mode', { text_mode: true }],
	])('takes %s', async (_, changes) => {
		expect((await generate(server, changes)).status).toBe(200);
		expect(server.billed).toHaveLength(1);
	});

	test('accepts undocumented fields without effect, and names them', async () => {
		const silent = { quality: 'high', style: 'vivid', user: null, image: 'AAAA', constructor: 'x' };
		const { status, body } = await generate(server, { seed: 7, ...silent });
		expect([status, body.data?.[0].seed]).toEqual([200, 7]);
		expect(server.requests[0].unknown).toEqual(Object.keys(silent));
		server.reset();
		await generate(server, { seed: 7 });
		expect(server.requests[0]).not.toHaveProperty('unknown');
	});

	test.each<[string, string, string]>([
		['not JSON', 'application/json', '{"model":'],
		['an array', 'application/json', '[]'],
		['a wrong Content-Type', 'text/plain', JSON.stringify(GENERATION)],
		['a form', 'application/x-www-form-urlencoded', 'model=step-image-edit-2&prompt=fox'],
	])('refuses a body that is %s', async (_, type, body) => {
		const reply = await postJson(server, 'images/generations', body, { 'Content-Type': type });
		expectRefusal(reply, 400, /JSON|Content-Type/);
	});

	test('refuses JSON that is not UTF-8', async () => {
		const response = await fetch(`${server.url}/images/generations`, {
			method: 'POST',
			headers: { Authorization: 'Bearer local-stepfun-key', 'Content-Type': 'application/json' },
			body: Buffer.from(JSON.stringify({ ...GENERATION, prompt: 'Füchse' }), 'latin1'),
		});
		expect(response.status).toBe(400);
	});
});

describe('step-image-edit-2 edit', () => {
	test.each<[string, Record<string, string | undefined>, RegExp]>([
		['no image', { image: undefined }, /'image' is required/],
		['no prompt', { prompt: undefined }, /'prompt' is required/],
		['steps that are no integer', { steps: '8.0' }, /'steps' must be an integer/],
		['steps that are empty', { steps: '' }, /'steps' must be an integer/],
		['steps 51', { steps: '51' }, /'steps' must be from/],
		['cfg_scale as a word', { cfg_scale: 'one' }, /'cfg_scale' must be a number/],
		['cfg_scale 11', { cfg_scale: '11' }, /'cfg_scale' must be from/],
		['text_mode yes', { text_mode: 'yes' }, /'text_mode' must be true or false/],
		['seed -1', { seed: '-1' }, /'seed' must be from/],
		['text that is no Base64', { image: 'an image' }, /'image' must be a file or Base64/],
		['Base64 of text', { image: 'dGV4dCE=' }, /could not be read/],
	])('refuses %s', async (_, changes, message) => {
		const reply = await edit(server, 'image' in changes ? changes : { image, ...changes });
		expectRefusal(reply, 400, message);
	});

	test('refuses two images', async () => {
		const form = new FormData();
		form.append('model', 'step-image-edit-2');
		form.append('prompt', 'blue');
		form.append('image', image, 'a.png');
		form.append('image', image, 'b.png');
		expectRefusal(await postForm(server, form), 400, /'image' was sent more than once/);
	});

	test('refuses a list of images', async () => {
		const reply = await edit(server, { image: undefined, 'image[]': image });
		expectRefusal(reply, 400, /'image' is required/);
	});

	test('refuses a prompt that is a file', async () => {
		expectRefusal(await edit(server, { image, prompt: image }), 400, /'prompt' must be a string/);
	});

	test('refuses a JSON body', async () => {
		const reply = await postJson(server, 'images/edits', { ...GENERATION, image: 'AAAA' });
		expectRefusal(reply, 400, /must be multipart/);
	});

	test('refuses multipart that is broken', async () => {
		const type = 'multipart/form-data; boundary=x';
		const reply = await postJson(server, 'images/edits', '--x\r\nbroken', { 'Content-Type': type });
		expectRefusal(reply, 400, /not valid multipart/);
	});

	test.each([
		[4097, 16],
		[16, 4097],
	])('refuses an input of %i x %i', async (width, height) => {
		const large = filePart(await inputImage(width, height));
		expectRefusal(await edit(server, { image: large }), 400, /^消息获取失败$/);
	});

	test('refuses a damaged input, which costs nothing', async () => {
		const strict = await startStepFunServer();
		const whole = await sharp({
			create: {
				width: 300,
				height: 300,
				channels: 3,
				background: 'red',
				noise: { type: 'gaussian', mean: 128, sigma: 30 },
			},
		})
			.png()
			.toBuffer();
		const { status, body } = await edit(strict, { image: filePart(whole.subarray(0, 20_000)) });
		expect({ status, message: body.error?.message }).toEqual({
			status: 400,
			message: 'image could not be read',
		});
		expect(strict.billed).toEqual([]);
		await strict.close();
	});

	test('takes any size, which has no effect, and Base64 instead of a file', async () => {
		const base64 = (await inputImage(100, 80)).toString('base64');
		const changes = { image: base64, size: 'any', text_mode: 'True', negative_prompt: 'blur' };
		expect((await edit(server, changes)).status).toBe(200);
		expect(server.requests[0]).not.toHaveProperty('unknown');
	});

	test('takes n, a mask and Base64 with line breaks, and names them', async () => {
		const base64 = (await inputImage(100, 80)).toString('base64');
		const lines = base64.replace(/.{76}/g, '$&\r\n');
		expect((await edit(server, { image: lines, n: '1', mask: image })).status).toBe(200);
		expect(server.requests[0].unknown).toEqual(['n', 'mask', 'image (line breaks in Base64)']);
	});
});

describe('step-1x-edit edit', () => {
	const model = 'step-1x-edit';

	test.each<[string, Record<string, string>, RegExp]>([
		['negative_prompt', { negative_prompt: '' }, /'negative_prompt' is not supported/],
		['text_mode', { text_mode: 'false' }, /'text_mode' is not supported/],
		['a size of others', { size: '768x1360' }, /'size' must be one of/],
		['Base64', { image: 'AAAA' }, /'image' must be a file/],
		['steps 51', { steps: '51' }, /'steps' must be from/],
	])('refuses %s', async (_, changes, message) => {
		expectRefusal(await edit(server, { model, image, ...changes }), 400, message);
	});

	test.each<[string, number, number, RegExp]>([
		['a side under 64', 63, 100, /at least 64/],
		['a side over 4096', 4097, 2000, /at most 4096/],
		['wider than 3:1', 301, 100, /aspect ratio/],
		['taller than 1:3', 100, 301, /aspect ratio/],
	])('refuses %s', async (_, width, height, message) => {
		const input = filePart(await inputImage(width, height));
		expectRefusal(await edit(server, { model, image: input }), 400, message);
	});

	test.each(['gif', 'tiff'] as const)('refuses %s', async (format) => {
		const input = filePart(await inputImage(100, 100, format));
		expectRefusal(await edit(server, { model, image: input }), 400, /format/);
	});

	test('refuses more than 10 MB', async () => {
		const padding = Buffer.alloc(10 * MEBIBYTE + 1);
		const input = filePart(Buffer.concat([await inputImage(100, 100), padding]));
		expectRefusal(await edit(server, { model, image: input }), 400, /larger than/);
	});

	test.each(['png', 'jpeg', 'webp'] as const)('takes %s at 3:1', async (format) => {
		const input = filePart(await inputImage(300, 100, format));
		expect((await edit(server, { model, image: input })).status).toBe(200);
	});

	test('does not generate', async () => {
		expectRefusal(await generate(server, { model }), 400, /not allowed for generate/);
	});
});

describe('step-2x-large', () => {
	const model = 'step-2x-large';
	const source = async (width: number, height: number, format: 'png' | 'jpeg' | 'webp') =>
		`data:image/${format};base64,${(await inputImage(width, height, format)).toString('base64')}`;
	const image2image = async (changes: Record<string, unknown>) =>
		await postJson(server, 'images/image2image', {
			model,
			prompt: 'in oil',
			source_url: await source(100, 100, 'png'),
			source_weight: 0.5,
			size: '256x256',
			response_format: 'b64_json',
			...changes,
		});

	test.each<[string, Record<string, unknown>, RegExp]>([
		['negative_prompt', { negative_prompt: 'blur' }, /'negative_prompt' is not supported/],
		['text_mode', { text_mode: true }, /'text_mode' is not supported/],
		['a size of others', { size: '768x1360' }, /'size' must be one of/],
		['steps 51', { steps: 51 }, /'steps' must be from 1 to 50/],
	])('generate refuses %s', async (_, changes, message) => {
		expectRefusal(await generate(server, { model, ...changes }), 400, message);
	});

	test('does not edit', async () => {
		expectRefusal(await edit(server, { model, image }), 400, /not allowed for edit/);
	});

	test.each<[string, Record<string, unknown>, RegExp]>([
		['no source_url', { source_url: undefined }, /'source_url' is required/],
		['a source that is no URL', { source_url: 'fox.png' }, /'source_url' must be a URL/],
		['a source without Base64', { source_url: 'data:image/png;base64,?' }, /holds no Base64/],
		['no source_weight', { source_weight: undefined }, /'source_weight' is required/],
		['source_weight 0', { source_weight: 0 }, /'source_weight' must be above 0/],
		['source_weight 1.1', { source_weight: 1.1 }, /'source_weight' must be above 0/],
		['steps 101', { steps: 101 }, /'steps' must be from 1 to 100/],
		['prompt of 1025', { prompt: 'a'.repeat(1025) }, /1 to 1024/],
		['another model', { model: 'step-image-edit-2' }, /not allowed for image2image/],
	])('image2image refuses %s', async (_, changes, message) => {
		expectRefusal(await image2image(changes), 400, message);
	});

	test('image2image refuses webp and sides over 2048', async () => {
		expectRefusal(await image2image({ source_url: await source(90, 90, 'webp') }), 400, /format/);
		server.reset();
		expectRefusal(await image2image({ source_url: await source(2049, 9, 'png') }), 400, /2048/);
	});

	test('image2image takes 1024 characters, 100 steps and weight 1', async () => {
		const changes = { prompt: '中'.repeat(1024), steps: 100, source_weight: 1 };
		expect((await image2image(changes)).status).toBe(200);
		expect(server.billed).toMatchObject([{ operation: 'image2image', price: 0.1 }]);
	});

	test('image2image reads a public URL', async () => {
		const small = { model, size: '256x256', response_format: 'url' };
		const { body } = await generate(server, small);
		const url = body.data?.[0].url;
		expect((await image2image({ source_url: url })).status).toBe(200);
		expect((await image2image({ source_url: `${url}x` })).status).toBe(400);
	});
});

describe('key, path and moderation', () => {
	test.each<[string, string | undefined]>([
		['no key', undefined],
		['a wrong key', 'Bearer wrong'],
		['a key without Bearer', 'local-stepfun-key'],
		['an empty key', 'Bearer '],
	])('401 for %s', async (_, authorization) => {
		for (const path of ['images/generations', 'models', 'accounts']) {
			const isPost = path.startsWith('images');
			const response = await fetch(`${server.url}/${path}`, {
				method: isPost ? 'POST' : 'GET',
				headers: {
					...(authorization === undefined ? {} : { Authorization: authorization }),
					...(isPost ? { 'Content-Type': 'application/json' } : {}),
				},
				body: isPost ? JSON.stringify(GENERATION) : undefined,
			});
			expect(response.status).toBe(401);
			expect(await response.json()).toMatchObject({ error: { type: 'invalid_api_key' } });
		}
		expect(server.requests.map(({ status }) => status)).toEqual([401, 401, 401]);
	});

	test.each([
		['POST', '/v1/images/variations'],
		['POST', '/v1/images/generations/'],
		['POST', '/v1//images/generations'],
		['POST', '/images/generations'],
		['POST', '/v1/models'],
		['GET', '/v1/images/generations'],
		['PUT', '/v1/images/edits'],
		['GET', '/v2/models'],
	])('404 for %s %s', async (method, path) => {
		const response = await fetch(`${server.origin}${path}`, {
			method,
			headers: { Authorization: 'Bearer local-stepfun-key' },
		});
		expect(response.status).toBe(404);
		expect(await response.json()).toMatchObject({ error: { type: 'not_found' } });
	});

	test('451 for a refused word', async () => {
		const reply = await generate(server, { prompt: 'a forbidden-451 thing' });
		expectRefusal(reply, 451, /moderation/);
	});

	test('content_filtered for a filtered word: charged, but no image', async () => {
		const { status, body } = await generate(server, { prompt: 'content-filtered', seed: 3 });
		expect(status).toBe(200);
		expect(body.data).toEqual([{ seed: 3, finish_reason: 'content_filtered' }]);
		expect(server.billed).toHaveLength(1);
	});

	test('models and accounts', async () => {
		expect(await (await get(server, 'models')).json()).toMatchObject({
			object: 'list',
			data: [{ id: 'step-image-edit-2' }, { id: 'step-1x-edit' }, { id: 'step-2x-large' }],
		});
		expect(await (await get(server, 'accounts')).json()).toEqual({
			object: 'account',
			type: 'prepaid',
			balance: 100,
			total_cash_balance: 100,
			total_voucher_balance: 0,
		});
	});

	test('Step Plan serves the same paths', async () => {
		const plan = { url: server.stepPlanUrl };
		expect((await generate(plan)).status).toBe(200);
		expect((await edit(plan, { image })).status).toBe(200);
		expect((await get(plan, 'models')).status).toBe(200);
		expect(server.billed.map(({ path }) => path)).toEqual([
			'/step_plan/v1/images/generations',
			'/step_plan/v1/images/edits',
		]);
	});

	test('Step Plan has no step-2x-large and no image2image', async () => {
		const plan = { url: server.stepPlanUrl };
		expectRefusal(await generate(plan, { model: 'step-2x-large' }), 400, /Step Plan/);
		server.reset();
		const request = { model: 'step-2x-large', prompt: 'in oil', source_weight: 0.5 };
		expectRefusal(await postJson(plan, 'images/image2image', request), 400, /Step Plan/);
		const models = (await (await get(plan, 'models')).json()) as { data: Array<{ id: string }> };
		expect(models.data.map(({ id }) => id)).toEqual(['step-image-edit-2', 'step-1x-edit']);
	});

	test('a model that only this server offers is not checked', async () => {
		const gateway = await startStepFunServer({ models: ['fox-painter'] });
		const changes = { model: 'fox-painter', size: '320x200', quality: 'high' };
		const { status } = await generate(gateway, changes);
		const missing = await generate(gateway);
		await gateway.close();
		expect([status, missing.status]).toEqual([200, 400]);
	});
});
