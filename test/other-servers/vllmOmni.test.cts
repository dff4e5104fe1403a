import { startOtherServer, type OtherServer } from './server.cts';
import { ask, decodeBase64, EDITS, form, GENERATIONS, PROMPT } from './testRequests.cts';

let server: OtherServer;
beforeAll(async () => void (server = await startOtherServer('vllmOmni')));
afterAll(() => server.close());

test('takes its own names for the settings, and returns Base64 without seed or id', async () => {
	const reply = await ask(server, GENERATIONS, {
		model: 'stepfun-ai/NextStep-1.1',
		prompt: PROMPT,
		size: '128x64',
		num_inference_steps: 28,
		guidance_scale: 7.5,
		negative_prompt: 'blurry',
		seed: 7,
		response_format: 'b64_json',
	});
	expect(reply.status).toBe(200);
	expect(Object.keys(reply.body.data[0])).toEqual(['b64_json', 'url', 'revised_prompt']);
	expect(reply.body).not.toHaveProperty('id');
	expect(await decodeBase64(reply.body.data[0].b64_json)).toBe('png 128x64');
	expect(server.drawings.at(-1)).toMatchObject({
		steps: 28,
		guidance: 7.5,
		negativePrompt: 'blurry',
		seed: 7,
	});
});

test("ignores StepFun's names for the settings", async () => {
	const reply = await ask(server, GENERATIONS, { prompt: PROMPT, steps: 30, cfg_scale: 6 });
	expect(reply.status).toBe(200);
	const { steps, guidance } = server.drawings.at(-1)!;
	expect([steps, guidance]).toEqual([undefined, undefined]);
});

test('draws with a random seed that it does not report if none is sent', async () => {
	const first = await ask(server, GENERATIONS, { prompt: PROMPT, size: '64x64' });
	const second = await ask(server, GENERATIONS, { prompt: PROMPT, size: '64x64' });
	expect(first.body.data[0].b64_json).not.toBe(second.body.data[0].b64_json);
});

test.each([
	['response_format url', { response_format: 'url' }, /'response_format'.*Only 'b64_json'/s],
	['steps above 200', { num_inference_steps: 201 }, /less than or equal to 200/],
	['guidance above 20', { guidance_scale: 21 }, /less than or equal to 20/],
	['a size without x', { size: 'large' }, /WIDTHxHEIGHT/],
	['another model', { model: 'dall-e-3' }, /^Model mismatch: .*'dall-e-3'.*NextStep-1\.1'/],
	['no prompt', { prompt: undefined }, /'missing'.*'prompt'/],
])('refuses %s with 400 and an error object', async (_title, fields, message) => {
	const { status, body } = await ask(server, GENERATIONS, { prompt: PROMPT, ...fields });
	expect([status, body.error.code, body.error.type]).toEqual([400, 400, 'Bad Request']);
	expect(body.error.message).toMatch(message);
});

test('edits a file in image or image[], in its own size unless one is sent', async () => {
	const own = await ask(server, EDITS, await form({ prompt: PROMPT, seed: '3' }, 'image'));
	expect(await decodeBase64(own.body.data[0].b64_json)).toBe('png 120x80');
	const sized = await ask(server, EDITS, await form({ prompt: PROMPT, size: '64x128' }, 'image[]'));
	expect(await decodeBase64(sized.body.data[0].b64_json)).toBe('png 64x128');
});

test('refuses an edit without an image, and one that asks for a link', async () => {
	const none = await ask(server, EDITS, await form({ prompt: PROMPT }));
	expect([none.status, none.body.error.message]).toEqual([
		422,
		"Field 'image' or 'url' is required",
	]);
	const link = await form({ prompt: PROMPT, response_format: 'url' }, 'image');
	const { status, body } = await ask(server, EDITS, link);
	expect([status, body.error.message]).toEqual([
		400,
		"Only response_format 'b64_json' is supported now.",
	]);
});

test('lists the served model, and asks for the key that it was started with', async () => {
	expect((await ask(server, 'GET /models')).body.data[0].id).toBe('stepfun-ai/NextStep-1.1');
	const closed = await startOtherServer('vllmOmni', { key: 'token' });
	try {
		const { status, body } = await ask(closed, 'GET /models');
		expect([status, body]).toEqual([401, { error: 'Unauthorized' }]);
		const withKey = { Authorization: 'Bearer token' };
		expect((await ask(closed, 'GET /models', undefined, withKey)).status).toBe(200);
	} finally {
		await closed.close();
	}
});
