import type { INodeProperties } from 'n8n-workflow';

import { MAX_IMAGES_PER_INPUT, MAX_TRIES_LIMIT, RETRY_DEFAULTS } from '../catalogue/defaults';
import {
	MODELS,
	modelsFor,
	OPERATIONS,
	SEED_RANGE,
	type ModelCapabilities,
} from '../catalogue/models';
import { limitsInWords } from './limitsInWords';
import { showFor } from './showFor';

const [{ capabilities: recommended }] = modelsFor('generate');

/** `8 for step-image-edit-2, 50 for step-2x-large`: what the service uses when a field is not sent. */
function defaultsInWords(field: 'steps' | 'cfgScale'): string {
	return MODELS.map(({ id, operations }) => {
		const [capabilities] = Object.values(operations);
		return `${capabilities[field].default} for ${id}`;
	}).join(', ');
}

/** The models that have something, by their IDs. */
function modelsWhere(has: (capabilities: ModelCapabilities) => unknown): string {
	return MODELS.filter(({ operations }) => Object.values(operations).some(has))
		.map(({ id }) => id)
		.join(', ');
}

const defaultSteps = recommended.steps.default;
const defaultCfgScale = recommended.cfgScale.default;
const ignoredAtCfgScale = recommended.negativePrompt?.ignoredAtCfgScale;

// One Options collection, whose entries no model hides: n8n deletes the value of a hidden entry when the model or the
// operation changes. What a model does not have is refused before anything is sent.
const CREATIVE_OPTIONS: INodeProperties[] = [
	{
		displayName: 'Negative Prompt',
		name: 'negativePrompt',
		type: 'string',
		typeOptions: { rows: 2 },
		default: '',
		placeholder: 'e.g. blurry, watermark, extra fingers',
		description: `What the image should not show. Only for ${modelsWhere(({ negativePrompt }) => negativePrompt)}, and only while CFG Scale is above ${ignoredAtCfgScale}.`,
		routing: { send: { type: 'body', property: 'negative_prompt' } },
	},
	{
		displayName: 'Text Mode',
		name: 'textMode',
		type: 'boolean',
		default: true,
		description: `Whether to optimize for lettering in the picture. Put the words that should appear in quotes in the prompt. Only for ${modelsWhere(({ textMode }) => textMode)}.`,
		routing: { send: { type: 'body', property: 'text_mode' } },
	},
	{
		displayName: 'Number of Images',
		name: 'numberOfImages',
		type: 'number',
		typeOptions: { minValue: 1, maxValue: MAX_IMAGES_PER_INPUT, numberPrecision: 0 },
		default: 4,
		description: `How many variations to make of each item, 1 to ${MAX_IMAGES_PER_INPUT}. Each is a separate request and is charged. With a seed, they use the seed, the seed plus 1 and so on; without one, each is random.`,
	},
	{
		displayName: 'Seed',
		name: 'seed',
		type: 'number',
		typeOptions: { minValue: SEED_RANGE.min, maxValue: SEED_RANGE.max, numberPrecision: 0 },
		default: 1,
		description: `Starting value of the image, ${SEED_RANGE.min} to ${SEED_RANGE.max}. The same seed with the same settings gives a similar image. For ${modelsWhere(({ seedZeroIsRandom }) => seedZeroIsRandom)}, 0 means a random seed.`,
		routing: { send: { type: 'body', property: 'seed' } },
	},
	{
		displayName: 'Steps',
		name: 'steps',
		type: 'number',
		typeOptions: { minValue: 1, numberPrecision: 0 },
		default: defaultSteps,
		description: `How many steps the model takes to generate the image: ${limitsInWords(({ steps }) => `${steps.min} to ${steps.max}`)}. More steps take longer and add detail. Without this option: ${defaultsInWords('steps')}.`,
		routing: { send: { type: 'body', property: 'steps' } },
	},
	{
		displayName: 'CFG Scale',
		name: 'cfgScale',
		type: 'number',
		typeOptions: { minValue: 0, numberPrecision: 1 },
		default: defaultCfgScale,
		description: `How closely the image follows the prompt: ${limitsInWords(({ cfgScale }) => `${cfgScale.min} to ${cfgScale.max}`)}. Higher values follow it more strictly and look less natural. Without this option: ${defaultsInWords('cfgScale')}.`,
		routing: { send: { type: 'body', property: 'cfg_scale' } },
	},
	{
		displayName: 'Additional Body Fields',
		name: 'additionalBodyFields',
		type: 'json',
		default: '{}',
		placeholder: 'e.g. "num_inference_steps": 20, in braces',
		description:
			'Fields that are added to the request unchanged, for parameters that this node does not know. A field of the same name is replaced.',
	},
];

// These shape what leaves the node; the API knows none of them.
const OUTPUT_OPTIONS: INodeProperties[] = [
	{
		displayName: 'File Name',
		name: 'fileName',
		type: 'string',
		default: '',
		placeholder: 'e.g. red-shoe-front',
		description:
			"Name of the image file, also of the one behind a temporary link; the service's own links keep their names. The right extension is added, characters that are not allowed in file names are replaced, and several images get a number. If empty, it is made from the prompt or the input file.",
	},
	{
		displayName: 'Include Input Fields',
		name: 'includeInputFields',
		type: 'boolean',
		default: false,
		description:
			"Whether to keep the input item's JSON and files beside the result. Without this option, only the JSON is kept; if it is off, neither is kept. A result field replaces an input field of the same name.",
	},
	{
		displayName: 'Several Images As',
		name: 'severalImagesAs',
		type: 'options',
		options: [
			{
				name: 'Separate Items',
				value: 'items',
				description: 'One output item for each image',
			},
			{
				name: 'Fields of One Item',
				value: 'fields',
				description: 'One output item with the files in data_1, data_2 and so on',
			},
		],
		default: 'items',
		description: 'How several images of one input item leave the node',
	},
	{
		displayName: 'When Moderated',
		name: 'whenModerated',
		type: 'options',
		options: [
			{
				name: 'Fail',
				value: 'fail',
				description: "Treat it as an error, as this node's On Error setting says",
			},
			{
				name: 'Pass On Without Image',
				value: 'passOn',
				description: 'Let the item go on with its finishReason, so that the workflow can branch',
			},
		],
		default: 'passOn',
		description: 'What to do with a prompt or an image that does not pass moderation',
	},
];

const { giveUpAfterSeconds, maxTries, timeoutSeconds } = RETRY_DEFAULTS;

// These bound what a run costs and how long it takes; none of them is sent to the service.
const RUN_OPTIONS: INodeProperties[] = [
	{
		displayName: 'Max Images per Run',
		name: 'maxImagesPerRun',
		type: 'number',
		typeOptions: { minValue: 1, numberPrecision: 0 },
		default: 100,
		description:
			'The most images that a run of this node may make. A run that would make more is refused before the first request, so that nothing is charged. Without this option there is no limit.',
	},
	{
		displayName: 'Max Tries',
		name: 'maxTries',
		type: 'number',
		typeOptions: { minValue: 1, maxValue: MAX_TRIES_LIMIT, numberPrecision: 0 },
		default: maxTries,
		description:
			'How often to send a request at most if the server fails or the connection breaks. Being told to slow down (HTTP 429) does not count as a try. 1 means no retries.',
	},
	{
		displayName: 'Timeout (Seconds)',
		name: 'timeout',
		type: 'number',
		typeOptions: { minValue: 1, numberPrecision: 0 },
		default: timeoutSeconds,
		description: 'How long the service may be silent before the node gives up on one request',
	},
	{
		displayName: 'Give Up After (Seconds)',
		name: 'giveUpAfter',
		type: 'number',
		typeOptions: { minValue: 0, numberPrecision: 0 },
		default: giveUpAfterSeconds,
		description:
			'How long to keep trying to get one image, counted from its first request; downloading a finished image is counted separately. Waiting for its turn in the queue does not count.',
	},
];

/** The Options of the image operations, in groups: what the picture looks like, what leaves the node, what a run may take. */
const IMAGE_OPTIONS = [...CREATIVE_OPTIONS, ...OUTPUT_OPTIONS, ...RUN_OPTIONS];

const field = {
	displayName: 'Options',
	name: 'options',
	type: 'collection',
	placeholder: 'Add option',
	default: {},
} as const;

export const imageOptionsField: INodeProperties = {
	...field,
	displayOptions: showFor(OPERATIONS),
	options: IMAGE_OPTIONS,
};

/** The Options of Get Balance. */
export const balanceOptionsField: INodeProperties = {
	...field,
	displayOptions: { show: { resource: ['account'], operation: ['getBalance'] } },
	options: [
		{
			displayName: 'Include Input Fields',
			name: 'includeInputFields',
			type: 'boolean',
			default: true,
			description:
				"Whether to keep the input item's JSON and files beside the balance. Without this option neither is kept.",
		},
	],
};
