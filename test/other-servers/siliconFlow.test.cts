import { inputImage } from '../stepfun-server/testRequests.cts';
import { startOtherServer, type OtherServer } from './server.cts';
import { ask, download, EDITS, form, GENERATIONS, KEY, PROMPT } from './testRequests.cts';

const MODEL = { model: 'Kwai-Kolors/Kolors', prompt: PROMPT };

let server: OtherServer;
beforeAll(async () => void (server = await startOtherServer('siliconFlow')));
afterAll(() => server.close());

test('takes image_size and its own names, and returns links in images', async () => {
	const fields = {
		...MODEL,
		image_size: '128x64',
		batch_size: 2,
		num_inference_steps: 30,
		guidance_scale: 4,
		seed: 7,
		negative_prompt: 'blurry',
	};
	const { body, headers } = await ask(server, GENERATIONS, fields, KEY);
	expect(body).toMatchObject({ seed: 7, images: [{}, {}] });
	expect(body).not.toHaveProperty('data');
	expect(await download(body.images[0].url)).toBe('png 128x64 as image/png');
	expect(headers.get('x-siliconcloud-trace-id')).toBeTruthy();
	expect(server.drawings.at(-2)).toMatchObject({ steps: 30, guidance: 4, seed: 7 });
});

test('does not know size, and refuses numbers out of range', async () => {
	const size = await ask(server, GENERATIONS, { ...MODEL, size: '128x64' }, KEY);
	expect([size.status, size.body.message]).toEqual([
		400,
		'The parameter is invalid: image_size is required.',
	]);
	const steps = { ...MODEL, image_size: '64x64', num_inference_steps: 101 };
	expect((await ask(server, GENERATIONS, steps, KEY)).status).toBe(400);
});

test('edits through generations with image, and has no endpoint for edits', async () => {
	const image = `data:image/png;base64,${(await inputImage(120, 80)).toString('base64')}`;
	const { body } = await ask(server, GENERATIONS, { ...MODEL, image }, KEY);
	expect(await download(body.images[0].url)).toBe('png 120x80 as image/png');
	expect((await ask(server, EDITS, await form(MODEL, 'image'), KEY)).status).toBe(404);
});

test('responds to a wrong key with plain text, and to an unknown model with a code', async () => {
	const wrong = await ask(server, 'GET /models');
	expect([wrong.status, wrong.body]).toEqual([401, 'Invalid token']);
	const model = await ask(server, GENERATIONS, { ...MODEL, model: 'x' }, KEY);
	expect([model.status, model.body.code]).toEqual([400, 20012]);
});
