import { randomUUID } from 'node:crypto';
import {
	detail,
	unprocessable,
	validateForm,
	validateJson,
	type Fields,
	type Values,
} from './fast-api.cts';
import { measure, now, parseSize, randomSeed } from './pictures.cts';
import type { Answer, Imitation, ReceivedRequest, Tools } from './types.cts';

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

/** Imitates `python -m lightx2v.server --model_cls qwen_image ...`. */
export const lightX2V: Imitation = {
	basePath: '/v1',
	defaultModel: 'qwen_image',
	oneAtATime: true,
	stopsWithClient: true,
	async answer(request, tools) {
		switch (`${request.method} ${request.path}`) {
			case 'POST /v1/images/generations': {
				const checked = validateJson(request, GENERATE);
				if ('errors' in checked) return unprocessable(checked.errors);
				return await draw(checked.values, [], 'b64_json', tools);
			}
			case 'POST /v1/images/edits':
				return await edit(request, tools);
			default:
				return detail(404, 'Not Found');
		}
	},
};

async function edit(request: ReceivedRequest, tools: Tools): Promise<Answer> {
	const checked = validateForm(request, EDIT);
	if ('errors' in checked) return unprocessable(checked.errors);
	const { values } = checked;
	const files = request.files.image ?? request.files['image[]'] ?? [];
	return await draw(
		values,
		files.map((file) => file.bytes),
		String(values.response_format ?? 'url'),
		tools,
		true,
	);
}

async function draw(
	values: Values,
	inputs: Buffer[],
	answerAs: string,
	{ draw: drawOne, keep, origin }: Tools,
	isEdit = false,
): Promise<Answer> {
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
	const bytes = await drawOne({
		...(size ?? inputSize),
		prompt: String(values.prompt),
		seed: Number(values.seed ?? randomSeed()),
		negativePrompt: values.negative_prompt as string | undefined,
		inputs,
	});
	let image: object = { b64_json: bytes.toString('base64') };
	if (answerAs === 'url') {
		const path = `/v1/files/download/${randomUUID()}.png`;
		keep(path, bytes, 'image/png');
		image = { url: `${origin}${path}` };
	}
	return {
		status: 200,
		body: {
			created: now(),
			data: [image],
			output_format: 'png',
			size: sizeText || null,
			usage: null,
		},
	};
}
