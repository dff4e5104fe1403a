import { startOtherServer, type OtherServer } from './server.cts';
import { ask, decodeBase64, EDITS, form, GENERATIONS, PROMPT } from './testRequests.cts';

let server: OtherServer;
beforeAll(async () => void (server = await startOtherServer('stableDiffusionCpp')));
afterAll(() => server.close());

const block = (settings: object) =>
	`${PROMPT} <sd_cpp_extra_args>${JSON.stringify(settings)}</sd_cpp_extra_args>`;

test('reads settings from a block in the prompt, in its own schema', async () => {
	const prompt = block({
		seed: 7,
		negative_prompt: 'blurry',
		sample_params: { sample_steps: 12, guidance: { txt_cfg: 3.5 } },
	});
	const { body } = await ask(server, GENERATIONS, { prompt, size: '128x64' });
	expect(await decodeBase64(body.data[0].b64_json)).toBe('png 128x64');
	expect(server.drawings.at(-1)).toMatchObject({
		prompt: `${PROMPT} `,
		seed: 7,
		negativePrompt: 'blurry',
		steps: 12,
		guidance: 3.5,
	});
});

test('ignores settings at the top of the body, and steps and cfg_scale at the top of the block', async () => {
	const prompt = block({ steps: 12, cfg_scale: 3.5 });
	const { status } = await ask(server, GENERATIONS, {
		prompt,
		model: 'anything',
		seed: 7,
		steps: 12,
		cfg_scale: 3.5,
		response_format: 'url',
	});
	expect(status).toBe(200);
	const { seed, steps, guidance } = server.drawings.at(-1)!;
	expect([seed, steps, guidance]).toEqual([42, undefined, undefined]);
});

test('draws with seed 42, the same picture again and again', async () => {
	const draw = async () =>
		(await ask(server, GENERATIONS, { prompt: PROMPT, size: '64x64' })).body.data[0].b64_json;
	expect(await draw()).toBe(await draw());
	const random = await startOtherServer('stableDiffusionCpp', { seed: -1 });
	try {
		await ask(random, GENERATIONS, { prompt: PROMPT, size: '64x64' });
		await ask(random, GENERATIONS, { prompt: PROMPT, size: '64x64' });
		expect(random.drawings[0].seed).not.toBe(random.drawings[1].seed);
	} finally {
		await random.close();
	}
});

test('rounds sides up to a multiple of 64, and falls back to 512 for a size it cannot read', async () => {
	const { body } = await ask(server, GENERATIONS, { prompt: PROMPT, size: '100x65' });
	expect(await decodeBase64(body.data[0].b64_json)).toBe('png 128x128');
	const fallback = await ask(server, GENERATIONS, { prompt: PROMPT, size: 'auto' });
	expect(await decodeBase64(fallback.body.data[0].b64_json)).toBe('png 512x512');
});

test.each([
	['no prompt', { prompt: '' }, 'prompt required'],
	[
		'an unreadable block',
		{ prompt: `<sd_cpp_extra_args>{</sd_cpp_extra_args>` },
		'invalid sd_cpp_extra_args',
	],
	[
		'another format',
		{ output_format: 'gif' },
		'invalid output_format, must be one of [png, jpeg, webp]',
	],
])('refuses %s with a text for an error', async (_title, fields, error) => {
	const { status, body } = await ask(server, GENERATIONS, { prompt: PROMPT, ...fields });
	expect([status, body]).toEqual([400, { error }]);
});

test('responds to a body that is not JSON with a server error', async () => {
	const { status, body } = await ask(server, GENERATIONS, '{');
	expect([status, body.error]).toEqual([500, 'server_error']);
});

test('edits image[] or image in its size, and JSON is refused', async () => {
	const prompt = block({ seed: 9 });
	for (const field of ['image', 'image[]']) {
		const { body } = await ask(server, EDITS, await form({ prompt }, field));
		expect(await decodeBase64(body.data[0].b64_json)).toBe('png 128x128');
		expect(server.drawings.at(-1)?.seed).toBe(9);
	}
	const none = await ask(server, EDITS, await form({ prompt: PROMPT }));
	expect([none.status, none.body]).toEqual([400, { error: 'at least one image[] required' }]);
	const json = await ask(server, EDITS, { prompt: PROMPT, image: 'AAAA' });
	expect(json.body).toEqual({ error: 'Content-Type must be multipart/form-data' });
});

test('draws one picture at a time, also for clients that left', async () => {
	const slow = await startOtherServer('stableDiffusionCpp', { drawMs: 150 });
	try {
		const leaving = Array.from({ length: 2 }, () =>
			fetch(`${slow.url}/images/generations`, {
				method: 'POST',
				body: JSON.stringify({ prompt: PROMPT, size: '64x64' }),
				signal: AbortSignal.timeout(60),
			}).catch(() => undefined),
		);
		await Promise.all(leaving);
		const staying = await ask(slow, GENERATIONS, { prompt: PROMPT, size: '64x64' });
		expect([staying.status, slow.drawn, slow.maxInFlight]).toEqual([200, 3, 1]);
		expect(slow.received.map(({ aborted }) => aborted)).toEqual([true, true, false]);
	} finally {
		await slow.close();
	}
});

test('lists one fixed model, without a key', async () => {
	const { body } = await ask(server, 'GET /models');
	expect(body).toEqual({ data: [{ id: 'sd-cpp-local', object: 'model', owned_by: 'local' }] });
});
