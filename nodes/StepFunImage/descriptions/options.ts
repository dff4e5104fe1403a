import type { INodeProperties } from 'n8n-workflow';

import { MAX_IMAGES_PER_INPUT, MOST_TRIES, RETRY_DEFAULTS } from '../catalogue/defaults';
import {
	MODELS,
	modelsFor,
	OPERATIONS,
	SEED_RANGE,
	type NumberRange,
	type Operation,
	type ModelCapabilities,
} from '../catalogue/models';
import { showFor } from './showFor';

/** What the Options offer for a model that the catalogue does not know: everything, unlimited. */
type Capabilities = ModelCapabilities | undefined;

function stepsOption(range: NumberRange | undefined): INodeProperties {
	const defaultValue = range?.default ?? 8;
	return {
		displayName: 'Steps',
		name: 'steps',
		type: 'number',
		typeOptions: { minValue: range?.min, maxValue: range?.max, numberPrecision: 0 },
		default: defaultValue,
		description: `How many steps the model takes to draw the image${between(range)}. More steps take longer and add detail.`,
		routing: { send: { type: 'body', property: 'steps' } },
	};
}

function cfgScaleOption(range: NumberRange | undefined): INodeProperties {
	const defaultValue = range?.default ?? 1;
	return {
		displayName: 'CFG Scale',
		name: 'cfgScale',
		type: 'number',
		typeOptions: { minValue: range?.min, maxValue: range?.max, numberPrecision: 1 },
		default: defaultValue,
		description: `How closely the image follows the prompt${between(range)}. Higher values follow it more strictly and look less natural.`,
		routing: { send: { type: 'body', property: 'cfg_scale' } },
	};
}

function between(range: NumberRange | undefined): string {
	return range ? `, ${range.min} to ${range.max}` : '';
}

function seedOption(zeroIsRandom: boolean): INodeProperties {
	const zero = zeroIsRandom ? '. For this model, 0 means a random seed' : '';
	const defaultValue = zeroIsRandom ? 1 : 0;
	return {
		displayName: 'Seed',
		name: 'seed',
		type: 'number',
		typeOptions: { minValue: SEED_RANGE.min, maxValue: SEED_RANGE.max, numberPrecision: 0 },
		default: defaultValue,
		description: `Start value of the drawing, ${SEED_RANGE.min} to ${SEED_RANGE.max}. The same seed with the same settings gives a similar image${zero}.`,
		routing: { send: { type: 'body', property: 'seed' } },
	};
}

function negativePromptOption(ignoredAtCfgScale: number | undefined): INodeProperties {
	const condition =
		ignoredAtCfgScale === undefined
			? ''
			: `. Works only while CFG Scale is above ${ignoredAtCfgScale}.`;
	return {
		displayName: 'Negative Prompt',
		name: 'negativePrompt',
		type: 'string',
		typeOptions: { rows: 2 },
		default: '',
		placeholder: 'e.g. blurry, watermark, extra fingers',
		description: `What the image should not show${condition}`,
		routing: { send: { type: 'body', property: 'negative_prompt' } },
	};
}

const TEXT_MODE_OPTION: INodeProperties = {
	displayName: 'Text Mode',
	name: 'textMode',
	type: 'boolean',
	default: false,
	description:
		'Whether to optimize for lettering in the picture. Put the words that should appear in quotes in the prompt.',
	routing: { send: { type: 'body', property: 'text_mode' } },
};

const INCLUDE_INPUT_FIELDS_OPTION: INodeProperties = {
	displayName: 'Include Input Fields',
	name: 'includeInputFields',
	type: 'boolean',
	default: true,
	description:
		"Whether to keep the input item's JSON and files beside the result. A result field replaces an input field of the same name.",
};

// These shape what leaves the node; the API knows none of them.
const RESULT_OPTIONS: INodeProperties[] = [
	{
		displayName: 'File Name',
		name: 'fileName',
		type: 'string',
		default: '',
		placeholder: 'e.g. {{ $json.sku }}-front',
		description:
			'Name of the image file. The right extension is added, characters that no disk takes are replaced, and several images get a number. Empty: made from the prompt or the input file.',
	},
	INCLUDE_INPUT_FIELDS_OPTION,
	{
		displayName: 'Max Images per Run',
		name: 'maxImagesPerRun',
		type: 'number',
		typeOptions: { minValue: 1, numberPrecision: 0 },
		default: 100,
		description:
			'How many images a run may make. A run that would make more is refused before its first request.',
	},
	{
		displayName: 'Number of Images',
		name: 'numberOfImages',
		type: 'number',
		typeOptions: { minValue: 1, maxValue: MAX_IMAGES_PER_INPUT, numberPrecision: 0 },
		default: 4,
		description: `How many variations to make of each item, 1 to ${MAX_IMAGES_PER_INPUT}. Each is a request of its own and is charged. With a seed, they take the seed, the seed plus 1 and so on; without one, each is random.`,
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

const ADDITIONAL_FIELDS_OPTION: INodeProperties = {
	displayName: 'Additional Body Fields',
	name: 'additionalBodyFields',
	type: 'json',
	default: '{}',
	placeholder: 'e.g. { "num_inference_steps": 20 }',
	description:
		'Fields that are added to the request as they are, for parameters that this node does not know. A field of the same name is replaced.',
};

const { giveUpAfterSeconds, maxTries, timeoutSeconds } = RETRY_DEFAULTS;

// These steer the node's transport; none of them is sent to the service.
const TRANSPORT_OPTIONS: INodeProperties[] = [
	{
		displayName: 'Give Up After (Seconds)',
		name: 'giveUpAfter',
		type: 'number',
		typeOptions: { minValue: 0, numberPrecision: 0 },
		default: giveUpAfterSeconds,
		description:
			'How long to go on trying one image, counted from its first request; downloading a finished image counts on its own. Waiting for its turn in the queue does not count.',
	},
	{
		displayName: 'Max Tries',
		name: 'maxTries',
		type: 'number',
		typeOptions: { minValue: 1, maxValue: MOST_TRIES, numberPrecision: 0 },
		default: maxTries,
		description:
			'How often to send one request at most when the server fails or the connection breaks. Being told to slow down (HTTP 429) costs no try, only time. 1 means no retries.',
	},
	{
		displayName: 'Timeout (Seconds)',
		name: 'timeout',
		type: 'number',
		typeOptions: { minValue: 1, numberPrecision: 0 },
		default: timeoutSeconds,
		description: 'How long one request may take, from sending it to the last byte of the answer',
	},
];

function optionsCollection(
	capabilities: Capabilities,
	displayOptions: INodeProperties['displayOptions'],
): INodeProperties {
	const options = [
		stepsOption(capabilities?.steps),
		cfgScaleOption(capabilities?.cfgScale),
		seedOption(capabilities?.seedZeroIsRandom ?? false),
		...(!capabilities || capabilities.negativePrompt
			? [negativePromptOption(capabilities?.negativePrompt?.ignoredAtCfgScale)]
			: []),
		...(!capabilities || capabilities.textMode ? [TEXT_MODE_OPTION] : []),
		...RESULT_OPTIONS,
		ADDITIONAL_FIELDS_OPTION,
		...TRANSPORT_OPTIONS,
	];
	return {
		displayName: 'Options',
		name: 'options',
		type: 'collection',
		placeholder: 'Add option',
		default: {},
		displayOptions,
		// By code units: comparing as a language does takes longer than all else in loading this node.
		options: options.sort((a, b) => (a.displayName < b.displayName ? -1 : 1)),
	};
}

/** The Options of Get Balance. */
export const balanceOptionsField: INodeProperties = {
	displayName: 'Options',
	name: 'options',
	type: 'collection',
	placeholder: 'Add option',
	default: {},
	displayOptions: { show: { resource: ['account'], operation: ['getBalance'] } },
	options: [INCLUDE_INPUT_FIELDS_OPTION],
};

/**
 * The Options of an operation: one collection for each model, with that model's fields, ranges and
 * defaults.
 *
 * @param operation the operation whose options are offered
 */
export function optionsFields(operation: Operation): INodeProperties[] {
	return modelsFor(operation).map(({ id, capabilities }) =>
		optionsCollection(capabilities, showFor(operation, [id])),
	);
}

/** The Options for models that the catalogue does not know. */
export const optionsOfUnknownModel: INodeProperties = optionsCollection(undefined, {
	...showFor(OPERATIONS),
	hide: { model: MODELS.map(({ id }) => id) },
});

/**
 * The notices for the one trap of the sampling fields: a negative prompt that the model never sees.
 *
 * @param operation the operation whose models are looked at
 */
export function negativePromptNotices(operation: Operation): INodeProperties[] {
	return modelsFor(operation).flatMap(({ id, capabilities }): INodeProperties[] =>
		capabilities.negativePrompt
			? [
					{
						displayName: `The negative prompt does nothing while CFG Scale is ${capabilities.negativePrompt.ignoredAtCfgScale}. Set CFG Scale under Options higher, for example to 3.`,
						name: 'negativePromptNotice',
						type: 'notice',
						default: '',
						// Paths from the root: n8n 1.x loads no workflow with the node when it cannot order a condition's
						// field among the others.
						displayOptions: {
							show: {
								...showFor(operation, [id]).show,
								'/options.negativePrompt': [{ _cnd: { exists: true } }],
							},
							hide: {
								'/options.cfgScale': [
									{ _cnd: { gt: capabilities.negativePrompt.ignoredAtCfgScale } },
									// What an expression will give is not known here. n8n 1.x fails over a startsWith of nothing.
									{ _cnd: { regex: '^=' } },
								],
							},
						},
					},
				]
			: [],
	);
}
