import type { INodeProperties } from 'n8n-workflow';

import { MAX_IMAGES_PER_INPUT, MAX_TRIES_LIMIT, RETRY_DEFAULTS } from '../catalogue/defaults';
import { modelsFor, OPERATIONS, SEED_RANGE } from '../catalogue/models';
import { defaultsInWords, limitsInWords, modelsWith } from './limitsInWords';
import { showFor } from './showFor';

const [{ capabilities: recommended }] = modelsFor('generate');
const defaultSteps = recommended.steps.default;
const defaultCfgScale = recommended.cfgScale.default;

// No model hides an entry of Options, because n8n deletes the value of a hidden entry when the model or the operation
// changes. The run refuses options that the model does not support before it sends anything.
const CREATIVE_OPTIONS: INodeProperties[] = [
	{
		displayName: 'Negative Prompt',
		name: 'negativePrompt',
		type: 'string',
		typeOptions: { rows: 2 },
		default: '',
		placeholder: 'e.g. blurry, watermark, extra fingers',
		description: `What the image should not show. Of StepFun's models, only ${modelsWith('negativePrompt')} supports it, and only while CFG Scale is above ${recommended.negativePrompt?.ignoredAtCfgScale}.`,
		routing: { send: { type: 'body', property: 'negative_prompt' } },
	},
	{
		displayName: 'Text Mode',
		name: 'textMode',
		type: 'boolean',
		default: true,
		description: `Whether to optimize for lettering in the image. In the prompt, put quotes around the words that should appear. Only StepFun's ${modelsWith('textMode')} supports it.`,
		routing: { send: { type: 'body', property: 'text_mode' } },
	},
	{
		displayName: 'Number of Images',
		name: 'numberOfImages',
		type: 'number',
		typeOptions: { minValue: 1, maxValue: MAX_IMAGES_PER_INPUT, numberPrecision: 0 },
		default: 2,
		description: `How many images to generate for each item, 1 to ${MAX_IMAGES_PER_INPUT}. Each one is a separate, charged request. If you set a seed, the variations use the seed, the seed plus 1 and so on; otherwise each one gets a random seed.`,
	},
	{
		displayName: 'Seed',
		name: 'seed',
		type: 'number',
		typeOptions: { minValue: SEED_RANGE.min, maxValue: SEED_RANGE.max, numberPrecision: 0 },
		default: 1,
		description: `Starting value for the image, ${SEED_RANGE.min} to ${SEED_RANGE.max}. The same seed with the same settings gives a similar image. For ${modelsWith('seedZeroIsRandom')}, 0 means a random seed.`,
		routing: { send: { type: 'body', property: 'seed' } },
	},
	{
		displayName: 'Steps',
		name: 'steps',
		type: 'number',
		typeOptions: { minValue: 1, numberPrecision: 0 },
		default: defaultSteps,
		description: `How many steps the model takes to generate the image: ${limitsInWords(({ steps }) => `${steps.min} to ${steps.max}`)}. More steps take longer and add detail. Default: ${defaultsInWords('steps')}.`,
		routing: { send: { type: 'body', property: 'steps' } },
	},
	{
		displayName: 'CFG Scale',
		name: 'cfgScale',
		type: 'number',
		typeOptions: { minValue: 0, numberPrecision: 1 },
		default: defaultCfgScale,
		description: `How closely the image follows the prompt: ${limitsInWords(({ cfgScale }) => `${cfgScale.min} to ${cfgScale.max}`)}. Higher values follow it more strictly and look less natural. Default: ${defaultsInWords('cfgScale')}.`,
		routing: { send: { type: 'body', property: 'cfg_scale' } },
	},
	{
		displayName: 'Additional Body Fields',
		name: 'additionalBodyFields',
		type: 'json',
		default: '{}',
		placeholder: 'e.g. "num_inference_steps": 20, in braces',
		description:
			'Fields to add to the request unchanged, for parameters that this node does not offer. They replace fields of the same name.',
	},
];

const includeInputFields = {
	displayName: 'Include Input Fields',
	name: 'includeInputFields',
	type: 'boolean',
	default: true,
} as const;

// These options shape the output. The node does not send them to the API.
const OUTPUT_OPTIONS: INodeProperties[] = [
	{
		displayName: 'File Name',
		name: 'fileName',
		type: 'string',
		default: '',
		placeholder: 'e.g. red-shoe-front',
		description:
			"Name of the image file, also behind a temporary link; the service's own links keep their names. The node adds the extension, replaces characters that are not allowed in file names, and numbers several images of one item. For several items, use an expression; otherwise all files get the same name. If empty, the name comes from the prompt or the input file.",
	},
	{
		...includeInputFields,
		description:
			"Whether to keep the input item's JSON and files along with the result. Turn it off to keep neither. Without this option, the node keeps only the JSON. A result field replaces an input field of the same name.",
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
		description: 'How to return several images of one input item',
	},
	{
		displayName: 'When Moderated',
		name: 'whenModerated',
		type: 'options',
		options: [
			{
				name: 'Fail',
				value: 'fail',
				description: "Treat moderation as an error and follow this node's On Error setting",
			},
			{
				name: 'Pass On Without Image',
				value: 'passOn',
				description: 'Return the item with its finishReason, so that the workflow can branch on it',
			},
		],
		default: 'passOn',
		description: 'What to do with a prompt or an image that does not pass moderation',
	},
];

const { giveUpAfterSeconds, maxTries, timeoutSeconds } = RETRY_DEFAULTS;

// These options limit the cost and the duration of a run. The node does not send them to the service.
const RUN_OPTIONS: INodeProperties[] = [
	{
		displayName: 'Max Images per Run',
		name: 'maxImagesPerRun',
		type: 'number',
		typeOptions: { minValue: 1, numberPrecision: 0 },
		default: 100,
		description:
			'The maximum number of images in one run of this node. The node refuses a larger run before the first request, so that nothing is charged. Without this option, there is no limit.',
	},
	{
		displayName: 'Max Tries',
		name: 'maxTries',
		type: 'number',
		typeOptions: { minValue: 1, maxValue: MAX_TRIES_LIMIT, numberPrecision: 0 },
		default: maxTries,
		description:
			'The maximum number of tries for a request if the server fails or the connection breaks. A try that gets HTTP 429 (too many requests) does not count. 1 means no retries.',
	},
	{
		displayName: 'Timeout (Seconds)',
		name: 'timeout',
		type: 'number',
		typeOptions: { minValue: 1, numberPrecision: 0 },
		default: timeoutSeconds,
		description:
			'How long a request may go without sending or receiving data before the node gives up on it',
	},
	{
		displayName: 'Give Up After (Seconds)',
		name: 'giveUpAfter',
		type: 'number',
		typeOptions: { minValue: 0, numberPrecision: 0 },
		default: giveUpAfterSeconds,
		description:
			'How long to keep trying to get one image, counted from its first request. The wait in the queue before that does not count, and the download of a finished image is counted separately.',
	},
];

const field = {
	displayName: 'Options',
	name: 'options',
	type: 'collection',
	placeholder: 'Add option',
	default: {},
} as const;

/** The Options of the image operations. */
export const imageOptionsField: INodeProperties = {
	...field,
	displayOptions: showFor(OPERATIONS),
	options: [...CREATIVE_OPTIONS, ...OUTPUT_OPTIONS, ...RUN_OPTIONS],
};

/** The Options of Get Balance. */
export const balanceOptionsField: INodeProperties = {
	...field,
	displayOptions: { show: { resource: ['account'], operation: ['getBalance'] } },
	options: [
		{
			...includeInputFields,
			description:
				"Whether to keep the input item's JSON and files along with the balance. Without this option, the node keeps neither.",
		},
	],
};
