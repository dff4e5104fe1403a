import { randomUUID } from 'node:crypto';
import { measure, now, parseSize, randomSeed, uploads } from './pictures.cts';
import { ok, Refusal } from './responses.cts';
import type { Simulation, PlannedResponse, ReceivedRequest, Tools } from './types.cts';

// new-api, a relay, with an OpenAI channel, written after QuantumNous/new-api:
//   dto/openai_image.go at 0640975b (MarshalJSON: only the fields of the struct go on), and
//   relay/channel/openai/adaptor.go at 00945208 (ConvertImageRequest: of an edit, every text part goes on).
// The response of the server behind it goes back as it is, so its links may be of any kind: see `link`.
// Not confirmed: the texts of its own refusals.

const KNOWN = [
	'model',
	'prompt',
	'n',
	'size',
	'quality',
	'response_format',
	'style',
	'user',
	'extra_fields',
	'background',
	'moderation',
	'output_format',
	'output_compression',
	'partial_images',
	'stream',
	'async',
	'images',
	'mask',
	'input_fidelity',
	'watermark',
	'watermark_enabled',
	'user_id',
	'image',
];

function refuse(status: number, message: string, code: string): Refusal {
	return new Refusal(status, { error: { message, type: 'new_api_error', param: '', code } });
}

/** Simulates new-api in front of a server that takes StepFun's or vLLM-Omni's fields. */
export const newApi: Simulation = {
	defaultModel: 'step-image-edit-2',
	defaultKey: 'local-key',
	oneAtATime: false,
	stopsWithClient: false,
	check(request, { key }) {
		if (request.key !== key) throw refuse(401, 'Invalid token', '');
	},
	routes: {
		'GET /v1/models'(_request, { options: { model: id } }) {
			const card = { id, object: 'model', created: 1_626_777_600, owned_by: 'custom' };
			return ok({ success: true, object: 'list', data: [card] });
		},
		'POST /v1/images/generations': generate,
		'POST /v1/images/edits': edit,
	},
	notFound: ({ method, path }) => refuse(404, `Invalid URL (${method} ${path})`, ''),
};

async function generate(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	if (typeof request.json !== 'object' || request.json === null) {
		return refuse(400, 'invalid request', 'invalid_request');
	}
	const given = request.json as Record<string, unknown>;
	if (!given.prompt) return refuse(400, 'prompt is required', 'invalid_request');
	request.forwarded = Object.fromEntries(
		Object.entries(given).filter(([name]) => KNOWN.includes(name)),
	);
	return await responseFrom(request.forwarded, [], tools);
}

async function edit(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	const { fields, files } = request;
	const name = Object.keys(files).find((each) => /^image(\[\d*\])?$/.test(each));
	if (name === undefined) return refuse(400, 'image is required', 'invalid_request');
	const text = Object.fromEntries(Object.entries(fields).map(([each, [value]]) => [each, value]));
	request.forwarded = { ...text, [name]: files[name].map((file) => file.name) };
	return await responseFrom(text, uploads(request, name), tools);
}

async function responseFrom(
	given: Record<string, unknown>,
	inputs: Buffer[],
	tools: Tools,
): Promise<PlannedResponse> {
	const { model, link = 'absolute' } = tools.options;
	if (given.model !== model) {
		const message = `No available channel for model ${String(given.model)}`;
		return refuse(503, message, 'model_not_found');
	}
	const seed = Number(given.seed ?? randomSeed());
	const inputSize = inputs[0] && (await measure(inputs[0]));
	const bytes = await tools.draw({
		...(inputSize ?? parseSize(String(given.size ?? '')) ?? { width: 1024, height: 1024 }),
		prompt: String(given.prompt),
		seed,
		steps: given.steps === undefined ? undefined : Number(given.steps),
		guidance: given.cfg_scale === undefined ? undefined : Number(given.cfg_scale),
		negativePrompt: given.negative_prompt as string | undefined,
		inputs,
	});
	const told = { seed, finish_reason: 'success' };
	if (given.response_format === 'b64_json') {
		const data = [{ ...told, b64_json: bytes.toString('base64') }];
		return ok({ created: now(), data });
	}
	const path = `/files/${randomUUID()}.png`;
	const url = {
		absolute: tools.keep(path, bytes),
		relative: path,
		data: `data:image/png;base64,${bytes.toString('base64')}`,
	}[link];
	return ok({ created: now(), data: [{ ...told, url }] });
}
