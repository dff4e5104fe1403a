import type { ImageFormat } from '../stepfun-server/types.cts';
import { now, parseSize, randomSeed, uploads } from './pictures.cts';
import { modelList, ok, Refusal } from './responses.cts';
import type { Simulation, PlannedResponse, ReceivedRequest, Tools } from './types.cts';

// OpenAI's image API with gpt-image-2, which is closed source. Written after OpenAI's public API reference, Azure's page
// on its sizes, and the literal responses that users quote, such as vercel/ai issue 6102 (response_format is an unknown
// parameter). The same refusal meets every field that the reference does not list, seed, steps and style among them.
// Not confirmed: the texts for a wrong model, a missing image and most wrong sizes.

const SIDE_UNIT = 16;
const MAX_SIDE = 3840;
const MAX_RATIO = 3;
const [MIN_PIXELS, MAX_PIXELS] = [655_360, 8_294_400];

const COMMON = [
	'prompt',
	'model',
	'n',
	'size',
	'quality',
	'background',
	'output_format',
	'output_compression',
	'partial_images',
	'stream',
	'user',
];
const GENERATE = [...COMMON, 'moderation'];
const EDIT = [...COMMON, 'input_fidelity', 'image', 'image[]', 'mask'];

function refuse(status: number, message: string, param: string | null, code: string): Refusal {
	const type = 'invalid_request_error';
	return new Refusal(status, { error: { message, type, param, code } });
}

/** Simulates api.openai.com with gpt-image-2. */
export const openai: Simulation = {
	defaultModel: 'gpt-image-2',
	defaultKey: 'local-key',
	oneAtATime: false,
	stopsWithClient: false,
	check(request, { key }) {
		if (request.key === undefined) {
			throw refuse(401, "You didn't provide an API key.", null, 'missing_api_key');
		}
		if (request.key !== key) {
			const message = `Incorrect API key provided: ${request.key.slice(0, 3)}***.`;
			throw refuse(401, message, null, 'invalid_api_key');
		}
	},
	routes: {
		'GET /v1/models': (_request, { options: { model: id } }) =>
			modelList({ id, object: 'model', created: 1_745_517_030, owned_by: 'system' }),
		'POST /v1/images/generations': async ({ json }, tools) =>
			await respondWithImages(json, GENERATE, [], tools),
		'POST /v1/images/edits': edit,
	},
	notFound: ({ method, path }) =>
		refuse(404, `Invalid URL (${method} ${path})`, null, 'unknown_url'),
};

async function edit(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	const { fields, files } = request;
	const form: Record<string, unknown> = Object.fromEntries(
		Object.entries(fields).map(([name, [text]]) => [name, name === 'n' ? Number(text) : text]),
	);
	for (const name of Object.keys(files)) form[name] ??= 'file';
	const inputs = uploads(request, 'image', 'image[]');
	if (inputs.length === 0) {
		const message = "Missing required parameter: 'image'.";
		return refuse(400, message, 'image', 'missing_required_parameter');
	}
	return await respondWithImages(form, EDIT, inputs, tools);
}

async function respondWithImages(
	body: unknown,
	known: string[],
	inputs: Buffer[],
	tools: Tools,
): Promise<PlannedResponse> {
	if (typeof body !== 'object' || body === null) {
		return refuse(400, 'We could not parse the JSON body of your request.', null, 'invalid_json');
	}
	const given = body as Record<string, unknown>;
	const unknown = Object.keys(given).find((name) => !known.includes(name));
	if (unknown !== undefined) {
		return refuse(400, `Unknown parameter: '${unknown}'.`, unknown, 'unknown_parameter');
	}
	const { prompt, n = 1, size = 'auto', model, output_format = 'png' } = given;
	if (typeof prompt !== 'string' || prompt === '') {
		const message = "Missing required parameter: 'prompt'.";
		return refuse(400, message, 'prompt', 'missing_required_parameter');
	}
	if (model !== undefined && model !== tools.options.model) {
		const message = `The model '${String(model)}' does not exist.`;
		return refuse(400, message, 'model', 'invalid_value');
	}
	const problem = sizeProblem(String(size));
	if (problem !== undefined) {
		const message = `Invalid size '${String(size)}'. ${problem}`;
		return refuse(400, message, 'size', 'invalid_value');
	}
	const count = Number(n);
	if (!Number.isInteger(count) || count < 1 || count > 10) {
		const message = `Invalid 'n': expected an integer from 1 to 10, got ${String(n)}.`;
		return refuse(400, message, 'n', 'invalid_value');
	}
	const pixels = parseSize(String(size)) ?? { width: 1024, height: 1024 };
	const data: object[] = [];
	for (let index = 0; index < count; index++) {
		const bytes = await tools.draw({
			...pixels,
			prompt,
			seed: randomSeed(),
			format: output_format as ImageFormat,
			inputs,
		});
		data.push({ b64_json: bytes.toString('base64') });
	}
	const usage = { input_tokens: 13, output_tokens: 4160, total_tokens: 4173 };
	const told = { size: `${pixels.width}x${pixels.height}`, quality: 'high', background: 'opaque' };
	return ok({ created: now(), data, ...told, output_format, usage });
}

function sizeProblem(size: string): string | undefined {
	if (size === 'auto') return undefined;
	const pixels = parseSize(size);
	if (!pixels) return 'It must be auto or WIDTHxHEIGHT.';
	const { width, height } = pixels;
	if (width % SIDE_UNIT !== 0 || height % SIDE_UNIT !== 0) {
		return `Width and height must both be divisible by ${SIDE_UNIT}.`;
	}
	const [short, long] = [Math.min(width, height), Math.max(width, height)];
	if (long > MAX_SIDE) return `No side may be longer than ${MAX_SIDE} pixels.`;
	if (long > MAX_RATIO * short) return `The ratio of the sides must be at most ${MAX_RATIO}:1.`;
	const area = width * height;
	if (area >= MIN_PIXELS && area <= MAX_PIXELS) return undefined;
	return `It must have ${MIN_PIXELS} to ${MAX_PIXELS} pixels.`;
}
