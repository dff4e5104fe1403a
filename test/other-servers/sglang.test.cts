import { startOtherServer, type OtherServer } from './server.cts';
import { ask, decodeBase64, download, EDITS, form, GENERATIONS, PROMPT } from './testRequests.cts';

let server: OtherServer;
beforeAll(async () => void (server = await startOtherServer('sglang')));
afterAll(() => server.close());

test('returns a relative link to a JPEG unless asked otherwise', async () => {
	const { body } = await ask(server, GENERATIONS, { prompt: PROMPT, size: '128x64' });
	expect(body.data[0].url).toMatch(/^\/v1\/images\/[-0-9a-f]{36}\/content$/);
	expect(body.data[0].b64_json).toBeNull();
	expect(await download(`${server.origin}${body.data[0].url}`)).toBe('jpeg 128x64 as image/jpeg');
});

test('draws with seed 1024, the same picture again and again, unless one is sent', async () => {
	const draw = async (fields: object) => {
		const b64 = { prompt: PROMPT, size: '64x64', response_format: 'b64_json' };
		return (await ask(server, GENERATIONS, { ...b64, ...fields })).body.data[0].b64_json;
	};
	const first = await draw({});
	expect(await draw({})).toBe(first);
	expect(server.drawings.at(-1)?.seed).toBe(1024);
	expect(await draw({ seed: 5 })).not.toBe(first);
});

test('takes its own names for the settings and any model', async () => {
	const { status } = await ask(server, GENERATIONS, {
		model: 'anything',
		prompt: PROMPT,
		num_inference_steps: 12,
		guidance_scale: 3.5,
		negative_prompt: 'blurry',
		output_format: 'png',
		steps: 99,
	});
	expect(status).toBe(200);
	const settings = { steps: 12, guidance: 3.5, negativePrompt: 'blurry', format: 'png' };
	expect(server.drawings.at(-1)).toMatchObject(settings);
});

test('without an output path, a link is refused after the picture was drawn', async () => {
	const noFiles = await startOtherServer('sglang', { keepsFiles: false });
	try {
		const { status, body } = await ask(noFiles, GENERATIONS, { prompt: PROMPT });
		expect([status, body.detail]).toEqual([
			400,
			"response_format='url' requires cloud storage to be configured.",
		]);
		expect(noFiles.drawn).toBe(1);
	} finally {
		await noFiles.close();
	}
});

test('refuses invalid requests with a list of details', async () => {
	const wrong = await ask(server, GENERATIONS, { prompt: PROMPT, seed: 'seven' });
	expect(wrong.status).toBe(422);
	expect(wrong.body.detail[0]).toMatchObject({
		loc: ['body', 'seed'],
		msg: 'Input should be a valid integer, unable to parse string as an integer',
	});
	const none = await ask(server, EDITS, await form({ prompt: PROMPT }));
	expect([none.status, none.body.detail]).toEqual([422, "Field 'image' or 'url' is required"]);
});

test('edits files, and returns Base64 for them unless asked for a link', async () => {
	const { body } = await ask(server, EDITS, await form({ prompt: PROMPT }, 'image[]'));
	expect(await decodeBase64(body.data[0].b64_json)).toBe('jpeg 120x80');
	const linkForm = await form({ prompt: PROMPT, response_format: 'url' }, 'image');
	expect((await ask(server, EDITS, linkForm)).body.data[0].url).toMatch(/^\/v1\/images\//);
});

test('lists its model', async () => {
	expect((await ask(server, 'GET /models')).body.data[0].id).toBe('Qwen/Qwen-Image');
});
