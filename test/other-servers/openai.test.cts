import { startOtherServer, type OtherServer } from './server.cts';
import { ask, decodeBase64, EDITS, form, GENERATIONS, KEY, PROMPT } from './testRequests.cts';

let server: OtherServer;
beforeAll(async () => void (server = await startOtherServer('openai')));
afterAll(() => server.close());

test('takes model, prompt, size and n, and always returns Base64', async () => {
	const fields = { model: 'gpt-image-2', prompt: PROMPT, size: '1536x1024', n: 2 };
	const { status, body } = await ask(server, GENERATIONS, fields, KEY);
	expect([status, body.data.length]).toEqual([200, 2]);
	expect(await decodeBase64(body.data[0].b64_json)).toBe('png 1536x1024');
	expect(Object.keys(body.data[0])).toEqual(['b64_json']);
});

test.each([
	'response_format',
	'seed',
	'steps',
	'cfg_scale',
	'negative_prompt',
	'text_mode',
	'style',
])('refuses %s as an unknown parameter', async (name) => {
	const { status, body } = await ask(server, GENERATIONS, { prompt: PROMPT, [name]: 1 }, KEY);
	expect([status, body]).toEqual([
		400,
		{
			error: {
				message: `Unknown parameter: '${name}'.`,
				type: 'invalid_request_error',
				param: name,
				code: 'unknown_parameter',
			},
		},
	]);
});

test.each([
	['1360x760', 'Width and height must both be divisible by 16.'],
	['4096x2048', 'No side may be longer than 3840 pixels.'],
	['3072x1008', 'The ratio of the sides must be at most 3:1.'],
	['768x768', 'It must have 655360 to 8294400 pixels.'],
	['large', 'It must be auto or WIDTHxHEIGHT.'],
])('refuses the size %s', async (size, problem) => {
	const { status, body } = await ask(server, GENERATIONS, { prompt: PROMPT, size }, KEY);
	expect([status, body.error.param]).toEqual([400, 'size']);
	expect(body.error.message).toBe(`Invalid size '${size}'. ${problem}`);
});

test('edits a file in image or image[], and refuses response_format there too', async () => {
	for (const field of ['image', 'image[]']) {
		const { body } = await ask(server, EDITS, await form({ prompt: PROMPT }, field), KEY);
		expect(await decodeBase64(body.data[0].b64_json)).toBe('png 1024x1024');
	}
	const withFormat = await form({ prompt: PROMPT, response_format: 'b64_json' }, 'image');
	expect((await ask(server, EDITS, withFormat, KEY)).body.error.code).toBe('unknown_parameter');
});

test('needs the right key', async () => {
	const none = await ask(server, 'GET /models');
	expect([none.status, none.body.error.code]).toEqual([401, 'missing_api_key']);
	const wrong = await ask(server, 'GET /models', undefined, { Authorization: 'Bearer sk-no' });
	expect([wrong.status, wrong.body.error.code]).toEqual([401, 'invalid_api_key']);
	expect((await ask(server, 'GET /models', undefined, KEY)).body.data[0].id).toBe('gpt-image-2');
});
