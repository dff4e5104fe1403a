import { now, measure, parseSize, randomSeed } from './pictures.cts';
import { modelList, ok, Refusal } from './responses.cts';
import type { Simulation, PlannedResponse, ReceivedRequest, Tools } from './types.cts';

// Ollama's OpenAI-compatible images, written after ollama/ollama, middleware/openai.go at 077a50ba and openai/openai.go.
// The endpoints were experimental, from v0.14.3 on, and are gone since v0.32.6 (issue 17893 calls it temporary; the
// source of v0.33.0-rc2 has none). `older`, the default, has them; `older: false` responds with 404 as the newer ones do.
// An edit is JSON with the picture as a data: URI. n and response_format are read and not used.
// Not confirmed: the size of a picture where none is sent, and whether a client that left stops one.

function refuse(status: number, message: string): Refusal {
	const type = status === 400 ? 'invalid_request_error' : 'not_found_error';
	return new Refusal(status, { error: { message, type, param: null, code: null } });
}

/** Simulates `ollama serve` with an image model. */
export const ollama: Simulation = {
	defaultModel: 'x/z-image-turbo',
	oneAtATime: true,
	stopsWithClient: true,
	routes: {
		'GET /v1/models': (_request, { options: { model: id } }) =>
			modelList({ id, object: 'model', created: now(), owned_by: 'library' }),
		'POST /v1/images/generations': async (request, tools) =>
			await respondWithImage(request, false, tools),
		'POST /v1/images/edits': async (request, tools) => await respondWithImage(request, true, tools),
	},
	notFound,
};

function notFound(): Refusal {
	return new Refusal(404, '404 page not found');
}

async function respondWithImage(
	request: ReceivedRequest,
	isEdit: boolean,
	tools: Tools,
): Promise<PlannedResponse> {
	if (tools.options.older === false) return notFound();
	let given: Record<string, unknown>;
	try {
		// The content type is not looked at; a form is not JSON.
		given = JSON.parse(request.rawBody.toString()) as Record<string, unknown>;
	} catch {
		return refuse(400, "invalid character '-' in numeric literal");
	}
	for (const name of isEdit ? ['prompt', 'model', 'image'] : ['prompt', 'model']) {
		if (!given[name]) return refuse(400, `${name} is required`);
	}
	const inputs: Buffer[] = [];
	if (isEdit) {
		const image = String(given.image);
		if (/^https?:/.test(image)) {
			const advice = 'please use base64 encoded data instead';
			return refuse(400, `invalid image: image URLs are not currently supported, ${advice}`);
		}
		const base64 = /^data:(?:image\/(?:jpeg|jpg|png|webp))?;base64,(.+)$/s.exec(image)?.[1];
		if (base64 === undefined) return refuse(400, 'invalid image: invalid image input');
		inputs.push(Buffer.from(base64, 'base64'));
	}
	if (given.model !== tools.options.model) {
		return refuse(404, `model '${String(given.model)}' not found`);
	}
	const inputSize = inputs[0] && (await measure(inputs[0]));
	const bytes = await tools.draw({
		...(parseSize(String(given.size ?? '')) ?? inputSize ?? { width: 1024, height: 1024 }),
		prompt: String(given.prompt),
		seed: Number(given.seed ?? randomSeed()),
		inputs,
	});
	return ok({ created: now(), data: [{ b64_json: bytes.toString('base64') }] });
}
