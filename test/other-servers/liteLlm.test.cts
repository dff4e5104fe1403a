import { startOtherServer, type OtherServer } from './server.cts';
import {
	ask,
	decodeBase64,
	download,
	EDITS,
	form,
	GENERATIONS,
	KEY,
	PROMPT,
} from './testRequests.cts';

const MODEL = { model: 'sd3.5-large', prompt: PROMPT, size: '128x64' };

let older: OtherServer;
let newer: OtherServer;
beforeAll(async () => {
	older = await startOtherServer('liteLlm');
	newer = await startOtherServer('liteLlm', { older: false });
});
afterAll(() => Promise.all([older.close(), newer.close()]));

test.each(['response_format', 'style'])('the older refuses %s with 400', async (name) => {
	const { status, body } = await ask(older, GENERATIONS, { ...MODEL, [name]: 'b64_json' }, KEY);
	expect([status, body.error.code]).toEqual([400, '400']);
	expect(body.error.message).toContain(
		`litellm.UnsupportedParamsError: Setting \`${name}\` is not supported by openai, sd3.5-large.`,
	);
});

test('the older drops response_format if drop_params is set', async () => {
	const dropping = await startOtherServer('liteLlm', { dropParams: true });
	try {
		const fields = { ...MODEL, response_format: 'url' };
		const { body } = await ask(dropping, GENERATIONS, fields, KEY);
		expect(await decodeBase64(body.data[0].b64_json)).toBe('png 128x64');
		expect(dropping.received[0].forwarded).not.toHaveProperty('response_format');
	} finally {
		await dropping.close();
	}
});

test('the newer forwards response_format', async () => {
	const { body } = await ask(newer, GENERATIONS, { ...MODEL, response_format: 'url' }, KEY);
	expect(await download(body.data[0].url)).toBe('png 128x64 as image/png');
});

test('both forward fields that OpenAI does not have, and lose the seed of the response', async () => {
	for (const server of [older, newer]) {
		const settings = { seed: 7, num_inference_steps: 12 };
		const { body } = await ask(server, GENERATIONS, { ...MODEL, ...settings }, KEY);
		expect(server.received.at(-1)?.forwarded).toMatchObject(settings);
		expect(Object.keys(body.data[0])).toEqual(['b64_json', 'url', 'revised_prompt']);
		expect(body).not.toHaveProperty('id');
	}
});

test('forwards the file of an edit as image[]', async () => {
	const edit = await form({ model: 'sd3.5-large', prompt: PROMPT }, 'image');
	const { body } = await ask(older, EDITS, edit, KEY);
	expect(await decodeBase64(body.data[0].b64_json)).toBe('png 120x80');
	expect(older.received.at(-1)?.forwarded).toHaveProperty(['image[]'], ['input.png']);
	const both = await form({ model: 'sd3.5-large', prompt: PROMPT }, 'image', 'image[]');
	expect((await ask(older, EDITS, both, KEY)).status).toBe(422);
	const text = await form({ model: 'sd3.5-large', prompt: PROMPT, image: 'AAAA' });
	expect((await ask(older, EDITS, text, KEY)).status).toBe(422);
});

test('refuses a model that it was not given, and a wrong key', async () => {
	const { status, body } = await ask(older, GENERATIONS, { ...MODEL, model: 'x' }, KEY);
	expect([status, body.error.message]).toEqual([
		400,
		expect.stringContaining('Invalid model name passed in model=x'),
	]);
	expect((await ask(older, 'GET /models')).status).toBe(401);
	expect((await ask(older, 'GET /models', undefined, KEY)).body.data[0].id).toBe('sd3.5-large');
});
