import { randomUUID } from 'node:crypto';
import { detail, validateForm, validateJson, type Fields, type Values } from './fastApi.cts';
import { measure, now, parseSize, randomSeed, uploads } from './pictures.cts';
import { ok } from './responses.cts';
import type { Simulation, PlannedResponse, Tools } from './types.cts';

// LightX2V's OpenAI-compatible images, written after ModelTC/LightX2V at f8aee98b (21 August 2026):
//   lightx2v/server/api/openai_images.py, router.py (there is no /v1/models), lightx2v/server/schema.py (a random
//   seed where none is sent), server.py (one task after the other; a client that left cancels its task).
// The size of a picture where none is sent comes from the model's configuration; 1328x1328, as Qwen-Image's, is
// assumed. Not confirmed: that sizes are drawn exactly, since a model may round them.

const GENERATE: Fields = {
	prompt: { type: 'string', required: true },
	model: { type: 'string' },
	n: { type: 'integer', notNull: true },
	size: { type: 'string' },
	response_format: { type: 'string', notNull: true, of: ['b64_json'] },
	user: { type: 'string' },
	seed: { type: 'integer' },
};

const EDIT: Fields = {
	prompt: { type: 'string', required: true },
	model: { type: 'string' },
	n: { type: 'integer' },
	size: { type: 'string' },
	response_format: { type: 'string', of: ['url', 'b64_json'] },
	user: { type: 'string' },
	negative_prompt: { type: 'string' },
	seed: { type: 'integer' },
	i2i_denoise_strength: { type: 'number' },
};

/** Simulates `python -m lightx2v.server --model_cls qwen_image ...`. */
export const lightX2V: Simulation = {
	defaultModel: 'qwen_image',
	oneAtATime: true,
	stopsWithClient: true,
	routes: {
		async 'POST /v1/images/generations'(request, tools) {
			return await draw(validateJson(request, GENERATE), [], 'b64_json', tools);
		},
		async 'POST /v1/images/edits'(request, tools) {
			const values = validateForm(request, EDIT);
			const responseFormat = String(values.response_format ?? 'url');
			return await draw(values, uploads(request, 'image', 'image[]'), responseFormat, tools, true);
		},
	},
	notFound: () => detail(404, 'Not Found'),
};

async function draw(
	values: Values,
	inputs: Buffer[],
	responseFormat: string,
	tools: Tools,
	isEdit = false,
): Promise<PlannedResponse> {
	if (Number(values.n ?? 1) !== 1) return detail(400, 'Only n=1 is currently supported');
	if (String(values.prompt).trim() === '') return detail(400, 'prompt is required');
	const sizeText = values.size === undefined ? '' : String(values.size);
	const size = parseSize(sizeText);
	if (sizeText !== '' && size === undefined) {
		return detail(400, 'size must be in WxH format, e.g. 1024x1024');
	}
	if (isEdit && inputs.length === 0) return detail(400, 'At least one image is required');
	const inputSize = isEdit ? await measure(inputs[0]) : { width: 1328, height: 1328 };
	if (inputSize === undefined) return detail(500, 'cannot identify image file');
	const bytes = await tools.draw({
		...(size ?? inputSize),
		prompt: String(values.prompt),
		seed: Number(values.seed ?? randomSeed()),
		negativePrompt: values.negative_prompt as string | undefined,
		inputs,
	});
	const image =
		responseFormat === 'url'
			? { url: tools.keep(`/v1/files/download/${randomUUID()}.png`, bytes) }
			: { b64_json: bytes.toString('base64') };
	const told = { output_format: 'png', size: sizeText || null, usage: null };
	return ok({ created: now(), data: [image], ...told });
}
