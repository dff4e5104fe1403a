import { randomUUID } from 'node:crypto';
import type { ImageFormat } from '../stepfun-server/types.cts';
import { detail, validateForm, validateJson, type Fields, type Values } from './fastApi.cts';
import { measure, mediaType, now, parseSize, randomSeed, uploads } from './pictures.cts';
import { modelList, ok } from './responses.cts';
import type { Simulation, PlannedResponse, ReceivedRequest, Tools } from './types.cts';

// SGLang Diffusion's image API, written after sgl-project/sglang,
//   python/sglang/multimodal_gen/runtime/entrypoints/openai/: image_api.py at 0230ddc2, utils.py at 00f0b39a,
//   common_api.py at 0730031c, protocol.py at 020befb6 (older: seed 1024 unless one is sent).
// In the newest request model a missing seed is left to the model's sampling parameters; the ones read say 1024
// there too, what the newest say is not confirmed. `older: false` draws a random one, so that both can be tested.
// Not confirmed: whether one picture at a time is drawn (the scheduler's default), whether a client that left
// stops it, and --api-key, of which these routes' source says nothing.

const DEFAULT_SEED = 1024;

const DIFFUSION: Fields = {
	prompt: { type: 'string', required: true },
	model: { type: 'string' },
	n: { type: 'integer' },
	size: { type: 'string' },
	response_format: { type: 'string' },
	output_format: { type: 'string' },
	background: { type: 'string' },
	seed: { type: 'integer' },
	negative_prompt: { type: 'string' },
	guidance_scale: { type: 'number' },
	true_cfg_scale: { type: 'number' },
	num_inference_steps: { type: 'integer' },
	output_compression: { type: 'integer' },
};

const GENERATE: Fields = {
	...DIFFUSION,
	quality: { type: 'string' },
	style: { type: 'string' },
	user: { type: 'string' },
	width: { type: 'integer' },
	height: { type: 'integer' },
};

/** Simulates `sglang serve --model-path Qwen/Qwen-Image`. */
export const sglang: Simulation = {
	defaultModel: 'Qwen/Qwen-Image',
	oneAtATime: true,
	stopsWithClient: false,
	routes: {
		'GET /v1/models': (_request, { options: { model: id } }) =>
			modelList({ id, object: 'model', created: now(), owned_by: 'sglang', root: id }),
		'POST /v1/images/generations': generate,
		'POST /v1/images/edits': edit,
	},
	notFound: ({ path }) =>
		detail(404, /^\/v1\/images\/[^/]+\/content$/.test(path) ? 'Image not found' : 'Not Found'),
};

async function generate(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	const values = validateJson(request, GENERATE);
	const size = parseSize(String(values.size ?? '1024x1024'));
	const width = Number(values.width ?? size?.width ?? 1024);
	const height = Number(values.height ?? size?.height ?? 1024);
	const format = String(values.response_format ?? 'url');
	return await drawAll(values, { width, height }, [], format, tools);
}

async function edit(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	const values = validateForm(request, DIFFUSION);
	const inputs = uploads(request, 'image', 'image[]');
	const urls = request.fields.url ?? request.fields['url[]'] ?? [];
	if (inputs.length + urls.length === 0) return detail(422, "Field 'image' or 'url' is required");
	for (const url of urls) {
		const base64 = /^data:image[^,]*;base64,(.+)$/s.exec(url)?.[1];
		if (base64 === undefined && !/^https?:\/\//i.test(url)) {
			return detail(400, 'Failed to process image source: Unsupported image url format');
		}
		if (base64 !== undefined) inputs.push(Buffer.from(base64, 'base64'));
	}
	const inputSize = await measure(inputs[0]);
	// Nothing on the way checks the file; the pipeline fails on it.
	if (inputSize === undefined) return { status: 500, body: 'Internal Server Error' };
	const size = parseSize(String(values.size ?? '')) ?? inputSize;
	const format = String(values.response_format ?? 'b64_json');
	return await drawAll(values, size, inputs, format, tools);
}

async function drawAll(
	values: Values,
	size: { width: number; height: number },
	inputs: Buffer[],
	responseFormat: string,
	tools: Tools,
): Promise<PlannedResponse> {
	const { older = true, keepsFiles = true } = tools.options;
	const id = randomUUID();
	const format = pictureFormat(values);
	const seed = Number(values.seed ?? (older ? DEFAULT_SEED : randomSeed()));
	const count = Math.max(1, Math.min(Number(values.n ?? 1) || 1, 10));
	const pictures = await tools.drawSeries(count, {
		...size,
		prompt: String(values.prompt),
		seed,
		format,
		steps: values.num_inference_steps as number | undefined,
		guidance: (values.guidance_scale ?? values.true_cfg_scale) as number | undefined,
		negativePrompt: values.negative_prompt as string | undefined,
		inputs,
	});
	const sentAs = responseFormat.toLowerCase();
	// The pictures exist by now: these two refusals come after the work.
	if (sentAs === 'url' && !keepsFiles) {
		return detail(400, "response_format='url' requires cloud storage to be configured.");
	}
	if (sentAs !== 'url' && sentAs !== 'b64_json') {
		return detail(400, `response_format=${sentAs} is not supported`);
	}
	const extension = format === 'jpeg' ? 'jpg' : format;
	const data = pictures.map((bytes, index) => {
		const path = `/v1/images/${id}/content`;
		tools.keep(path, bytes, mediaType(format));
		return {
			b64_json: sentAs === 'b64_json' ? bytes.toString('base64') : null,
			url: sentAs === 'url' ? (count > 1 ? `${path}?variant=${index}` : path) : null,
			revised_prompt: String(values.prompt),
			file_path: keepsFiles ? `/outputs/${id}.${extension}` : null,
		};
	});
	return ok({ id, created: now(), data, peak_memory_mb: 21_504.5, inference_time_s: 4.2 });
}

function pictureFormat(values: Values): ImageFormat {
	const wanted = String(values.output_format ?? '').toLowerCase();
	if (wanted === 'png' || wanted === 'webp') return wanted;
	if (wanted === '' && String(values.background ?? '').toLowerCase() === 'transparent')
		return 'png';
	return 'jpeg';
}
