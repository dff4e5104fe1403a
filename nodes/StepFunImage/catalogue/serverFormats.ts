/**
 * The servers that accept requests on StepFun's paths, `/images/generations` and `/images/edits`, and everything in
 * which their requests and responses differ. To add a server, add one entry.
 *
 * Sources, read in November 2026: the source of vLLM-Omni (entrypoints/openai, protocol/images.py), SGLang
 * (multimodal_gen/runtime/entrypoints/openai/image_api.py), stable-diffusion.cpp (examples/server/routes_openai.cpp,
 * examples/common) and LocalAI (core/http/endpoints/openai/image.go); OpenAI's API reference.
 */

import { OPERATIONS, type Operation } from './models';

/** The fields of a request that have the same name on all servers that read them. */
export const COMMON_FIELDS = ['model', 'prompt', 'size', 'response_format'];

/**
 * The server's fields for each of StepFun's: several if models read different ones. A path with dots names a nested
 * object.
 */
type FieldNames = Partial<Record<string, readonly string[]>>;

export interface ServerFormat {
	value: string;
	name: string;
	description: string;
	/**
	 * Whether the server passes requests on to StepFun, so that it reads all of StepFun's fields, and the catalogue's
	 * limits apply. StepFun writes some sizes with the height first; all other servers write the width first.
	 */
	hasStepFunModels: boolean;
	operations: readonly Operation[];
	/** The settings that the server reads from the body. The node refuses all others, unless StepFun serves the models. */
	settings: FieldNames;
	/** Settings that the node appends to the prompt, between two marks. */
	promptSettings?: {
		/** `json` appends an object with the settings, `text` appends the text of the only setting. */
		as: 'json' | 'text';
		before: string;
		after: string;
		settings: FieldNames;
		/** The only fields that the server reads from the body. If given, all additional fields go into the prompt too. */
		bodyFields?: readonly string[];
	};
	/** The values of `response_format` that the server accepts. If there are none, the node does not send the field. */
	responseFormats: ReadonlyArray<'b64_json' | 'url'>;
	/** Whether a response may contain a link, absolute or relative to the server. */
	hasLinks: boolean;
	/** Whether the node must send a seed, because the server uses the same one each time or does not return it. */
	needsSeed: boolean;
	/**
	 * How many retries may follow tries that may have been charged. Other servers continue with an image after the client
	 * has disconnected, so a retry only lengthens their queue.
	 */
	maxPaidRetries: number;
	/** How many requests the server processes at once by default. The credential can override it. */
	concurrentRequests: number;
	/** Whether servers of this kind may lack `/models`. */
	mayLackModels: boolean;
}

/** What most servers other than StepFun's have in common. */
const COMMON = {
	hasStepFunModels: false,
	operations: ['generate', 'edit'],
	responseFormats: ['b64_json', 'url'],
	hasLinks: true,
	needsSeed: true,
	maxPaidRetries: 0,
	concurrentRequests: 1,
	mayLackModels: false,
} as const;

/** The names of the settings in Diffusers, which vLLM-Omni and SGLang use. */
const DIFFUSERS_SETTINGS: FieldNames = {
	steps: ['num_inference_steps'],
	// NextStep reads the first, Qwen-Image the second, and each ignores the other.
	cfg_scale: ['guidance_scale', 'true_cfg_scale'],
	seed: ['seed'],
	negative_prompt: ['negative_prompt'],
};

export const SERVER_FORMATS: readonly ServerFormat[] = [
	{
		...COMMON,
		value: 'stepfun',
		name: 'StepFun',
		description: "A gateway that passes StepFun's own fields through",
		hasStepFunModels: true,
		operations: OPERATIONS,
		settings: {},
		needsSeed: false,
		maxPaidRetries: 1,
		concurrentRequests: 5,
	},
	{
		...COMMON,
		value: 'openai',
		name: 'OpenAI-Compatible',
		description:
			"OpenAI, LiteLLM, and other servers and relays. Sends the model, the prompt, the size and, if you set one, the seed. Put everything else into the node's Additional Body Fields.",
		settings: { seed: ['seed'] },
		responseFormats: [],
		needsSeed: false,
		concurrentRequests: 5,
		mayLackModels: true,
	},
	{
		...COMMON,
		value: 'vllmOmni',
		name: 'vLLM-Omni',
		description: "Serves StepFun's open NextStep-1.1, Qwen-Image and others",
		settings: DIFFUSERS_SETTINGS,
		responseFormats: ['b64_json'],
		hasLinks: false,
	},
	{
		...COMMON,
		value: 'sglang',
		name: 'SGLang',
		description: 'SGLang Diffusion, which serves Qwen-Image, FLUX and others',
		settings: DIFFUSERS_SETTINGS,
	},
	{
		...COMMON,
		value: 'stableDiffusionCpp',
		name: 'stable-diffusion.cpp',
		description: 'The server of stable-diffusion.cpp, which generates one image at a time',
		settings: {},
		promptSettings: {
			as: 'json',
			before: '<sd_cpp_extra_args>',
			after: '</sd_cpp_extra_args>',
			settings: {
				// Releases read these settings in different places and ignore the other places.
				steps: ['steps', 'sample_params.sample_steps'],
				cfg_scale: ['cfg_scale', 'sample_params.guidance.txt_cfg'],
				seed: ['seed'],
				negative_prompt: ['negative_prompt'],
			},
			bodyFields: ['model', 'prompt', 'n', 'size', 'output_format', 'output_compression'],
		},
		responseFormats: [],
		hasLinks: false,
		mayLackModels: true,
	},
	{
		...COMMON,
		value: 'localAi',
		name: 'LocalAI',
		description: 'LocalAI, which can generate images but not edit them',
		settings: { steps: ['step'], seed: ['seed'] },
		// LocalAI reads the text after this mark as the negative prompt.
		promptSettings: {
			as: 'text',
			before: '|',
			after: '',
			settings: { negative_prompt: ['negative_prompt'] },
		},
		operations: ['generate'],
	},
];

/** The format of StepFun's own services, and the default for custom servers. */
export const [STEPFUN_FORMAT] = SERVER_FORMATS;

/** Finds the format of a credential by its field. An unknown value gives StepFun's own format. */
export function findServerFormat(value: unknown): ServerFormat {
	return SERVER_FORMATS.find((format) => format.value === value) ?? STEPFUN_FORMAT;
}
