import { randomUUID } from 'node:crypto';
import { detail } from './fastApi.cts';
import { measure, now, parseSize, randomSeed } from './pictures.cts';
import { modelList, ok, Refusal } from './responses.cts';
import type { Simulation, PlannedResponse, ReceivedRequest, Tools } from './types.cts';

// LiteLLM's proxy with a server of one's own behind it (model: openai/<name>), written after BerriAI/litellm:
//   litellm/proxy/image_endpoints/endpoints.py at 00fc80b7, litellm/llms/openai/image_generation/gpt_transformation.py
//   at 03c4e68e and openai_compatible_transformation.py at 820ad327, and the messages in issues 10760 and 12408.
// `older`, the default: a model that is not one of OpenAI's is taken for a gpt-image model, so response_format and
// style are refused unless drop_params is set. The newer file above lets them through; in which release it stands
// is not confirmed. Both pass on fields that OpenAI does not have unchanged.
// The response keeps b64_json, url and revised_prompt of an image; id, seed and finish_reason get lost.
// Not confirmed: which fields of an edit go on; this simulation sends on all of them.

const GPT_IMAGE = [
	'background',
	'moderation',
	'n',
	'output_compression',
	'output_format',
	'quality',
	'size',
	'user',
];
const OPENAI_FIELDS = [...GPT_IMAGE, 'response_format', 'style'];

function refuse(status: number, message: string, type: string | null = null): Refusal {
	// The code is a text here.
	return new Refusal(status, { error: { message, type, param: null, code: String(status) } });
}

/** Simulates `litellm --config config.yaml`. */
export const liteLlm: Simulation = {
	defaultModel: 'sd3.5-large',
	defaultKey: 'local-key',
	oneAtATime: false,
	stopsWithClient: false,
	check(request, { key }) {
		if (request.key === key) return;
		throw refuse(401, 'Authentication Error, Invalid proxy server token passed.', 'auth_error');
	},
	routes: {
		'GET /v1/models': (_request, { options: { model: id } }) =>
			modelList({ id, object: 'model', created: 1_677_610_602, owned_by: 'openai' }),
		'POST /v1/images/generations': generate,
		'POST /v1/images/edits': edit,
	},
	notFound: () => detail(404, 'Not Found'),
};

async function generate(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	const { older = true, dropParams = false, model } = tools.options;
	if (typeof request.json !== 'object' || request.json === null) {
		return refuse(400, 'Invalid JSON body');
	}
	const given = { ...(request.json as Record<string, unknown>) };
	checkModel(given.model, '/images/generations', tools);
	const supported = older ? GPT_IMAGE : OPENAI_FIELDS;
	for (const name of OPENAI_FIELDS.filter((field) => !supported.includes(field))) {
		if (given[name] === undefined) continue;
		if (!dropParams) {
			return refuse(
				400,
				`litellm.UnsupportedParamsError: Setting \`${name}\` is not supported by openai, ${model}. ` +
					`To drop it from the call, set \`litellm.drop_params = True\`.. Received Model Group=${model}\n` +
					'Available Model Group Fallbacks=None',
			);
		}
		delete given[name];
	}
	request.forwarded = given;
	return await responseFrom(given, [], tools);
}

async function edit(request: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	const { fields, files } = request;
	if (files.image && files['image[]']) {
		return detail(422, "Cannot specify both 'image' and 'image[]'");
	}
	if (fields.image) {
		return detail(422, "'image' must be provided as a multipart file upload, not a string.");
	}
	const given = Object.fromEntries(Object.entries(fields).map(([name, [text]]) => [name, text]));
	checkModel(given.model, '/images/edits', tools);
	const images = files.image ?? files['image[]'] ?? [];
	request.forwarded = { ...given, 'image[]': images.map(({ name }) => name) };
	const inputs = images.map((file) => file.bytes);
	return await responseFrom(given, inputs, tools);
}

function checkModel(asked: unknown, route: string, { options }: Tools): void {
	if (asked === options.model) return;
	throw refuse(
		400,
		`${route}: Invalid model name passed in model=${String(asked)}. ` +
			'Call `/v1/models` to view available models for your key.',
		'invalid_request_error',
	);
}

/** What the server behind the proxy makes of it, and what the proxy leaves of its response. */
async function responseFrom(
	given: Record<string, unknown>,
	inputs: Buffer[],
	tools: Tools,
): Promise<PlannedResponse> {
	const inputSize = inputs[0] && (await measure(inputs[0]));
	const size = parseSize(String(given.size ?? '')) ?? inputSize ?? { width: 1024, height: 1024 };
	const bytes = await tools.draw({
		...size,
		prompt: String(given.prompt ?? ''),
		seed: Number(given.seed ?? randomSeed()),
		steps: given.num_inference_steps as number | undefined,
		guidance: given.guidance_scale as number | undefined,
		negativePrompt: given.negative_prompt as string | undefined,
		inputs,
	});
	const image = { b64_json: null as string | null, url: null as string | null };
	if (given.response_format === 'url') {
		image.url = tools.keep(`/files/${randomUUID()}.png`, bytes);
	} else {
		image.b64_json = bytes.toString('base64');
	}
	return ok({
		created: now(),
		data: [{ ...image, revised_prompt: null }],
		size: given.size ?? '1024x1024',
		quality: given.quality ?? 'high',
		output_format: given.output_format ?? 'png',
		usage: { input_tokens: 0, output_tokens: 0, total_tokens: 0 },
	});
}
