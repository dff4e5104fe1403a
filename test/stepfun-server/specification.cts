import type { Operation } from './types.cts';

/** What StepFun documents about one parameter. */
export type FieldRule = { required?: boolean } & (
	| { kind: 'text'; min: number; max: number }
	| { kind: 'any-text' }
	| { kind: 'integer'; min: number; max: number }
	| { kind: 'number'; min: number; max: number; excludesMin?: boolean }
	| { kind: 'boolean' }
	| { kind: 'choice'; of: readonly string[] }
	| { kind: 'image'; allowsBase64: boolean }
	| { kind: 'source' }
	/** Documented as not supported, so sending it is an error. */
	| { kind: 'unsupported' }
);

export interface Pixels {
	width: number;
	height: number;
}

export interface OperationRules {
	fields: Record<string, FieldRule>;
	defaults: { size?: string; steps: number; cfgScale: number };
	/** A seed of 0 asks for a random one. */
	zeroSeedIsRandom: boolean;
}

/** What the page of Step Plan says gets a 400 there. */
export const NOT_IN_STEP_PLAN = {
	models: ['step-2x-large'] as readonly string[],
	operations: ['image2image'] as readonly Operation[],
};

export const DOCUMENTED_MODELS = ['step-image-edit-2', 'step-1x-edit', 'step-2x-large'] as const;

/** Yuan per image. StepFun no longer lists a price for step-1x-edit; it is charged like its successor. */
export const PRICES: Record<string, number> = {
	'step-image-edit-2': 0.02,
	'step-1x-edit': 0.02,
	'step-2x-large': 0.1,
};

export const MAX_SEED = 2147483647;

/** step-image-edit-2 names its sizes height first, so 768x1360 is a landscape picture. */
export const STEP_IMAGE_EDIT_2_SIZES: Record<string, Pixels> = {
	'1024x1024': { width: 1024, height: 1024 },
	'768x1360': { width: 1360, height: 768 },
	'896x1184': { width: 1184, height: 896 },
	'1360x768': { width: 768, height: 1360 },
	'1184x896': { width: 896, height: 1184 },
};

/** step-2x-large names its sizes width first. */
export const STEP_2X_LARGE_SIZES: Record<string, Pixels> = {
	'256x256': { width: 256, height: 256 },
	'512x512': { width: 512, height: 512 },
	'768x768': { width: 768, height: 768 },
	'1024x1024': { width: 1024, height: 1024 },
	'1280x800': { width: 1280, height: 800 },
	'800x1280': { width: 800, height: 1280 },
};

/** Side of the square whose area the result of step-1x-edit has. */
export const STEP_1X_EDIT_SIDES: Record<string, number> = {
	'512x512': 512,
	'768x768': 768,
	'1024x1024': 1024,
};

const seed: FieldRule = { kind: 'integer', min: 0, max: MAX_SEED };
const steps: FieldRule = { kind: 'integer', min: 1, max: 50 };
const cfg_scale: FieldRule = { kind: 'number', min: 1, max: 10 };
const response_format: FieldRule = { kind: 'choice', of: ['b64_json', 'url'] };
const model: FieldRule = { kind: 'any-text', required: true };
const prompt: FieldRule = { kind: 'text', min: 1, max: 512, required: true };
const onlyOne: FieldRule = { kind: 'integer', min: 1, max: 1 };
const negative_prompt: FieldRule = { kind: 'text', min: 0, max: 512 };
const text_mode: FieldRule = { kind: 'boolean' };
const unsupported: FieldRule = { kind: 'unsupported' };

function choiceOf(sizes: object): FieldRule {
	return { kind: 'choice', of: Object.keys(sizes) };
}

/**
 * The documented operations of each model with their parameters. An operation that is absent is refused. A parameter
 * that is absent is one that the documentation says nothing about: it has no effect.
 */
export const RULES: Record<string, Partial<Record<Operation, OperationRules>>> = {
	'step-image-edit-2': {
		generate: {
			fields: {
				model,
				prompt,
				size: choiceOf(STEP_IMAGE_EDIT_2_SIZES),
				steps,
				cfg_scale,
				seed,
				negative_prompt,
				text_mode,
				response_format,
				n: onlyOne,
			},
			defaults: { size: '1024x1024', steps: 8, cfgScale: 1 },
			zeroSeedIsRandom: false,
		},
		edit: {
			fields: {
				model,
				prompt,
				image: { kind: 'image', allowsBase64: true, required: true },
				// Documented to have no effect here, so its value is not judged.
				size: { kind: 'any-text' },
				steps,
				cfg_scale,
				seed,
				negative_prompt,
				text_mode,
				response_format,
			},
			defaults: { steps: 8, cfgScale: 1 },
			zeroSeedIsRandom: false,
		},
	},
	'step-1x-edit': {
		edit: {
			fields: {
				model,
				prompt,
				image: { kind: 'image', allowsBase64: false, required: true },
				size: choiceOf(STEP_1X_EDIT_SIDES),
				steps,
				cfg_scale,
				seed,
				response_format,
				negative_prompt: unsupported,
				text_mode: unsupported,
			},
			defaults: { size: '512x512', steps: 28, cfgScale: 6 },
			zeroSeedIsRandom: true,
		},
	},
	'step-2x-large': {
		generate: {
			fields: {
				model,
				prompt,
				size: choiceOf(STEP_2X_LARGE_SIZES),
				steps,
				cfg_scale,
				seed,
				response_format,
				n: onlyOne,
				negative_prompt: unsupported,
				text_mode: unsupported,
			},
			defaults: { size: '1024x1024', steps: 50, cfgScale: 6 },
			zeroSeedIsRandom: true,
		},
		image2image: {
			fields: {
				model,
				prompt: { kind: 'text', min: 1, max: 1024, required: true },
				source_url: { kind: 'source', required: true },
				source_weight: { kind: 'number', min: 0, max: 1, excludesMin: true, required: true },
				size: choiceOf(STEP_2X_LARGE_SIZES),
				steps: { kind: 'integer', min: 1, max: 100 },
				cfg_scale,
				seed,
				response_format,
				negative_prompt: unsupported,
				text_mode: unsupported,
			},
			defaults: { size: '1024x1024', steps: 50, cfgScale: 6 },
			zeroSeedIsRandom: true,
		},
	},
};

const ERROR_TYPES: Record<number, string> = {
	400: 'request_params_invalid',
	401: 'invalid_api_key',
	402: 'insufficient_balance',
	404: 'not_found',
	429: 'rate_limit_exceeded',
	451: 'censorship_blocked',
	500: 'internal_error',
	503: 'server_overloaded',
	504: 'gateway_timeout',
};

/** The `type` in an error with this status. */
export function errorType(status: number): string {
	return ERROR_TYPES[status] ?? 'error';
}
