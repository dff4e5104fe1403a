import { randomUUID } from 'node:crypto';
import { measure, parseSize } from './pictures.cts';
import { modelList, ok, Refusal } from './responses.cts';
import type { Simulation, PlannedResponse, ReceivedRequest, Tools } from './types.cts';

// SiliconFlow's image API, which is closed source. Written after its public API reference
// (docs.siliconflow.cn, "images-generations", read in November 2026): sizes in `image_size`, pictures in `images`, an
// edit as a generation with the picture in `image`. The link is documented to live for one hour.
// Not confirmed: what happens to fields that it does not document (ignored here), the codes and texts of errors, and
// whether a `data` list is sent beside `images`, which some users report; this simulation sends `images` alone.

function refuse(status: number, code: number, message: string): Refusal {
	return new Refusal(status, { code, message, data: null });
}

const RANGES: Record<string, [number, number]> = {
	batch_size: [1, 4],
	seed: [0, 9_999_999_999],
	num_inference_steps: [1, 100],
	guidance_scale: [0, 20],
};

/** Simulates api.siliconflow.cn. */
export const siliconFlow: Simulation = {
	defaultModel: 'Kwai-Kolors/Kolors',
	defaultKey: 'local-key',
	oneAtATime: false,
	stopsWithClient: false,
	check(request, { key }) {
		if (request.key === key) return;
		throw new Refusal(401, '"Invalid token"', { 'Content-Type': 'application/json' });
	},
	routes: {
		'GET /v1/models': (_request, { options: { model: id } }) => modelList({ id, object: 'model' }),
		'POST /v1/images/generations': generate,
	},
	notFound: () => new Refusal(404, '404 page not found'),
};

async function generate({ json }: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
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
	const pictures = await tools.drawSeries(Number(given.batch_size ?? 1), {
		...size,
		prompt: given.prompt,
		seed,
		steps: Number(given.num_inference_steps ?? 20),
		guidance: Number(given.guidance_scale ?? 7.5),
		negativePrompt: given.negative_prompt as string | undefined,
		inputs,
	});
	const images = pictures.map((bytes) => ({
		url: tools.keep(`/outputs/${randomUUID()}.png`, bytes),
	}));
	const headers = { 'x-siliconcloud-trace-id': randomUUID() };
	return ok({ images, timings: { inference: 1.2 }, seed }, headers);
}
