/**
 * The servers that answer on StepFun's paths, `/images/generations` and `/images/edits`, and how each of them wants to
 * be asked. Everything that differs between them stands here: a new server is one new entry.
 *
 * Sources, read in November 2026: the source of vLLM-Omni (entrypoints/openai, protocol/images.py), SGLang
 * (multimodal_gen/runtime/entrypoints/openai/image_api.py), stable-diffusion.cpp (examples/server/routes_openai.cpp,
 * examples/common) and LocalAI (core/http/endpoints/openai/image.go); OpenAI's API reference.
 */

/** The settings that servers call by different names, by StepFun's own. */
export const SETTINGS = ['steps', 'cfg_scale', 'seed', 'negative_prompt', 'text_mode'] as const;

export type Setting = (typeof SETTINGS)[number];

/** Where a setting goes: into a field of the body, or several where models of one server read different ones. */
type SettingCarrier = readonly string[];

export interface ServerFormat {
	value: 'stepfun' | 'openai' | 'vllmOmni' | 'sglang' | 'stableDiffusionCpp' | 'localAi';
	name: string;
	description: string;
	/** StepFun counts some sizes height first; everybody else counts width first. */
	sizeNotation: 'asModel' | 'widthFirst';
	/** What each setting is called; one that is missing cannot be sent. Paths with dots are nested objects. */
	settings: Partial<Record<Setting, SettingCarrier>>;
	/** Settings that travel inside the prompt, behind it and around them these marks. */
	promptSettings?: {
		/** `json` is an object of the settings, `text` is the one setting's own text. */
		as: 'json' | 'text';
		before: string;
		after: string;
		settings: Partial<Record<Setting, SettingCarrier>>;
	};
	/** The values of `response_format` that the server takes; without any, the field is not sent. */
	responseFormats: ReadonlyArray<'b64_json' | 'url'>;
	/** Whether an answer may hold a link, absolute or relative to the server. */
	hasLinks: boolean;
	/** Whether there is an `/images/edits` that takes multipart/form-data. */
	hasEdits: boolean;
	/** Whether the seed that was used stands in the answer. */
	echoesSeed: boolean;
	/** Whether a seed must always be sent, since the server draws the same one each time or tells none. */
	needsSeed: boolean;
	/** How many requests the server works on at once, as people start it; the credential can say otherwise. */
	concurrentRequests: number;
	/** Whether a server of this kind may well have no `/models`. */
	mayLackModels: boolean;
}

export const SERVER_FORMATS: readonly ServerFormat[] = [
	{
		value: 'stepfun',
		name: 'StepFun',
		description: "A gateway that passes StepFun's own fields through",
		sizeNotation: 'asModel',
		settings: {
			steps: ['steps'],
			cfg_scale: ['cfg_scale'],
			seed: ['seed'],
			negative_prompt: ['negative_prompt'],
			text_mode: ['text_mode'],
		},
		responseFormats: ['b64_json', 'url'],
		hasLinks: true,
		hasEdits: true,
		echoesSeed: true,
		needsSeed: false,
		concurrentRequests: 5,
		mayLackModels: false,
	},
	{
		value: 'openai',
		name: 'OpenAI-Compatible',
		description:
			'OpenAI, LiteLLM and other servers and relays: sends model, prompt, size and a seed if you set one; everything else goes into Additional Body Fields',
		sizeNotation: 'widthFirst',
		settings: { seed: ['seed'] },
		responseFormats: [],
		hasLinks: true,
		hasEdits: true,
		echoesSeed: false,
		needsSeed: false,
		concurrentRequests: 5,
		mayLackModels: true,
	},
	{
		value: 'vllmOmni',
		name: 'vLLM-Omni',
		description: "Serves StepFun's open NextStep-1.1, Qwen-Image and others",
		sizeNotation: 'widthFirst',
		settings: {
			steps: ['num_inference_steps'],
			// NextStep reads the one, Qwen-Image the other; each passes over what it does not know.
			cfg_scale: ['guidance_scale', 'true_cfg_scale'],
			seed: ['seed'],
			negative_prompt: ['negative_prompt'],
		},
		responseFormats: ['b64_json'],
		hasLinks: false,
		hasEdits: true,
		echoesSeed: false,
		needsSeed: true,
		concurrentRequests: 1,
		mayLackModels: false,
	},
	{
		value: 'sglang',
		name: 'SGLang',
		description: 'SGLang Diffusion',
		sizeNotation: 'widthFirst',
		settings: {
			steps: ['num_inference_steps'],
			cfg_scale: ['guidance_scale', 'true_cfg_scale'],
			seed: ['seed'],
			negative_prompt: ['negative_prompt'],
		},
		responseFormats: ['b64_json', 'url'],
		hasLinks: true,
		hasEdits: true,
		echoesSeed: false,
		needsSeed: true,
		concurrentRequests: 1,
		mayLackModels: false,
	},
	{
		value: 'stableDiffusionCpp',
		name: 'stable-diffusion.cpp',
		description: 'The server of stable-diffusion.cpp, which generates one image at a time',
		sizeNotation: 'widthFirst',
		settings: {},
		promptSettings: {
			as: 'json',
			before: '<sd_cpp_extra_args>',
			after: '</sd_cpp_extra_args>',
			settings: {
				// Releases read these in different places, and pass over the others.
				steps: ['steps', 'sample_params.sample_steps'],
				cfg_scale: ['cfg_scale', 'sample_params.guidance.txt_cfg'],
				seed: ['seed'],
				negative_prompt: ['negative_prompt'],
			},
		},
		responseFormats: [],
		hasLinks: false,
		hasEdits: true,
		echoesSeed: false,
		needsSeed: true,
		concurrentRequests: 1,
		mayLackModels: true,
	},
	{
		value: 'localAi',
		name: 'LocalAI',
		description: 'LocalAI, which generates only',
		sizeNotation: 'widthFirst',
		settings: { steps: ['step'], seed: ['seed'] },
		// What follows this mark in the prompt is the negative prompt.
		promptSettings: {
			as: 'text',
			before: '|',
			after: '',
			settings: { negative_prompt: ['negative_prompt'] },
		},
		responseFormats: ['b64_json', 'url'],
		hasLinks: true,
		hasEdits: false,
		echoesSeed: false,
		needsSeed: true,
		concurrentRequests: 1,
		mayLackModels: false,
	},
];

/** How StepFun's own services are asked, and a custom server of which nothing else is said. */
export const [STEPFUN_FORMAT] = SERVER_FORMATS;

/**
 * The format of a credential; StepFun's own for a value that is none.
 *
 * @param value the credential's field
 */
export function findServerFormat(value: unknown): ServerFormat {
	return SERVER_FORMATS.find((format) => format.value === value) ?? STEPFUN_FORMAT;
}
