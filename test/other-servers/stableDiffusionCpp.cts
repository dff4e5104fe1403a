import type { ImageFormat } from '../stepfun-server/types.cts';
import { measure, now, uploads } from './pictures.cts';
import { ok, Refusal } from './responses.cts';
import type { Drawing, Simulation, PlannedResponse, ReceivedRequest, Tools } from './types.cts';

// The server of stable-diffusion.cpp, written after leejet/stable-diffusion.cpp at 97d29908 (19 August 2026):
//   examples/server/routes_openai.cpp, runtime.cpp (output formats), examples/common/common.cpp
//   (SDGenerationParams::from_json_str, resolve), examples/common/common.h (seed 42), src/stable-diffusion.cpp
//   (align_image_size: sides are rounded up to a multiple of 64 for Stable Diffusion's UNet, of 8 for others).
// Everything but prompt, n, size and the output format is read from one block of JSON in the prompt, in the schema of
// the program's own API: seed and negative_prompt at the top, the steps in sample_params.sample_steps and the
// guidance in sample_params.guidance.txt_cfg. A key at another place, and a value of another type, is ignored.
// Not confirmed: what an input file that is no picture leads to (the source skips it and draws without).

const BLOCK = /<sd_cpp_extra_args>(.*?)<\/sd_cpp_extra_args>/;
const DEFAULT_SIDE = 512;

/** Simulates `sd-server`. */
export const stableDiffusionCpp: Simulation = {
	defaultModel: 'sd-cpp-local',
	oneAtATime: true,
	stopsWithClient: false,
	routes: {
		'GET /v1/models': () =>
			ok({ data: [{ id: 'sd-cpp-local', object: 'model', owned_by: 'local' }] }),
		'POST /v1/images/generations': generate,
		'POST /v1/images/edits': edit,
	},
	notFound: () => new Refusal(404, ''),
};

function refuse(error: string): Refusal {
	return new Refusal(400, { error });
}

function serverError(message: string): Refusal {
	return new Refusal(500, { error: 'server_error', message });
}

async function generate(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	if (request.rawBody.length === 0) throw refuse('empty body');
	// The content type is not looked at.
	let json: Record<string, unknown>;
	try {
		json = JSON.parse(request.rawBody.toString()) as Record<string, unknown>;
	} catch {
		return serverError('[json.exception.parse_error.101] parse error');
	}
	for (const [name, type] of Object.entries({ prompt: 'string', n: 'number', size: 'string' })) {
		if (json[name] !== undefined && typeof json[name] !== type) {
			return serverError(`[json.exception.type_error.302] type must be ${type}`);
		}
	}
	const prompt = String(json.prompt ?? '');
	if (prompt === '') throw refuse('prompt required');
	const format = outputFormat(json.output_format, ['png', 'jpeg', 'webp']);
	const size = readSize(String(json.size ?? '')) ?? { width: DEFAULT_SIDE, height: DEFAULT_SIDE };
	return await drawAll(prompt, size, Number(json.n ?? 1), format, [], tools);
}

async function edit(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	if (!/^multipart\/form-data/.test(request.headers['content-type'] ?? '')) {
		throw refuse('Content-Type must be multipart/form-data');
	}
	const text = (name: string) => request.fields[name]?.[0] ?? '';
	if (text('prompt') === '') throw refuse('prompt required');
	// Of `image`, one file alone.
	const inputs = uploads(request, 'image[]', 'image').slice(
		0,
		request.files['image[]'] ? undefined : 1,
	);
	if (inputs.length === 0) throw refuse('at least one image[] required');
	const format = outputFormat(text('output_format') || undefined, ['png', 'jpeg']);
	const inputSize = await measure(inputs[0]);
	const size = readSize(text('size')) ?? inputSize ?? { width: DEFAULT_SIDE, height: DEFAULT_SIDE };
	const count = /^\d+/.test(text('n')) ? parseInt(text('n'), 10) : 1;
	return await drawAll(text('prompt'), size, count, format, inputs, tools);
}

function outputFormat(value: unknown, valid: string[]): ImageFormat {
	const format = String(value ?? 'png')
		.toLowerCase()
		.replace(/^jpg$/, 'jpeg');
	if (valid.includes(format)) return format as ImageFormat;
	throw refuse(`invalid output_format, must be one of [${valid.join(', ')}]`);
}

/** As std::stoi reads it: leading digits count, anything else leaves the default. */
function readSize(size: string): { width: number; height: number } | undefined {
	const [, width, height] = /^\s*(\d+)[^x]*x\s*(\d+)/.exec(size) ?? [];
	return width === undefined ? undefined : { width: Number(width), height: Number(height) };
}

async function drawAll(
	promptWithBlock: string,
	size: { width: number; height: number },
	count: number,
	format: ImageFormat,
	inputs: Buffer[],
	tools: Tools,
): Promise<PlannedResponse> {
	const { sideMultiple = 64, seed: seedOfServer = 42 } = tools.options;
	const settings = readBlock(BLOCK.exec(promptWithBlock)?.[1]);
	const prompt = promptWithBlock.replace(new RegExp(BLOCK, 'g'), '');
	const seedAsked = settings.seed ?? seedOfServer;
	const seed = seedAsked < 0 ? Math.floor(Math.random() * 2 ** 31) : seedAsked;
	const pictures = await tools.drawSeries(Math.min(Math.max(Math.trunc(count), 1), 8), {
		width: Math.ceil(size.width / sideMultiple) * sideMultiple,
		height: Math.ceil(size.height / sideMultiple) * sideMultiple,
		...settings,
		prompt,
		seed,
		format,
		inputs,
	});
	const data = pictures.map((bytes) => ({ b64_json: bytes.toString('base64') }));
	return ok({ created: now(), data, output_format: format });
}

type Settings = Partial<Pick<Drawing, 'seed' | 'steps' | 'guidance' | 'negativePrompt'>>;

function readBlock(text: string | undefined): Settings {
	if (text === undefined || text === '') return {};
	let json: Record<string, unknown>;
	try {
		json = JSON.parse(text) as Record<string, unknown>;
	} catch {
		throw refuse('invalid sd_cpp_extra_args');
	}
	const settings: Settings = {};
	const { seed, negative_prompt, sample_params } = json;
	if (Number.isInteger(seed)) settings.seed = seed as number;
	if (typeof negative_prompt === 'string') settings.negativePrompt = negative_prompt;
	if (typeof sample_params === 'object' && sample_params !== null) {
		const { sample_steps, guidance } = sample_params as Record<string, unknown>;
		if (Number.isInteger(sample_steps)) {
			settings.steps = Math.min(Math.max(sample_steps as number, 1), 100);
		}
		const txtCfg = (guidance as Record<string, unknown> | undefined)?.txt_cfg;
		if (typeof txtCfg === 'number') settings.guidance = txtCfg;
	}
	return settings;
}
