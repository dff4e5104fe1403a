import { isResourceLocatorValue, jsonParse, type IDataObject } from 'n8n-workflow';

import {
	DEFAULT_LINK_LIFETIME,
	FALLBACK_FIELD,
	MAX_IMAGES_PER_INPUT,
	RETRY_DEFAULTS,
} from '../catalogue/defaults';
import {
	findModel,
	OPERATION_NAMES,
	SEED_RANGE,
	type ModelCapabilities,
	type Operation,
} from '../catalogue/models';
import { findOutput, OUTPUTS, outputsWith, type Output } from '../catalogue/outputs';
import { isWebAddress } from '../catalogue/services';
import { inputError } from '../errors/nodeErrors';
import { describingName, safeName } from '../image/fileName';
import type { Credential } from '../transport/credential';
import type { RetryPolicy } from '../transport/retry';
import type { Timeouts } from '../transport/send';
import { readBodyFields } from './bodyFields';
import { resolveInputImages } from './inputImage';
import type { Routing } from './routing';
import type {
	BodyFields,
	ImageRequest,
	InputImage,
	ItemContext,
	ItemRequests,
	OutputOptions,
} from './types';
import { isUnset, readChoice, readNumber, showValue, toBoolean } from './validators';

/** Node's timers take no more, almost 25 days, and fall to one millisecond beyond. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A request that is never silent may take so many times as long as one that is. */
const TOTAL_PER_SILENCE = 10;

/**
 * Turns an item's parameters into requests that are known to be acceptable.
 *
 * @param parameters the node's parameters for this item
 * @param routing what the node's properties say of the API's fields and paths
 * @throws NodeOperationError for whatever would be refused or make no sense; nothing has been sent
 */
export async function readImageRequests(
	item: ItemContext,
	parameters: IDataObject,
	routing: Routing,
	credential: Credential,
): Promise<ItemRequests> {
	const operation = parameters.operation as Operation;
	const options = (parameters.options ?? {}) as IDataObject;

	assertBaseUrl(item, credential);
	const model = readModel(item, parameters);
	const capabilities = findCapabilities(item, model, operation);
	const outputOptions = readOutputOptions(item, parameters, options);
	const fields: BodyFields = {
		...readBodyFields(item, readRoutedValues(parameters, routing), model, capabilities),
		response_format: outputsWith('hasUrl').includes(outputOptions.output) ? 'url' : 'b64_json',
		...readAdditionalFields(item, options),
	};
	const outputField = readOutputField(item, parameters, outputOptions.output);
	const timeouts = readTimeouts(item, options);
	const retryPolicy = readRetryPolicy(item, options);
	const count = readCount(item, options);
	const inputImages =
		operation === 'generate'
			? [undefined]
			: await resolveInputImages(item, parameters, {
					model,
					limits: capabilities?.inputImage,
					timeouts,
					ignoreSslIssues: credential.ignoreSslIssues,
				});
	const isSeveral = inputImages.length * count > 1;
	const { severalImagesAs } = outputOptions;

	const requests = inputImages.flatMap((inputImage, imageIndex) =>
		Array.from({ length: count }, (_, variation): ImageRequest => {
			const number = imageIndex * count + variation;
			return {
				operation,
				path: pathOf(routing, operation),
				credential,
				model,
				fields: withSeed(fields, variation),
				inputImage,
				outputField:
					isSeveral && severalImagesAs === 'fields' ? `${outputField}_${number}` : outputField,
				fileName:
					fileNameOf(item, options, fields, inputImage) + (isSeveral ? `-${number + 1}` : ''),
				...(isSeveral ? { variation: number + 1 } : {}),
				timeouts,
				retryPolicy,
			};
		}),
	);
	return { requests, outputOptions };
}

/**
 * Refuses an address that no request can be sent to.
 *
 * @throws NodeOperationError when the credential's Base URL is no web address
 */
export function assertBaseUrl(item: ItemContext, { baseUrl }: Credential): void {
	if (isWebAddress(baseUrl)) return;
	throw inputError(
		item,
		"The credential's 'Base URL' is not a web address",
		'Open the StepFun API credential and enter an address that starts with https:// or http://, such as https://images.example.com/v1.',
	);
}

/** Whether Options ask for the input's fields; an expression gives the word instead of the boolean. */
export function wantsInputFields({ includeInputFields }: IDataObject): boolean {
	return toBoolean(includeInputFields) === true;
}

function pathOf({ operations }: Routing, operation: Operation): string {
	return operations.get(`image ${operation}`)?.path ?? '';
}

function readRoutedValues(parameters: IDataObject, { fields }: Routing) {
	return fields.map((field) => {
		const [first, second] = field.path;
		const value = parameters[first];
		return { field, value: second === undefined ? value : (value as IDataObject)?.[second] };
	});
}

/** The Model field is a resource locator; workflows from before hold the ID as text. */
function readModel(item: ItemContext, { model }: IDataObject): string {
	const value = isResourceLocatorValue(model) ? model.value : model;
	const id = typeof value === 'string' ? value.trim() : '';
	if (id !== '') return id;
	throw inputError(
		item,
		"'Model' is empty",
		'Choose a model from the list, or check that the expression gives the ID of a model on this item.',
	);
}

function findCapabilities(
	item: ItemContext,
	id: string,
	operation: Operation,
): ModelCapabilities | undefined {
	const model = findModel(id);
	if (!model) return undefined;
	const capabilities = model.operations[operation];
	if (capabilities) return capabilities;
	const offered = (Object.keys(model.operations) as Operation[])
		.map((each) => OPERATION_NAMES[each])
		.join(' and ');
	throw inputError(
		item,
		`The model ${id} does not offer ${OPERATION_NAMES[operation]}`,
		`${id} offers: ${offered}. Choose another model, or another operation.`,
	);
}

function readOutputOptions(
	item: ItemContext,
	parameters: IDataObject,
	options: IDataObject,
): OutputOptions {
	const { severalImagesAs, whenModerated } = options;
	return {
		output: readOutput(item, parameters),
		includeInputFields: wantsInputFields(options),
		severalImagesAs: severalImagesAs === 'fields' ? 'fields' : 'items',
		whenModerated: whenModerated === 'passOn' ? 'passOn' : 'fail',
		linkLifetime: String(parameters.linkLifetime ?? DEFAULT_LINK_LIFETIME),
	};
}

function readOutput(item: ItemContext, parameters: IDataObject): Output {
	const output = readChoice(
		{ item, label: 'Output', value: parameters.output },
		OUTPUTS.map(({ value }) => value),
	);
	// n8n 1.85 has no such helper.
	if (findOutput(output)?.hasN8nLink && !('createBinarySignedUrl' in item.functions.helpers)) {
		throw inputError(
			item,
			"'Temporary Link' needs a newer n8n",
			'This n8n cannot serve links to its files. Update n8n, or choose another Output.',
		);
	}
	return output;
}

function readOutputField(item: ItemContext, parameters: IDataObject, output: Output): string {
	if (!findOutput(output)?.hasFile) return FALLBACK_FIELD;
	const label = 'Put Output File in Field';
	const field = String(parameters.outputField ?? '').trim();
	if (field === '') {
		throw inputError(
			item,
			`'${label}' is empty`,
			'Enter a name for the binary field that the image goes into, such as data.',
		);
	}
	if (field === '__proto__') {
		throw inputError(
			item,
			`'${label}' must not be __proto__`,
			'JavaScript keeps no field of this name. Enter another one, such as data.',
		);
	}
	return field;
}

/** The fields of one variation: seeds count on from the first, and no seed stays no seed. */
function withSeed(fields: BodyFields, variation: number): BodyFields {
	if (variation === 0 || typeof fields.seed !== 'number') return fields;
	return { ...fields, seed: (fields.seed + variation) % (SEED_RANGE.max + 1) };
}

function fileNameOf(
	{ itemIndex }: ItemContext,
	{ fileName }: IDataObject,
	fields: BodyFields,
	inputImage: InputImage | undefined,
): string {
	const [subject, suffix] = inputImage
		? [inputImage.fileName.replace(/\.[^.]*$/, ''), '-edited']
		: [String(fields.prompt), ''];
	return (
		(isUnset(fileName) ? undefined : safeName(String(fileName))) ??
		describingName(subject, suffix, itemIndex)
	);
}

function readCount(item: ItemContext, { numberOfImages }: IDataObject): number {
	if (isUnset(numberOfImages)) return 1;
	return readNumber(
		{ item, label: 'Number of Images', value: numberOfImages },
		{ min: 1, max: MAX_IMAGES_PER_INPUT, isWhole: true },
		"Change 'Number of Images', or remove the option to make one.",
	);
}

function readAdditionalFields(
	item: ItemContext,
	{ additionalBodyFields }: IDataObject,
): BodyFields {
	if (isUnset(additionalBodyFields)) return {};
	const parsed =
		typeof additionalBodyFields === 'string'
			? jsonParse<unknown>(additionalBodyFields, { fallbackValue: null })
			: additionalBodyFields;
	if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
		const fields = parsed as BodyFields;
		if (Number(fields.n) > 1) {
			throw inputError(
				item,
				"'Additional Body Fields' asks for several images with n",
				"The node takes one image from each answer, so the others would be made for nothing. Leave n out and set 'Number of Images' under Options.",
			);
		}
		return fields;
	}
	throw inputError(
		item,
		"'Additional Body Fields' is not a JSON object",
		`Write it like { "num_inference_steps": 20 }, with the names in double quotes; it is ${showValue(parsed ?? additionalBodyFields)}.`,
	);
}

function readTimeouts(item: ItemContext, options: IDataObject): Timeouts {
	const { timeoutSeconds } = RETRY_DEFAULTS;
	const seconds = readSetting(item, 'Timeout (Seconds)', options.timeout, timeoutSeconds, 0.1);
	return {
		silenceMs: toMilliseconds(seconds),
		totalMs: toMilliseconds(seconds * TOTAL_PER_SILENCE),
	};
}

function readRetryPolicy(item: ItemContext, options: IDataObject): RetryPolicy {
	const { maxTries, giveUpAfterSeconds } = RETRY_DEFAULTS;
	return {
		maxTries: Math.floor(readSetting(item, 'Max Tries', options.maxTries, maxTries, 1)),
		// No wait for the next try is longer than this, so it has to fit into a timer as well.
		maxElapsedMs: toMilliseconds(
			readSetting(item, 'Give Up After (Seconds)', options.giveUpAfter, giveUpAfterSeconds, 0),
		),
		maxPaidRetries: 1,
	};
}

function readSetting(
	item: ItemContext,
	label: string,
	value: unknown,
	defaultValue: number,
	min: number,
): number {
	if (isUnset(value)) return defaultValue;
	return readNumber(
		{ item, label, value },
		{ min, isWhole: false },
		`Change '${label}', or remove the option to use ${defaultValue}.`,
	);
}

function toMilliseconds(seconds: number): number {
	return Math.min(Math.round(seconds * 1000), MAX_TIMER_MS);
}
