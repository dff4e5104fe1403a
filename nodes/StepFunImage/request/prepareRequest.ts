import {
	jsonParse,
	type DeclarativeRestApiSettings,
	type IDataObject,
	type IExecutePaginationFunctions,
	type IHttpRequestOptions,
} from 'n8n-workflow';

import { findModel, OPERATION_NAMES, SEED_RANGE, type Operation } from '../catalogue/models';
import { inputError } from '../errors/inputError';
import { MAX_IMAGES_PER_INPUT } from '../parameters/options';
import {
	OUTPUTS,
	OUTPUTS_WITH_FILE,
	OUTPUTS_WITH_N8N_LINK,
	OUTPUTS_WITH_URL,
	type Output,
} from '../parameters/output';
import { wantsInputFields } from '../response/besideInput';
import { describingName, safeName } from '../response/fileName';
import { DEFAULT_PATIENCE, type Patience } from '../transport/patience';
import { checkBaseUrl } from './baseUrl';
import { checkFields, isUnset, passFields, type RequestFields } from './fields';
import { inspectInputImages, type InputImage } from './inputImage';

/**
 * Everything the transport needs to get one image for one item. Nothing in it is large but an input image
 * that came as text.
 */
export interface ImageRequest {
	operation: Operation;
	model: string;
	fields: RequestFields;
	inputImage?: InputImage;
	output: Output;
	/** The binary field that the image goes into. */
	outputField: string;
	/** The image file's name without extension. */
	fileName: string;
	/** Which of an item's several images this is, from 1 on. */
	variation?: number;
	patience: Patience;
	/** Address, headers, proxy and so on, as n8n's routing resolved them. */
	options: IHttpRequestOptions;
}

/**
 * Where an image goes that nobody asked to have as a file: one that a server sends although a link was
 * asked for, or that n8n cannot serve a temporary link to.
 */
const UNASKED_FIELD = 'data';

/** What n8n's routing sets when the user has not added a timeout under Request Options. */
const ROUTING_DEFAULT_TIMEOUT = 300_000;

/** Node's timers take no more, almost 25 days, and fall to one millisecond beyond. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What one item asks for. */
export interface ItemRequests {
	/** One for each image: input images times variations, in this order. */
	requests: ImageRequest[];
	result: ResultOptions;
}

/** How an item's images leave the node. */
export interface ResultOptions {
	includeInputFields: boolean;
	severalImagesAs: 'items' | 'fields';
	whenModerated: 'fail' | 'passOn';
	/** How long a link served by n8n opens, in the words of n8n's helper. */
	linkLifetime: string;
}

/**
 * Turns an item's resolved parameters into requests that are known to be acceptable.
 *
 * @param context the item's execution context
 * @param requestData what n8n's routing made of the node's declarations
 * @throws NodeOperationError for whatever would be refused or make no sense; nothing has been sent
 */
export async function prepareRequests(
	context: IExecutePaginationFunctions,
	requestData: DeclarativeRestApiSettings.ResultOptions,
): Promise<ItemRequests> {
	const { body: collected, ...options } = requestData.options;
	const body = collected as IDataObject;
	const operation = context.getNodeParameter('operation') as Operation;
	// Read once: n8n evaluates the expressions in all of the options each time.
	const userOptions = context.getNodeParameter('options', {}) as IDataObject;

	checkBaseUrl(context, options.baseURL);

	const model = typeof body.model === 'string' ? body.model.trim() : '';
	if (model === '') {
		throw inputError(
			context,
			"'Model' is empty",
			'Choose a model from the list, or check that the expression gives the ID of a model on this item.',
		);
	}

	const facts = factsFor(context, model, operation);
	const checked = facts ? checkFields(context, body, model, facts) : passFields({ ...body, model });
	const output = readOutput(context);
	const fields = {
		...checked,
		// Not by routing: an expression there would be evaluated for every item.
		response_format: OUTPUTS_WITH_URL.includes(output) ? 'url' : 'b64_json',
		...readAdditionalFields(context, userOptions),
	};
	const outputField = OUTPUTS_WITH_FILE.includes(output)
		? String(context.getNodeParameter('outputField')).trim()
		: UNASKED_FIELD;
	if (outputField === '') {
		throw inputError(
			context,
			"'Put Output File in Field' is empty",
			'Enter a name for the binary field that the image goes into, such as data.',
		);
	}

	if (outputField === '__proto__') {
		throw inputError(
			context,
			"'Put Output File in Field' must not be __proto__",
			'JavaScript keeps no field of this name. Enter another one, such as data.',
		);
	}

	const patience = readPatience(context, userOptions, options.timeout);
	const result = readResultOptions(context, userOptions);
	const count = readCount(context, userOptions);

	const inputImages =
		operation === 'generate'
			? [undefined]
			: await inspectInputImages(
					context,
					model,
					facts?.inputImage,
					patience.timeoutMs,
					options as IHttpRequestOptions,
				);
	const several = inputImages.length * count > 1;

	const requests = inputImages.flatMap((inputImage, imageIndex) =>
		Array.from({ length: count }, (_, variation): ImageRequest => {
			const number = imageIndex * count + variation;
			return {
				operation,
				model,
				fields: withSeed(fields, variation),
				inputImage,
				output,
				outputField:
					several && result.severalImagesAs === 'fields' ? `${outputField}_${number}` : outputField,
				fileName:
					fileNameOf(context, userOptions, fields, inputImage) + (several ? `-${number + 1}` : ''),
				...(several ? { variation: number + 1 } : {}),
				patience,
				options: options as IHttpRequestOptions,
			};
		}),
	);
	return { requests, result };
}

/** The fields of one variation: seeds count on from the first, and no seed stays no seed. */
function withSeed(fields: RequestFields, variation: number): RequestFields {
	if (variation === 0 || typeof fields.seed !== 'number') return fields;
	return { ...fields, seed: (fields.seed + variation) % (SEED_RANGE.max + 1) };
}

function fileNameOf(
	context: IExecutePaginationFunctions,
	{ fileName }: IDataObject,
	fields: RequestFields,
	inputImage: InputImage | undefined,
): string {
	const [subject, suffix] = inputImage
		? [inputImage.fileName.replace(/\.[^.]*$/, ''), '-edited']
		: [String(fields.prompt), ''];
	return (
		(isUnset(fileName) ? undefined : safeName(String(fileName))) ??
		describingName(subject, suffix, context.getItemIndex())
	);
}

function readResultOptions(
	context: IExecutePaginationFunctions,
	options: IDataObject,
): ResultOptions {
	const { severalImagesAs, whenModerated } = options;
	return {
		includeInputFields: wantsInputFields(options),
		severalImagesAs: severalImagesAs === 'fields' ? 'fields' : 'items',
		whenModerated: whenModerated === 'passOn' ? 'passOn' : 'fail',
		linkLifetime: String(context.getNodeParameter('linkLifetime', '1 day')),
	};
}

function readCount(context: IExecutePaginationFunctions, { numberOfImages }: IDataObject): number {
	if (isUnset(numberOfImages)) return 1;
	const count = Number(numberOfImages);
	if (Number.isInteger(count) && count >= 1 && count <= MAX_IMAGES_PER_INPUT) return count;
	throw inputError(
		context,
		`'Number of Images' must be a whole number from 1 to ${MAX_IMAGES_PER_INPUT}, but is ${String(numberOfImages)}`,
		"Change 'Number of Images', or remove the option to make one.",
	);
}

function readAdditionalFields(
	context: IExecutePaginationFunctions,
	{ additionalBodyFields }: IDataObject,
): RequestFields {
	if (isUnset(additionalBodyFields)) return {};
	const parsed =
		typeof additionalBodyFields === 'string'
			? jsonParse<unknown>(additionalBodyFields, { fallbackValue: null })
			: additionalBodyFields;
	if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
		const fields = parsed as RequestFields;
		if (Number(fields.n) > 1) {
			throw inputError(
				context,
				"'Additional Body Fields' asks for several images with n",
				"The node takes one image from each answer, so the others would be made for nothing. Leave n out and set 'Number of Images' under Options.",
			);
		}
		return fields;
	}
	throw inputError(
		context,
		"'Additional Body Fields' is not a JSON object",
		'Write it like { "num_inference_steps": 20 }, with the names in double quotes.',
	);
}

function factsFor(context: IExecutePaginationFunctions, id: string, operation: Operation) {
	const model = findModel(id);
	if (!model) return undefined;
	const facts = model.operations[operation];
	if (facts) return facts;
	const offered = (Object.keys(model.operations) as Operation[])
		.map((each) => OPERATION_NAMES[each])
		.join(' and ');
	throw inputError(
		context,
		`The model ${id} does not offer ${OPERATION_NAMES[operation]}`,
		`${id} offers: ${offered}. Choose another model, or another operation.`,
	);
}

function readOutput(context: IExecutePaginationFunctions): Output {
	const output = String(context.getNodeParameter('output'));
	// n8n 1.85 has no such helper.
	if (OUTPUTS_WITH_N8N_LINK.includes(output) && !('createBinarySignedUrl' in context.helpers)) {
		throw inputError(
			context,
			"'Temporary Link' needs a newer n8n",
			'This n8n cannot serve links to its files. Update n8n, or choose another Output.',
		);
	}
	if ((OUTPUTS as readonly string[]).includes(output)) return output as Output;
	throw inputError(
		context,
		`'Output' must be one of ${OUTPUTS.join(', ')}, but is ${output}`,
		"Choose from the list, or let the expression in 'Output' give one of these words.",
	);
}

function readPatience(
	context: IExecutePaginationFunctions,
	options: IDataObject,
	routedTimeout?: number,
): Patience {
	const positive = (label: string, value: unknown, fallback: number, min: number): number => {
		if (isUnset(value)) return fallback;
		const number = Number(value);
		if (Number.isFinite(number) && number >= min) return number;
		throw inputError(
			context,
			`'${label}' must be a number of at least ${min}, but is ${String(value)}`,
			`Change '${label}', or remove the option to use ${fallback}.`,
		);
	};

	// An abort signal's timeout takes whole milliseconds only.
	const milliseconds = (seconds: number) => Math.min(Math.round(seconds * 1000), LONGEST_TIMER_MS);

	// n8n's own Request Options know a timeout too; the node's option is the more particular one.
	const timeout =
		routedTimeout !== undefined && routedTimeout !== ROUTING_DEFAULT_TIMEOUT
			? routedTimeout / 1000
			: DEFAULT_PATIENCE.timeoutSeconds;
	return {
		timeoutMs: milliseconds(positive('Timeout (Seconds)', options.timeout, timeout, 0.1)),
		maxTries: Math.floor(positive('Max Tries', options.maxTries, DEFAULT_PATIENCE.maxTries, 1)),
		// No wait for the next try is longer than this, so it has to fit into a timer as well.
		giveUpAfterMs: milliseconds(
			positive(
				'Give Up After (Seconds)',
				options.giveUpAfter,
				DEFAULT_PATIENCE.giveUpAfterSeconds,
				0,
			),
		),
	};
}
