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

const MODEL = { model: 'step-image-edit-2', prompt: PROMPT, size: '128x64' };

let server: OtherServer;
beforeAll(async () => void (server = await startOtherServer('newApi')));
afterAll(() => server.close());

test('silently drops unknown settings of a generation', async () => {
	const settings = { steps: 9, cfg_scale: 3, seed: 7, negative_prompt: 'blurry', text_mode: true };
	const fields = { ...MODEL, ...settings, response_format: 'b64_json' };
	const { status, body } = await ask(server, GENERATIONS, fields, KEY);
	expect(status).toBe(200);
	expect(server.received.at(-1)?.forwarded).toEqual({ ...MODEL, response_format: 'b64_json' });
	expect(body.data[0].seed).not.toBe(7);
	expect(await decodeBase64(body.data[0].b64_json)).toBe('png 128x64');
});

test('forwards every text of an edit', async () => {
	const fields = { model: 'step-image-edit-2', prompt: PROMPT, steps: '9', seed: '7' };
	const { body } = await ask(server, EDITS, await form(fields, 'image'), KEY);
	expect(body.data[0].seed).toBe(7);
	expect(server.drawings.at(-1)).toMatchObject({ steps: 9, seed: 7, width: 120, height: 80 });
});

test('passes on any link from the server behind it', async () => {
	const links: Record<string, string> = {};
	for (const link of ['absolute', 'relative', 'data'] as const) {
		const relay = await startOtherServer('newApi', { link });
		try {
			const { body } = await ask(relay, GENERATIONS, MODEL, KEY);
			links[link] = body.data[0].url;
			const url = new URL(links[link], relay.url).href;
			expect(await download(url)).toBe('png 128x64 as image/png');
		} finally {
			await relay.close();
		}
	}
	expect(links.absolute).toMatch(/^http:/);
	expect(links.relative).toMatch(/^\//);
	expect(links.data).toMatch(/^data:image\/png;base64,/);
});

test('refuses an unknown model, a missing prompt and a wrong key', async () => {
	const model = await ask(server, GENERATIONS, { ...MODEL, model: 'x' }, KEY);
	expect([model.status, model.body.error.code]).toEqual([503, 'model_not_found']);
	const prompt = await ask(server, GENERATIONS, { model: 'step-image-edit-2' }, KEY);
	expect([prompt.status, prompt.body.error.type]).toEqual([400, 'new_api_error']);
	expect((await ask(server, 'GET /models')).status).toBe(401);
});
