import { randomInt } from 'node:crypto';
import { checkInputImage, IMAGE_NOT_TAKEN, INPUT_IMAGE_RULES } from './inputImage.cts';
import type { ParsedBody } from './requestBody.cts';
import {
	DOCUMENTED_MODELS,
	errorType,
	MAX_SEED,
	NOT_IN_STEP_PLAN,
	RULES,
	STEP_1X_EDIT_SIDES,
	STEP_2X_LARGE_SIZES,
	STEP_IMAGE_EDIT_2_SIZES,
	type FieldRule,
	type OperationRules,
	type Pixels,
} from './specification.cts';
import type { CheckedRequest, Operation, Problem, UploadedFile } from './types.cts';

type Value = string | number | boolean | UploadedFile;

/** A refusal with StepFun's error type for the status. */
export function problem(status: number, message: string): Problem {
	return { status, message, type: errorType(status) };
}

/** Whether a check ended in a refusal. */
export function isProblem(result: object): result is Problem {
	return 'status' in result && 'message' in result;
}

/** Where a request came in, and what is offered there. */
export interface Offer {
	models: readonly string[];
	isStepPlan: boolean;
}

/**
 * Judges an image request by every documented rule and fills in the defaults. What the documentation is silent about is
 * not refused: the result names it, and it has no effect.
 */
export async function checkRequest(
	operation: Operation,
	body: ParsedBody,
	offer: Offer,
): Promise<CheckedRequest | Problem> {
	if (offer.isStepPlan && NOT_IN_STEP_PLAN.operations.includes(operation)) {
		return problem(400, `${operation} is not offered in Step Plan`);
	}
	const wantedKind = operation === 'edit' ? 'multipart' : 'json';
	if (body.kind === 'unreadable') return problem(400, body.reason);
	if (body.kind !== wantedKind) {
		const wanted = wantedKind === 'json' ? 'application/json' : 'multipart/form-data';
		return problem(400, `Content-Type must be ${wanted}`);
	}
	const values = body.kind === 'json' ? jsonValues(body.value) : multipartValues(body.parts);
	if (isProblem(values)) return values;

	const model = values.get('model');
	if (model === undefined) return problem(400, "'model' is required");
	if (typeof model !== 'string') return problem(400, "'model' must be a string");
	if (!offer.models.includes(model)) return problem(400, `model '${model}' does not exist`);
	if (offer.isStepPlan && NOT_IN_STEP_PLAN.models.includes(model)) {
		return problem(400, `model '${model}' is not offered in Step Plan`);
	}
	if (!(DOCUMENTED_MODELS as readonly string[]).includes(model)) {
		return await takeUnchecked(operation, model, values);
	}
	const rules = RULES[model]?.[operation];
	if (rules === undefined) return problem(400, `model '${model}' is not allowed for ${operation}`);

	const wrong = checkFields(values, rules, body.kind === 'multipart');
	if (wrong !== undefined) return problem(400, wrong);
	const known = new Map([...values].filter(([name]) => Object.hasOwn(rules.fields, name)));
	const input = await readInput(known, INPUT_IMAGE_RULES[model]);
	if (typeof input === 'string') return problem(400, input);

	const request = withDefaults(operation, model, known, rules);
	const unknown = unknownFields(values, rules);
	return { ...request, ...pictureSize(request, input), input: input?.bytes, unknown };
}

/** What a request holds that the documentation neither allows nor forbids. */
function unknownFields(values: Map<string, Value>, { fields }: OperationRules): string[] {
	const unknown = [...values.keys()].filter((name) => !Object.hasOwn(fields, name));
	const wrapped = ['image', 'source_url'].filter((name) => {
		const value = values.get(name);
		return typeof value === 'string' && /[\r\n]/.test(value);
	});
	return [...unknown, ...wrapped.map((name) => `${name} (line breaks in Base64)`)];
}

function jsonValues(body: unknown): Map<string, Value> | Problem {
	if (typeof body !== 'object' || body === null || Array.isArray(body)) {
		return problem(400, 'The body must be a JSON object');
	}
	// The fields' own checks refuse null, arrays and objects.
	return new Map(Object.entries(body as Record<string, Value>));
}

function multipartValues(
	parts: Extract<ParsedBody, { kind: 'multipart' }>['parts'],
): Map<string, Value> | Problem {
	const values = new Map<string, Value>();
	for (const part of parts) {
		if (values.has(part.name)) return problem(400, `'${part.name}' was sent more than once`);
		values.set(part.name, 'file' in part ? part.file : part.text);
	}
	return values;
}

function checkFields(
	values: Map<string, Value>,
	rules: OperationRules,
	isMultipart: boolean,
): string | undefined {
	for (const [name, rule] of Object.entries(rules.fields)) {
		if (rule.required && !values.has(name)) return `'${name}' is required`;
	}
	for (const [name, value] of values) {
		if (!Object.hasOwn(rules.fields, name)) continue;
		const rule = rules.fields[name];
		const wrong = checkField(isMultipart ? typedFromText(value, rule) : value, rule);
		if (wrong !== undefined) return `'${name}' ${wrong}`;
	}
	return undefined;
}

/** In multipart everything is text; text that does not spell the wanted type stays text and fails. */
function typedFromText(value: Value, rule: FieldRule): Value {
	if (typeof value !== 'string') return value;
	if (rule.kind === 'integer' && /^-?\d+$/.test(value)) return Number(value);
	if (rule.kind === 'number' && /^-?\d+(\.\d+)?$/.test(value)) return Number(value);
	if (rule.kind === 'boolean' && /^(true|false)$/i.test(value)) {
		return value.toLowerCase() === 'true';
	}
	return value;
}

function checkField(value: Value, rule: FieldRule): string | undefined {
	switch (rule.kind) {
		case 'any-text':
			return typeof value === 'string' ? undefined : 'must be a string';
		case 'text': {
			if (typeof value !== 'string') return 'must be a string';
			const length = Array.from(value).length;
			if (length >= rule.min && length <= rule.max) return undefined;
			return `must have ${rule.min} to ${rule.max} characters, has ${length}`;
		}
		case 'integer':
			if (typeof value !== 'number' || !Number.isInteger(value)) return 'must be an integer';
			if (value >= rule.min && value <= rule.max) return undefined;
			return `must be from ${rule.min} to ${rule.max}`;
		case 'number':
			if (typeof value !== 'number') return 'must be a number';
			if (value < rule.min || value > rule.max || (rule.excludesMin && value === rule.min)) {
				return `must be ${rule.excludesMin ? 'above' : 'from'} ${rule.min} up to ${rule.max}`;
			}
			return undefined;
		case 'boolean':
			return typeof value === 'boolean' ? undefined : 'must be true or false';
		case 'choice':
			if (typeof value === 'string' && rule.of.includes(value)) return undefined;
			return `must be one of ${rule.of.join(', ')}`;
		case 'image':
			if (typeof value === 'object') return undefined;
			if (!rule.allowsBase64) return 'must be a file';
			return isBase64(value) ? undefined : 'must be a file or Base64';
		case 'source':
			if (typeof value === 'string' && /^(https?:\/\/|data:image\/)/.test(value)) return undefined;
			return 'must be a URL or data:image/...;base64,...';
		case 'unsupported':
			return 'is not supported';
	}
}

function isBase64(value: Value): boolean {
	if (typeof value !== 'string') return false;
	const characters = value.replace(/[\r\n]/g, '');
	if (characters.length === 0 || characters.length % 4 !== 0) return false;
	return /^[A-Za-z0-9+/]+={0,2}$/.test(characters);
}

async function readInput(
	values: Map<string, Value>,
	rules: (typeof INPUT_IMAGE_RULES)[string],
): Promise<(Pixels & { bytes: Buffer }) | string | undefined> {
	const bytes = await inputBytes(values);
	if (bytes === undefined || typeof bytes === 'string') return bytes;
	const pixels = await checkInputImage(bytes, rules);
	return typeof pixels === 'string' ? pixels : { ...pixels, bytes };
}

async function inputBytes(values: Map<string, Value>): Promise<Buffer | string | undefined> {
	const image = values.get('image');
	if (typeof image === 'object' && image !== null) return image.bytes;
	if (typeof image === 'string') return Buffer.from(image, 'base64');
	const source = values.get('source_url');
	if (typeof source !== 'string') return undefined;
	if (source.startsWith('data:')) {
		const [, base64] = /^data:image\/[a-z0-9.+-]+;base64,(.*)$/s.exec(source) ?? [];
		if (base64 === undefined || !isBase64(base64)) return "'source_url' holds no Base64";
		return Buffer.from(base64, 'base64');
	}
	try {
		const response = await fetch(source, { signal: AbortSignal.timeout(10_000) });
		return response.ok ? Buffer.from(await response.arrayBuffer()) : IMAGE_NOT_TAKEN;
	} catch {
		return IMAGE_NOT_TAKEN;
	}
}

function withDefaults(
	operation: Operation,
	model: string,
	values: Map<string, Value>,
	rules: OperationRules,
): Omit<CheckedRequest, 'width' | 'height' | 'input' | 'unknown'> {
	const { defaults } = rules;
	const seed = values.has('seed') ? Number(values.get('seed')) : undefined;
	const isRandom = seed === undefined || (seed === 0 && rules.zeroSeedIsRandom);
	const weight = values.get('source_weight');
	return {
		operation,
		model,
		prompt: String(values.get('prompt')),
		size: values.has('size') ? String(values.get('size')) : defaults.size,
		steps: Number(values.get('steps') ?? defaults.steps),
		cfgScale: Number(values.get('cfg_scale') ?? defaults.cfgScale),
		seed: isRandom ? randomInt(0, MAX_SEED + 1) : seed,
		responseFormat: values.get('response_format') === 'b64_json' ? 'b64_json' : 'url',
		textMode: String(values.get('text_mode')).toLowerCase() === 'true',
		negativePrompt: String(values.get('negative_prompt') ?? ''),
		...(weight === undefined ? {} : { sourceWeight: Number(weight) }),
	};
}

function pictureSize(
	{ operation, model, size = '' }: { operation: Operation; model: string; size?: string },
	input: Pixels | undefined,
): Pixels {
	if (model === 'step-2x-large') return STEP_2X_LARGE_SIZES[size];
	if (operation === 'generate' || input === undefined) return STEP_IMAGE_EDIT_2_SIZES[size];
	if (model === 'step-1x-edit') return sizeOfArea(STEP_1X_EDIT_SIDES[size], input);
	return { width: input.width, height: input.height };
}

/** The input's ratio at about the area of a square with this side, in steps of 8 as the model has. */
function sizeOfArea(side: number, { width, height }: Pixels): Pixels {
	const stretch = Math.sqrt(width / height);
	return {
		width: Math.round((side * stretch) / 8) * 8,
		height: Math.round(side / stretch / 8) * 8,
	};
}

/** A model that only this server offers: its parameters are its own business. */
async function takeUnchecked(
	operation: Operation,
	model: string,
	values: Map<string, Value>,
): Promise<CheckedRequest | Problem> {
	if (typeof values.get('prompt') !== 'string') return problem(400, "'prompt' is required");
	const input = await readInput(values, INPUT_IMAGE_RULES['step-image-edit-2']);
	if (typeof input === 'string') return problem(400, input);
	if (operation === 'edit' && input === undefined) return problem(400, "'image' is required");
	const noDefaults: OperationRules = {
		fields: {},
		defaults: { steps: 1, cfgScale: 1 },
		zeroSeedIsRandom: false,
	};
	const request = withDefaults(operation, model, values, noDefaults);
	const [, width, height] = /^(\d{2,4})x(\d{2,4})$/.exec(request.size ?? '') ?? [];
	const asked = width ? { width: Number(width), height: Number(height) } : undefined;
	const pixels = asked ?? input ?? { width: 1024, height: 1024 };
	const { width: drawnWidth, height: drawnHeight } = pixels;
	return { ...request, width: drawnWidth, height: drawnHeight, input: input?.bytes, unknown: [] };
}
