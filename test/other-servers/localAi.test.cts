import { inputImage } from '../stepfun-server/testRequests.cts';
import { startOtherServer, type OtherServer } from './server.cts';
import { ask, decodeBase64, download, EDITS, form, GENERATIONS, PROMPT } from './testRequests.cts';

let server: OtherServer;
beforeAll(async () => void (server = await startOtherServer('localAi')));
afterAll(() => server.close());

test('takes step and seed, and cuts the prompt at a bar into a negative prompt', async () => {
	const { body } = await ask(server, GENERATIONS, {
		prompt: `${PROMPT}|blurry|lost`,
		size: '128x64',
		step: 20,
		seed: 7,
		response_format: 'b64_json',
	});
	expect(await decodeBase64(body.data[0].b64_json)).toBe('png 128x64');
	const expected = { prompt: PROMPT, negativePrompt: 'blurry', steps: 20, seed: 7 };
	expect(server.drawings.at(-1)).toMatchObject(expected);
	expect(body.data[0]).not.toHaveProperty('seed');
});

test('ignores steps, cfg_scale and negative_prompt', async () => {
	const fields = { steps: 30, cfg_scale: 6, negative_prompt: 'blurry', size: '64x64' };
	expect((await ask(server, GENERATIONS, { prompt: PROMPT, ...fields })).status).toBe(200);
	const { steps, guidance, negativePrompt } = server.drawings.at(-1)!;
	expect([steps, guidance, negativePrompt]).toEqual([15, undefined, '']);
});

test('returns an absolute link unless asked for Base64, and draws another picture each time', async () => {
	const { body } = await ask(server, GENERATIONS, { prompt: PROMPT, size: '64x32', n: 2 });
	expect(body.data[0].url).toContain('/generated-images/');
	expect(await download(body.data[0].url)).toBe('png 64x32 as image/png');
	const [first, second] = server.drawings.slice(-2);
	expect(first.seed).not.toBe(second.seed);
});

test('treats a size that it cannot read as 512x512, or fails on it', async () => {
	await ask(server, GENERATIONS, { prompt: PROMPT, size: 'auto-size' });
	await ask(server, GENERATIONS, { prompt: PROMPT, size: 'large' });
	expect(server.drawings.at(-1)).toMatchObject({ width: 512, height: 512 });
	const { status, body } = await ask(server, GENERATIONS, { prompt: PROMPT, size: '1x2x3' });
	expect([status, body.error.message]).toEqual([500, "invalid value for 'size'"]);
});

test('has no endpoint for edits, but takes a picture as Base64 in a generation', async () => {
	const { status, body } = await ask(server, EDITS, await form({ prompt: PROMPT }, 'image'));
	expect([status, body.error.message]).toEqual([404, 'Resource not found']);
	const image = await inputImage(40, 30);
	const file = image.toString('base64');
	await ask(server, GENERATIONS, { prompt: PROMPT, size: '64x64', file });
	expect(server.drawings.at(-1)?.inputs?.[0].equals(image)).toBe(true);
});

test('refuses an unknown model: 404 today, 500 before', async () => {
	const wrong = { prompt: PROMPT, model: 'step-image-edit-2' };
	const { status, body } = await ask(server, GENERATIONS, wrong);
	expect([status, body.error.type]).toEqual([404, 'invalid_request_error']);
	expect(body.error.message).toMatch(/^model "step-image-edit-2" not found/);
	const older = await startOtherServer('localAi', { older: true });
	try {
		expect((await ask(older, GENERATIONS, wrong)).status).toBe(500);
	} finally {
		await older.close();
	}
});

test('asks for the key that it was started with', async () => {
	const closed = await startOtherServer('localAi', { key: 'secret' });
	try {
		const { status, body } = await ask(closed, 'GET /models');
		expect([status, body.error.message]).toEqual([401, 'An authentication key is required']);
	} finally {
		await closed.close();
	}
	expect((await ask(server, 'GET /models')).body.data[0].id).toBe('flux.1-dev-ggml');
});
