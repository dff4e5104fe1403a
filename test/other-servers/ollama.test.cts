import { inputImage } from '../stepfun-server/testRequests.cts';
import { startOtherServer, type OtherServer } from './server.cts';
import { ask, decodeBase64, EDITS, form, GENERATIONS, PROMPT } from './testRequests.cts';

const MODEL = { model: 'x/z-image-turbo', prompt: PROMPT };

let server: OtherServer;
beforeAll(async () => void (server = await startOtherServer('ollama')));
afterAll(() => server.close());

test('takes model, prompt, size and seed, and always returns one picture as Base64', async () => {
	const fields = { ...MODEL, size: '128x64', seed: 7, n: 3, response_format: 'url', steps: 9 };
	const { body } = await ask(server, GENERATIONS, fields);
	expect(body.data).toHaveLength(1);
	expect(await decodeBase64(body.data[0].b64_json)).toBe('png 128x64');
	const { seed, steps } = server.drawings.at(-1)!;
	expect([seed, steps]).toEqual([7, undefined]);
});

test('edits JSON with a data: URI, and refuses a form', async () => {
	const image = `data:image/png;base64,${(await inputImage(120, 80)).toString('base64')}`;
	const { body } = await ask(server, EDITS, { ...MODEL, image });
	expect(await decodeBase64(body.data[0].b64_json)).toBe('png 120x80');
	const asForm = await ask(server, EDITS, await form(MODEL, 'image'));
	expect([asForm.status, asForm.body.error.type]).toEqual([400, 'invalid_request_error']);
	const byUrl = await ask(server, EDITS, { ...MODEL, image: 'http://127.0.0.1/x.png' });
	expect(byUrl.body.error.message).toMatch(/image URLs are not currently supported/);
});

test('refuses an unknown model with 404, and a missing one with 400', async () => {
	const { status, body } = await ask(server, GENERATIONS, { ...MODEL, model: 'x' });
	expect([status, body.error.message]).toEqual([404, "model 'x' not found"]);
	const none = await ask(server, GENERATIONS, { prompt: PROMPT });
	expect([none.status, none.body.error.message]).toEqual([400, 'model is required']);
});

test('has no images since v0.32.6', async () => {
	const newer = await startOtherServer('ollama', { older: false });
	try {
		const { status, text } = await ask(newer, GENERATIONS, MODEL);
		expect([status, text]).toEqual([404, '404 page not found']);
		expect((await ask(newer, 'GET /models')).status).toBe(200);
	} finally {
		await newer.close();
	}
});
