import { jsonParse, type IDataObject } from 'n8n-workflow';

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
import type { ServerFormat } from '../catalogue/serverFormats';
import { inputError } from '../errors/nodeErrors';
import { descriptiveName, safeName } from '../image/fileName';
import type { Credential } from '../transport/credential';
import type { RetryPolicy } from '../transport/retry';
import type { Timeouts } from '../transport/timeLimits';
import { readBodyFields } from './bodyFields';
import { assertCredential } from './credentialRules';
import { assertNoUnresolvedExpressions } from './unresolvedExpressions';
import { resolveInputImages } from './inputImage';
import { findOperation, type Routing } from './routing';
import { assertOperation, randomSeed, encodeFields, expectedSize } from './serverFormat';
import type {
	BodyFields,
	ImageRequest,
	IncludeInput,
	InputImage,
	ItemContext,
	ItemRequests,
	OutputOptions,
} from './types';
import {
	assertScalar,
	isUnset,
	readChoice,
	readNumber,
	showValue,
	toBoolean,
	toNumber,
} from './validators';

/** The longest delay of a Node.js timer, almost 25 days. A longer one becomes one millisecond. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A request that keeps receiving data may take this many times the timeout. */
const TOTAL_PER_SILENCE = 10;

/**
 * Turns an item's parameters into valid requests, without sending anything.
 *
 * @param parameters the node's parameters for this item
 * @param routing the API's fields and paths, from the node's properties
 * @throws NodeOperationError for invalid parameters
 */
export async function readImageRequests(
	item: ItemContext,
	parameters: IDataObject,
	routing: Routing,
	credential: Credential,
): Promise<ItemRequests> {
	const operation = parameters.operation as Operation;
	const options = (parameters.options ?? {}) as IDataObject;
	const { format } = credential;

	assertNoUnresolvedExpressions(item);
	assertCredential(item, credential);
	assertOperation(item, format, operation);
	const model = readModel(item, parameters);
	// The catalogue's limits apply to StepFun's models only where StepFun serves them.
	const capabilities =
		format.sizeNotation === 'asModel' ? findCapabilities(item, model, operation) : undefined;
	const outputOptions = readOutputOptions(item, parameters, options, format);
	const allAdditionalFields = readAdditionalFields(item, options);
	const { prompt: otherPrompt, ...others } = allAdditionalFields;
	const hasOtherPrompt = typeof otherPrompt === 'string';
	const additionalFields = hasOtherPrompt ? others : allAdditionalFields;
	const fields: BodyFields = {
		...readBodyFields(item, readRoutedValues(parameters, routing), model, capabilities),
		...responseFormatFor(outputOptions.output, format),
		// Replaced before `encodeFields`, because some formats append settings to the prompt.
		...(hasOtherPrompt ? { prompt: otherPrompt } : {}),
	};
	const outputField = readOutputField(item, parameters, outputOptions.output);
	const timeouts = readTimeouts(item, options);
	const retryPolicy = readRetryPolicy(item, options, format);
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
	assertRoomForSeeds(item, fields.seed, count);
	assertDifferentSeeds(item, additionalFields.seed, count);
	const isMultiImage = inputImages.length * count > 1;
	const { severalImagesAs } = outputOptions;

	const requests = inputImages.flatMap((inputImage, imageIndex) =>
		Array.from({ length: count }, (_, variation): ImageRequest => {
			const number = imageIndex * count + variation + 1;
			const seed =
				fields.seed === undefined
					? randomSeed(format)
					: seedOf(fields.seed, variation, capabilities);
			const own = seed === undefined ? fields : { ...fields, seed };
			const body = mergeFields(encodeFields(item, format, own, routing.fields), additionalFields);
			return {
				operation,
				...findOperation(routing, `image ${operation}`),
				credential,
				model: typeof body.model === 'string' ? body.model : model,
				prompt: String(fields.prompt ?? ''),
				// If the prompt carries the seed, the body has no field for it.
				seed: format.settings.seed ? toNumber(body.seed) : toNumber(seed),
				expectedSize: expectedSize(format, model, operation, body.size),
				fields: body,
				inputImage,
				outputField:
					isMultiImage && severalImagesAs === 'fields' ? `${outputField}_${number}` : outputField,
				fileName:
					fileNameOf(item, options, fields, inputImage) + (isMultiImage ? `-${number}` : ''),
				...(isMultiImage ? { variation: number } : {}),
				timeouts,
				retryPolicy,
			};
		}),
	);
	return { requests, outputOptions, maxImagesPerRun: readMaxImages(item, options) };
}

/**
 * Which parts of the input an output item keeps.
 *
 * @param includeInputFields the option's value, which may be text from an expression
 * @param unset the result without the option
 */
export function readIncludeInput(includeInputFields: unknown, unset: IncludeInput): IncludeInput {
	if (isUnset(includeInputFields)) return unset;
	return toBoolean(includeInputFields) ? 'jsonAndFiles' : 'nothing';
}

function readRoutedValues(parameters: IDataObject, { fields }: Routing) {
	return fields.map((field) => {
		const [first, second] = field.path;
		const value = parameters[first];
		return { field, value: second === undefined ? value : (value as IDataObject)?.[second] };
	});
}

/** Reads the Model field, which is a resource locator. Older workflows contain the ID as text. */
function readModel(item: ItemContext, { model }: IDataObject): string {
	const value = typeof model === 'object' && model !== null ? (model as IDataObject).value : model;
	const id = typeof value === 'string' ? value.trim() : '';
	if (id !== '') return id;
	throw inputError(
		item,
		"'Model' is empty",
		'Choose a model from the list, or check that the expression gives the ID of a model on this item.',
	);
}

/** The `response_format` for an output, if the server accepts it. */
function responseFormatFor(output: Output, { responseFormats }: ServerFormat): BodyFields {
	const wanted = outputsWith('hasUrl').includes(output) ? 'url' : 'b64_json';
	return responseFormats.includes(wanted) ? { response_format: wanted } : {};
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
	format: ServerFormat,
): OutputOptions {
	const { severalImagesAs, whenModerated, includeInputFields } = options;
	return {
		output: readOutput(item, parameters, format),
		// A tool's input is the agent's own call.
		includeInput: readIncludeInput(includeInputFields, item.isTool ? 'nothing' : 'json'),
		severalImagesAs: severalImagesAs === 'fields' ? 'fields' : 'items',
		whenModerated: whenModerated === 'passOn' ? 'passOn' : 'fail',
		linkLifetime: readLinkLifetime(item, parameters.linkLifetime),
	};
}

/** Reads how long a link stays valid: a number above 0 and a unit, in the syntax of n8n's helper. */
function readLinkLifetime(item: ItemContext, value: unknown = DEFAULT_LINK_LIFETIME): string {
	const lifetime = String(value).trim();
	if (/^[1-9]\d{0,5} (minute|hour|day|week)s?$/.test(lifetime)) return lifetime;
	throw inputError(
		item,
		`'Link Lifetime' must be a time such as 1 hour or 7 days, but is ${showValue(value)}`,
		'Choose from the list, or make the expression return a number followed by minutes, hours, days or weeks.',
	);
}

function readOutput(item: ItemContext, parameters: IDataObject, format: ServerFormat): Output {
	const output = readChoice(
		{ item, label: 'Output', value: parameters.output },
		OUTPUTS.map(({ value }) => value),
	);
	if (findOutput(output)?.hasUrl && !format.hasLinks) {
		// An agent's tool returns links by default. If the server has none, n8n can serve them.
		if (item.isTool) return 'n8nLink';
		throw inputError(
			item,
			`'Output' is '${findOutput(output)?.name}', but ${format.name} servers give no links`,
			"Choose 'Image File', or 'Temporary Link' for a link that n8n serves.",
		);
	}
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
			'Enter a name for the binary field of the image, such as data.',
		);
	}
	if (field === '__proto__') {
		throw inputError(
			item,
			`'${label}' must not be __proto__`,
			'JavaScript cannot store a field of this name. Enter another one, such as data.',
		);
	}
	return field;
}

/** The seed of a variation: the item's seed plus the variation's index, unless the seed is a text or means "random". */
function seedOf(
	seed: unknown,
	variation: number,
	capabilities: ModelCapabilities | undefined,
): unknown {
	if (typeof seed !== 'number') return seed;
	return seed === 0 && capabilities?.seedZeroIsRandom ? seed : seed + variation;
}

function assertRoomForSeeds(item: ItemContext, seed: unknown, count: number): void {
	const last = SEED_RANGE.max - (count - 1);
	if (count === 1 || typeof seed !== 'number' || seed <= last) return;
	throw inputError(
		item,
		`'Seed' must be at most ${last} for ${count} images, but is ${seed}`,
		"The images take the seed, the seed plus 1 and so on. Lower 'Seed', or make fewer images.",
	);
}

/** Refuses one seed for several images, because the user would pay for the same image several times. */
function assertDifferentSeeds(item: ItemContext, seed: unknown, count: number): void {
	if (count === 1 || toNumber(seed) === undefined) return;
	throw inputError(
		item,
		`'Additional Body Fields' sets the same seed for ${count} images, which would all be identical`,
		"Remove seed from 'Additional Body Fields' and set 'Seed' under Options instead, which increases with each image.",
	);
}

/** Adds the user's own fields to the body. A field that is null removes the field of the same name. */
function mergeFields(body: BodyFields, additional: BodyFields): BodyFields {
	const merged = Object.entries({ ...body, ...additional });
	return Object.fromEntries(merged.filter(([name]) => additional[name] !== null));
}

function fileNameOf(
	item: ItemContext,
	{ fileName }: IDataObject,
	fields: BodyFields,
	inputImage: InputImage | undefined,
): string {
	const [subject, suffix] = inputImage
		? [inputImage.fileName.replace(/\.[^.]*$/, ''), '-edited']
		: [String(fields.prompt), ''];
	if (isUnset(fileName)) return descriptiveName(subject, suffix, item.itemIndex);
	assertScalar({ item, label: 'File Name', value: fileName });
	return safeName(String(fileName)) ?? descriptiveName(subject, suffix, item.itemIndex);
}

function readCount(item: ItemContext, { numberOfImages }: IDataObject): number {
	if (isUnset(numberOfImages)) return 1;
	return readNumber(
		{ item, label: 'Number of Images', value: numberOfImages },
		{ min: 1, max: MAX_IMAGES_PER_INPUT, isWhole: true },
		"Change 'Number of Images', or remove the option to make one.",
	);
}

function readMaxImages(item: ItemContext, { maxImagesPerRun }: IDataObject): number | undefined {
	if (isUnset(maxImagesPerRun)) return undefined;
	return readNumber(
		{ item, label: 'Max Images per Run', value: maxImagesPerRun },
		{ min: 1, isWhole: true },
		"Change 'Max Images per Run', or remove the option for no limit.",
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
		if ((toNumber(fields.n) ?? 1) > 1) {
			throw inputError(
				item,
				"'Additional Body Fields' asks for several images with n",
				"The node takes one image from each answer, so you would pay for the others without getting them. Remove n, and set 'Number of Images' under Options instead.",
			);
		}
		return fields;
	}
	throw inputError(
		item,
		"'Additional Body Fields' is not a JSON object",
		`Write an object such as { "num_inference_steps": 20 }, with the names in double quotes. The current value is ${showValue(parsed ?? additionalBodyFields)}.`,
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

function readRetryPolicy(
	item: ItemContext,
	options: IDataObject,
	{ value }: ServerFormat,
): RetryPolicy {
	const { maxTries, giveUpAfterSeconds } = RETRY_DEFAULTS;
	return {
		maxTries: readSetting(item, 'Max Tries', options.maxTries, maxTries, 1, true),
		// Limits the waits between tries too, so it must not exceed a timer's longest delay.
		maxElapsedMs: toMilliseconds(
			readSetting(item, 'Give Up After (Seconds)', options.giveUpAfter, giveUpAfterSeconds, 0),
		),
		// Other servers continue with an image after the client has disconnected, so a retry only lengthens their
		// queue.
		maxPaidRetries: value === 'stepfun' ? 1 : 0,
	};
}

function readSetting(
	item: ItemContext,
	label: string,
	value: unknown,
	defaultValue: number,
	min: number,
	isWhole = false,
): number {
	if (isUnset(value)) return defaultValue;
	return readNumber(
		{ item, label, value },
		{ min, isWhole },
		`Change '${label}', or remove the option to use ${defaultValue}.`,
	);
}

/** Converts seconds to the milliseconds of a timer, which has a longest delay. */
export function toMilliseconds(seconds: number): number {
	return Math.min(Math.round(seconds * 1000), MAX_TIMER_MS);
}
