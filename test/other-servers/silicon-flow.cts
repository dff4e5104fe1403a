import { randomUUID } from 'node:crypto';
import { measure, parseSize } from './pictures.cts';
import type { Answer, Imitation, ReceivedRequest, Tools } from './types.cts';

// SiliconFlow's image API, which is closed source. Written after its public API reference
// (docs.siliconflow.cn, "images-generations", read in November 2026): sizes in `image_size`, pictures in `images`, an
// edit as a generation with the picture in `image`. The link is documented to live for one hour.
// Not confirmed: what happens to fields that it does not document (ignored here), the codes and texts of errors, and
// whether a `data` list is sent beside `images`, which some users report; this imitation sends `images` alone.

function refuse(status: number, code: number, message: string): Answer {
	return { status, body: { code, message, data: null } };
}

const RANGES: Record<string, [number, number]> = {
	batch_size: [1, 4],
	seed: [0, 9_999_999_999],
	num_inference_steps: [1, 100],
	guidance_scale: [0, 20],
};

/** Imitates api.siliconflow.cn. */
export const siliconFlow: Imitation = {
	basePath: '/v1',
	defaultModel: 'Kwai-Kolors/Kolors',
	defaultKey: 'local-key',
	oneAtATime: false,
	stopsWithClient: false,
	async answer(request, tools) {
		const { key, model } = tools.options;
		if (request.key !== key) {
			const headers = { 'Content-Type': 'application/json' };
			return { status: 401, body: '"Invalid token"', headers };
		}
		switch (`${request.method} ${request.path}`) {
			case 'GET /v1/models':
				return { status: 200, body: { object: 'list', data: [{ id: model, object: 'model' }] } };
			case 'POST /v1/images/generations':
				return await generate(request, tools);
			default:
				return { status: 404, body: '404 page not found' };
		}
	},
};

async function generate({ json }: ReceivedRequest, tools: Tools): Promise<Answer> {
	const given = (json ?? {}) as Record<string, unknown>;
	if (given.model !== tools.options.model) {
		return refuse(400, 20012, 'Model does not exist. Please check it carefully.');
	}
	if (typeof given.prompt !== 'string' || given.prompt === '') {
		return refuse(400, 20015, 'The parameter is invalid: prompt is required.');
	}
	for (const [name, [min, max]] of Object.entries(RANGES)) {
		const value = given[name];
		if (value === undefined) continue;
		if (typeof value !== 'number' || value < min || value > max) {
			return refuse(400, 20015, `The parameter is invalid: ${name} must be ${min} to ${max}.`);
		}
	}
	const inputs = [given.image]
		.filter((image) => typeof image === 'string')
		.map((image) => Buffer.from(image.replace(/^data:[^,]*,/, ''), 'base64'));
	const inputSize = inputs[0] && (await measure(inputs[0]));
	const size = parseSize(String(given.image_size ?? '')) ?? inputSize;
	if (size === undefined) {
		return refuse(400, 20015, 'The parameter is invalid: image_size is required.');
	}
	const seed = Number(given.seed ?? Math.floor(Math.random() * 9_999_999_999));
	const images: object[] = [];
	for (let index = 0; index < Number(given.batch_size ?? 1); index++) {
		const bytes = await tools.draw({
			...size,
			prompt: given.prompt,
			seed: seed + index,
			steps: Number(given.num_inference_steps ?? 20),
			guidance: Number(given.guidance_scale ?? 7.5),
			negativePrompt: given.negative_prompt as string | undefined,
			inputs,
		});
		const path = `/outputs/${randomUUID()}.png`;
		tools.keep(path, bytes, 'image/png');
		images.push({ url: `${tools.origin}${path}` });
	}
	const headers = { 'x-siliconcloud-trace-id': randomUUID() };
	return { status: 200, body: { images, timings: { inference: 1.2 }, seed }, headers };
}
