import type { ImageFormat } from '../stepfun-server/types.cts';
import {
	detail,
	validateForm,
	validateJson,
	type Fields,
	type ValidationError,
	type Values,
} from './fastApi.cts';
import { measure, now, parseSize, randomSeed, uploads } from './pictures.cts';
import { modelList, ok, Refusal } from './responses.cts';
import type { Simulation, PlannedResponse, ReceivedRequest, Tools } from './types.cts';

// vLLM-Omni's image API, written after vllm-project/vllm-omni:
//   vllm_omni/entrypoints/openai/protocol/images.py at 00a3619b, .../api_server.py at 005fd8ea
//   (generate_images, edit_images, _DiffusionServingModels),
// and after vllm-project/vllm, vllm/entrypoints/openai/server_utils.py at 029329a8, whose handlers make
// every refusal an { error: { message, type, param, code } } and a body that does not fit a 400. The 422 with
// FastAPI's `detail` list is seen only where the routes are mounted without vLLM's application.
// The model is StepFun's NextStep-1.1, which vLLM-Omni serves for text to image only (pull request 612); for
// edits the server has to be started with a model that can edit. Which response an edit gets from NextStep-1.1
// is not confirmed, so this simulation edits with any model. Not confirmed either: the exact text of a
// validation error, which differs between releases of FastAPI. "file", the newest response_format, is left out.

const MODEL = 'stepfun-ai/NextStep-1.1';

function checkSize(size: string): string | undefined {
	return size.includes('x')
		? undefined
		: "size must be in format 'WIDTHxHEIGHT' (e.g., '1024x1024')";
}

function checkResponseFormat(format: string): string | undefined {
	return format === 'b64_json'
		? undefined
		: `Only 'b64_json' or 'file' response format is supported, got: ${format}`;
}

const DIFFUSION: Fields = {
	negative_prompt: { type: 'string' },
	seed: { type: 'integer' },
	true_cfg_scale: { type: 'number', min: 0, max: 20 },
	guidance_scale: { type: 'number', min: 0, max: 20 },
	num_inference_steps: { type: 'integer', min: 1, max: 200 },
};

const GENERATE: Fields = {
	prompt: { type: 'string', required: true },
	model: { type: 'string' },
	n: { type: 'integer', notNull: true, min: 1, max: 10 },
	size: { type: 'string', check: checkSize },
	response_format: {
		type: 'string',
		notNull: true,
		of: ['b64_json', 'url', 'file'],
		check: checkResponseFormat,
	},
	output_format: { type: 'string' },
	...DIFFUSION,
};

const EDIT: Fields = {
	prompt: { type: 'string', required: true },
	model: { type: 'string' },
	n: { type: 'integer' },
	size: { type: 'string' },
	response_format: { type: 'string' },
	output_format: { type: 'string' },
	output_compression: { type: 'integer', min: 0, max: 100 },
	negative_prompt: { type: 'string' },
	seed: { type: 'integer' },
	true_cfg_scale: { type: 'number' },
	guidance_scale: { type: 'number' },
	num_inference_steps: { type: 'integer' },
};

const PHRASES: Record<number, string> = {
	400: 'Bad Request',
	422: 'Unprocessable Entity',
	500: 'Internal Server Error',
};

function refuse(code: number, message: string): Refusal {
	return new Refusal(code, { error: { message, type: PHRASES[code], param: null, code } });
}

function misfit(errors: ValidationError[]): Refusal {
	const list = errors.map(
		({ type, loc, msg }) =>
			`{'type': '${type}', 'loc': ('${loc.join("', '")}',), 'msg': ${JSON.stringify(msg)}}`,
	);
	return refuse(
		400,
		`${errors.length} validation error${errors.length > 1 ? 's' : ''}:\n  ${list.join('\n  ')}`,
	);
}

/** Simulates `vllm serve stepfun-ai/NextStep-1.1 --omni`. */
export const vllmOmni: Simulation = {
	defaultModel: MODEL,
	oneAtATime: true,
	stopsWithClient: true,
	check(request, { key }) {
		if (key !== undefined && request.path.startsWith('/v1') && request.key !== key) {
			throw new Refusal(401, { error: 'Unauthorized' });
		}
	},
	routes: {
		'GET /v1/models': (_request, { options: { model: id } }) =>
			modelList({ id, object: 'model', created: now(), owned_by: 'vllm', root: id }),
		'POST /v1/images/generations': generate,
		'POST /v1/images/edits': edit,
	},
	notFound: () => detail(404, 'Not Found'),
};

async function generate(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	if (!/^application\/json/.test(request.headers['content-type'] ?? '')) {
		return refuse(400, "['Unsupported Media Type: Only 'application/json' is allowed']");
	}
	const values = validateJson(request, GENERATE, misfit);
	checkModel(values, tools);
	const size = values.size === undefined ? undefined : parseSize(String(values.size));
	if (values.size !== undefined && size === undefined) {
		return refuse(400, `Invalid size format: '${String(values.size)}'. Expected 'WIDTHxHEIGHT'.`);
	}
	return await drawAll(values, size ?? { width: 1024, height: 1024 }, [], tools);
}

async function edit(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	const values = validateForm(request, EDIT, misfit);
	checkModel(values, tools);
	if ((values.response_format ?? 'b64_json') !== 'b64_json') {
		return refuse(400, "Only response_format 'b64_json' is supported now.");
	}
	const urls = request.fields.url ?? request.fields['url[]'] ?? [];
	const inputs = [...uploads(request, 'image', 'image[]'), ...urls.map(bytesOfDataUri)];
	if (inputs.length === 0) return refuse(422, "Field 'image' or 'url' is required");
	const inputSize = await measure(inputs[0]);
	if (inputSize === undefined) return refuse(400, 'Failed to open image');
	const sizeText = String(values.size ?? 'auto');
	const size = sizeText.toLowerCase() === 'auto' ? inputSize : parseSize(sizeText);
	if (size === undefined) return refuse(400, `Invalid size format: '${sizeText}'.`);
	return await drawAll({ ...values, size: `${size.width}x${size.height}` }, size, inputs, tools);
}

function checkModel(values: Values, { options }: Tools): void {
	if (values.model === undefined || values.model === options.model) return;
	const running = `but server is running '${options.model}'.`;
	throw refuse(400, `Model mismatch: request specifies '${String(values.model)}' ${running}`);
}

function bytesOfDataUri(url: string): Buffer {
	return Buffer.from(/^data:[^,]*;base64,(.*)$/s.exec(url)?.[1] ?? '', 'base64');
}

async function drawAll(
	values: Values,
	size: { width: number; height: number },
	inputs: Buffer[],
	tools: Tools,
): Promise<PlannedResponse> {
	const wanted = String(values.output_format ?? 'png').toLowerCase();
	const format = ({ jpg: 'jpeg', jpeg: 'jpeg', webp: 'webp' }[wanted] ?? 'png') as ImageFormat;
	const pictures = await tools.drawSeries(Number(values.n ?? 1), {
		...size,
		format,
		inputs,
		prompt: String(values.prompt),
		negativePrompt: values.negative_prompt as string | undefined,
		seed: Number(values.seed ?? randomSeed()),
		steps: values.num_inference_steps as number | undefined,
		guidance: (values.guidance_scale ?? values.true_cfg_scale) as number | undefined,
	});
	const data = pictures.map((bytes) => ({
		b64_json: bytes.toString('base64'),
		url: null,
		revised_prompt: null,
	}));
	const told = values.size === undefined ? null : `${size.width}x${size.height}`;
	return ok({ created: now(), data, output_format: format, size: told, cot_output: null });
}
