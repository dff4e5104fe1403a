import { startOtherServer, type OtherServer } from './server.cts';
import { ask, decodeBase64, download, EDITS, form, GENERATIONS, PROMPT } from './testRequests.cts';

let server: OtherServer;
beforeAll(async () => void (server = await startOtherServer('lightX2V')));
afterAll(() => server.close());

test('uses only prompt, size and seed', async () => {
	const { status, body } = await ask(server, GENERATIONS, {
		prompt: PROMPT,
		size: '128x64',
		seed: 7,
		num_inference_steps: 9,
	});
	expect(status).toBe(200);
	expect(await decodeBase64(body.data[0].b64_json)).toBe('png 128x64');
	const drawing = server.drawings.at(-1)!;
	expect([drawing.seed, drawing.steps]).toEqual([7, undefined]);
});

test('refuses a link for a generation with 422 and a list', async () => {
	const { status, body } = await ask(server, GENERATIONS, {
		prompt: PROMPT,
		response_format: 'url',
	});
	expect(status).toBe(422);
	expect(body.detail[0]).toMatchObject({
		type: 'literal_error',
		loc: ['body', 'response_format'],
		msg: "Input should be 'b64_json'",
	});
});

test.each([
	['n above 1', { n: 2 }, 'Only n=1 is currently supported'],
	['a size of words', { size: 'large' }, 'size must be in WxH format, e.g. 1024x1024'],
	['a blank prompt', { prompt: ' ' }, 'prompt is required'],
])('refuses %s with 400 and a text', async (_title, fields, message) => {
	const { status, body } = await ask(server, GENERATIONS, { prompt: PROMPT, ...fields });
	expect([status, body]).toEqual([400, { detail: message }]);
});

test('returns an absolute link for an edit unless asked for Base64', async () => {
	const { body } = await ask(server, EDITS, await form({ prompt: PROMPT }, 'image'));
	expect(await download(body.data[0].url)).toBe('png 120x80 as image/png');
	const asBase64 = await form({ prompt: PROMPT, response_format: 'b64_json' }, 'image[]');
	const reply = await ask(server, EDITS, asBase64);
	expect(await decodeBase64(reply.body.data[0].b64_json)).toBe('png 120x80');
	const none = await ask(server, EDITS, await form({ prompt: PROMPT }));
	expect([none.status, none.body.detail]).toEqual([400, 'At least one image is required']);
});

test('has no list of models', async () => {
	const { status, body } = await ask(server, 'GET /models');
	expect([status, body]).toEqual([404, { detail: 'Not Found' }]);
});

test('gives up a picture whose client left', async () => {
	const slow = await startOtherServer('lightX2V', { drawMs: 300 });
	try {
		const signal = AbortSignal.timeout(100);
		const body = JSON.stringify({ prompt: PROMPT });
		const headers = { 'Content-Type': 'application/json' };
		await expect(
			fetch(`${slow.url}/images/generations`, { method: 'POST', headers, body, signal }),
		).rejects.toThrow();
		const next = await ask(slow, GENERATIONS, { prompt: PROMPT, size: '64x64' });
		expect([next.status, slow.drawn]).toEqual([200, 1]);
	} finally {
		await slow.close();
	}
});
