import { randomBytes, randomUUID } from 'node:crypto';
import { now, randomSeed } from './pictures.cts';
import { modelList, ok, Refusal } from './responses.cts';
import type { Simulation, PlannedResponse, ReceivedRequest, Tools } from './types.cts';

// LocalAI's image API, written after mudler/LocalAI at 82c191af (22 August 2026, after v4.9.0):
//   core/http/endpoints/openai/image.go, core/http/middleware/request.go, core/http/routes/openai.go (no
//   /images/edits), core/schema/openai.go (`step`), core/http/app.go and render.go (errors), core/http/auth/middleware.go.
// `older` refuses an unknown model with 500 instead of 404, as releases before that check did.
// An input picture goes as Base64 in `file`, `files` or `ref_images` of a generation, which this simulation takes.
// Not confirmed: the texts that Go's JSON decoder gives for a value of another type, and how many pictures one model
// draws at a time.

const TYPES: Record<string, string> = {
	model: 'string',
	size: 'string',
	n: 'integer',
	step: 'integer',
	seed: 'integer',
	file: 'string',
};

function refuse(code: number, message: string, type = '', headers = {}): Refusal {
	return new Refusal(code, { error: { code, message, type } }, headers);
}

/** Simulates `local-ai run flux.1-dev-ggml`. */
export const localAi: Simulation = {
	defaultModel: 'flux.1-dev-ggml',
	oneAtATime: false,
	stopsWithClient: true,
	check(request, { key }) {
		if (key === undefined || request.key === key) return;
		const headers = { 'WWW-Authenticate': 'Bearer' };
		throw refuse(401, 'An authentication key is required', 'invalid_request_error', headers);
	},
	routes: {
		'GET /v1/models': (_request, { options: { model: id } }) => modelList({ id, object: 'model' }),
		'POST /v1/images/generations': generate,
	},
	notFound: () => refuse(404, 'Resource not found'),
};

async function generate({ json }: ReceivedRequest, tools: Tools): Promise<PlannedResponse> {
	if (typeof json !== 'object' || json === null) {
		return refuse(400, 'code=400, message=failed parsing request body');
	}
	const given = json as Record<string, unknown>;
	for (const [name, type] of Object.entries(TYPES)) {
		const value = given[name];
		const fits = type === 'integer' ? Number.isInteger(value) : typeof value === type;
		if (value === undefined || value === null || fits) continue;
		const field = `${name} of type ${type === 'integer' ? 'int' : type}`;
		return refuse(
			400,
			`code=400, message=failed parsing request body: json: cannot unmarshal ${typeof value} into Go struct field OpenAIRequest.${field}`,
		);
	}
	checkModel(given.model, tools);

	let sizeText = String(given.size ?? '');
	if (!sizeText.includes('x')) sizeText = '512x512';
	const sides = sizeText.split('x');
	if (sides.length !== 2 || sides.some((side) => !/^[-+]?\d+$/.test(side))) {
		return refuse(500, "invalid value for 'size'");
	}
	// What stands behind a second bar is lost.
	const [prompt, negativePrompt = ''] = String(given.prompt ?? '').split('|');
	const data: object[] = [];
	for (let index = 0; index < (Number(given.n ?? 0) || 1); index++) {
		const bytes = await tools.draw({
			prompt,
			negativePrompt,
			width: Number(sides[0]),
			height: Number(sides[1]),
			seed: isAsked(given.seed) ? Number(given.seed) : randomSeed(),
			steps: Number(given.step ?? 0) || 15,
			inputs: [given.file, given.files, given.ref_images]
				.flat()
				.filter((input) => typeof input === 'string')
				.map((input) => Buffer.from(input, 'base64')),
		});
		const path = `/generated-images/b64${randomBytes(5).readUIntBE(0, 5)}.png`;
		data.push(
			given.response_format === 'b64_json'
				? { b64_json: bytes.toString('base64') }
				: { url: tools.keep(path, bytes) },
		);
	}
	const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
	return ok({ created: now(), id: randomUUID(), data, usage });
}

/** -1 asks for a random seed. */
function isAsked(seed: unknown): boolean {
	return typeof seed === 'number' && seed !== -1;
}

function checkModel(asked: unknown, { options }: Tools): void {
	const model = String(asked ?? '');
	// Without one, the first model that makes images is taken.
	if (model === '' || model === options.model) return;
	if (options.older || model.includes('/')) {
		throw refuse(500, `could not load model: rpc error: code = Unknown desc = model ${model}`);
	}
	const message = `model "${model}" not found. To see available models, call GET /v1/models`;
	throw refuse(404, message, 'invalid_request_error');
}
