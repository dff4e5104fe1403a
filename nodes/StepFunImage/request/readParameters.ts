import type { IDataObject } from 'n8n-workflow';

import {
	findModel,
	OPERATION_NAMES,
	OPERATIONS,
	SEED_RANGE,
	type ModelCapabilities,
	type Operation,
} from '../catalogue/models';
import type { OutputForm } from '../catalogue/outputs';
import type { ServerFormat } from '../catalogue/serverFormats';
import { decodeUrl } from '../catalogue/services';
import { Refusal } from '../errors/nodeErrors';
import { descriptiveName, safeName } from '../image/fileName';
import type { Credential } from '../transport/credential';
import { readAdditionalBodyFields } from './additionalBodyFields';
import { readBodyFields } from './bodyFields';
import { assertCredential } from './credentialRules';
import { resolveInputImages } from './inputImage';
import { readLimits, readOutputField, readOutputOptions } from './options';
import { findOperation, valueAt, type Routing } from './routing';
import { assertOperation, encodeFields, expectedSize, randomSeed } from './serverFormat';
import type { BodyFields, InputImage, ItemContext } from './types';
import { readChoice, readText, toNumber } from './validators';

/** The requests of an item, and what belongs to all of them. */
export type ItemRequests = Awaited<ReturnType<typeof readImageRequests>>;

/** A valid request for one image. It stays small while it waits, unless the item contains the input image as text. */
export type ImageRequest = ItemRequests['requests'][number];

/**
 * Turns an item's parameters into valid requests, without sending anything.
 *
 * @param cancelSignal aborts when the user stops the execution
 * @returns one request for each image: all variations of the first input image, then those of the next
 * @throws Refusal for invalid parameters
 */
export async function readImageRequests(
	item: ItemContext,
	parameters: IDataObject,
	routing: Routing,
	credential: Credential,
	cancelSignal: AbortSignal,
) {
	readChoice({ label: 'Resource', value: parameters.resource }, ['image', 'account']);
	const operation = readChoice({ label: 'Operation', value: parameters.operation }, OPERATIONS);
	const options = (parameters.options ?? {}) as IDataObject;
	const { format, ignoreSslIssues } = credential;

	assertNoUnresolvedExpressions(item, routing);
	assertCredential(credential);
	assertOperation(format, operation);
	const model = readText(
		{ label: 'Model', value: valueOfLocator(parameters.model) },
		'Choose a model from the list, or check that the expression returns the ID of a model for this item.',
	);
	// The catalogue's limits apply to StepFun's models only where StepFun serves them.
	const capabilities = format.hasStepFunModels ? findCapabilities(model, operation) : undefined;
	const outputOptions = readOutputOptions(item, parameters, options, format);
	const { output, severalImagesAs } = outputOptions;
	const additionalFields = readAdditionalBodyFields(options, operation);
	const fields: BodyFields = {
		...readBodyFields(routing.fields, parameters, operation, model, capabilities),
		...responseFormatFor(output, format),
	};
	// Replaced before `encodeFields`, because some formats append settings to the prompt.
	if (typeof additionalFields.prompt === 'string') {
		fields.prompt = additionalFields.prompt;
		delete additionalFields.prompt;
	}
	const outputField = readOutputField(parameters.outputField, output);
	const { count, maxImagesPerRun, timeouts, retryPolicy } = readLimits(options, format);
	const rules = { model, limits: capabilities?.inputImage, timeouts, ignoreSslIssues };
	const inputImages =
		operation === 'generate'
			? [undefined]
			: await resolveInputImages(item, parameters, rules, cancelSignal);
	if (count > 1) assertSeeds(fields.seed, additionalFields.seed, count, capabilities);
	const isMultiImage = inputImages.length * count > 1;

	const requests = inputImages.flatMap((inputImage, imageIndex) => {
		const fileName = fileNameOf(item, options, fields, inputImage);
		return Array.from({ length: count }, (_, variation) => {
			const number = imageIndex * count + variation + 1;
			const seed = seedOf(fields.seed, variation, format, capabilities);
			const body = encodeFields(format, { ...fields, seed }, routing.fields, additionalFields);
			return {
				operation,
				...findOperation(routing, `image ${operation}`),
				credential,
				model: typeof body.model === 'string' ? body.model : model,
				/** Without the settings that the prompt in the body may contain. */
				prompt: String(fields.prompt ?? ''),
				seed: toNumber(additionalFields.seed === undefined ? seed : additionalFields.seed),
				expectedSize: expectedSize(format, capabilities, body.size),
				/** The body without the input image, in the server's own names. */
				fields: body,
				inputImage,
				outputField:
					isMultiImage && severalImagesAs === 'fields' ? `${outputField}_${number}` : outputField,
				/** Without extension. */
				fileName: isMultiImage ? `${fileName}-${number}` : fileName,
				/** The number of the image among the item's several images. */
				variation: isMultiImage ? number : undefined,
				timeouts,
				retryPolicy,
			};
		});
	});
	return { requests, outputOptions, maxImagesPerRun };
}

/** The types of the fields that contain text. */
const TEXT_TYPES = ['string', 'json', 'resourceLocator'];

/** Refuses an expression in a field that is set to Fixed: n8n would send the braces instead of resolving it. */
function assertNoUnresolvedExpressions({ node }: ItemContext, { fields }: Routing): void {
	for (const { label, path, type } of fields) {
		// An agent may read braces in the description of its tool.
		if (!TEXT_TYPES.includes(type) || path[0] === 'toolDescription') continue;
		const value = valueOfLocator(valueAt(node.parameters, path));
		if (typeof value !== 'string' || value.startsWith('=')) continue;
		const start = value.indexOf('{{');
		const end = value.indexOf('}}', start);
		if (start === -1 || end === -1) continue;
		throw new Refusal(
			`'${label}' contains ${value.slice(start, Math.min(end + 2, start + 60))}, which n8n does not resolve because the field is set to Fixed`,
			`Switch the field to Expression: hover over '${label}' and select Expression.`,
		);
	}
}

/** The value of a resource locator such as Model. Older workflows contain the value itself. */
function valueOfLocator(field: unknown): unknown {
	return typeof field === 'object' && field !== null && 'value' in field ? field.value : field;
}

/** The `response_format` for an output, if the server accepts it. */
function responseFormatFor({ hasUrl }: OutputForm, { responseFormats }: ServerFormat): BodyFields {
	const wanted = hasUrl ? 'url' : 'b64_json';
	return responseFormats.includes(wanted) ? { response_format: wanted } : {};
}

function findCapabilities(id: string, operation: Operation): ModelCapabilities | undefined {
	const model = findModel(id);
	if (!model) return undefined;
	const capabilities = model.operations[operation];
	if (capabilities) return capabilities;
	const offered = (Object.keys(model.operations) as Operation[])
		.map((each) => OPERATION_NAMES[each])
		.join(' and ');
	throw new Refusal(
		`The model ${id} does not offer ${OPERATION_NAMES[operation]}`,
		`${id} offers: ${offered}. Choose another model, or another operation.`,
	);
}

/**
 * The seed of a variation: the item's seed plus the variation's index, unless the seed is a text or means "random".
 * Negative seeds do so on many servers.
 */
function seedOf(
	seed: unknown,
	variation: number,
	format: ServerFormat,
	capabilities: ModelCapabilities | undefined,
): unknown {
	if (seed === undefined) return randomSeed(format);
	const isRandom = (value: number) => value < 0 || (value === 0 && capabilities?.seedZeroIsRandom);
	return typeof seed !== 'number' || isRandom(seed) ? seed : seed + variation;
}

/** Refuses seeds of several images that exceed the range, or that make all images identical. */
function assertSeeds(
	seed: unknown,
	additionalSeed: unknown,
	count: number,
	capabilities: ModelCapabilities | undefined,
): void {
	const last = SEED_RANGE.max - (count - 1);
	if (capabilities && typeof seed === 'number' && seed > last) {
		throw new Refusal(
			`'Seed' must be at most ${last} for ${count} images, but is ${seed}`,
			"The images use the seed, the seed plus 1 and so on. Lower 'Seed', or make fewer images.",
		);
	}
	if ((toNumber(additionalSeed) ?? -1) >= 0) {
		throw new Refusal(
			`'Additional Body Fields' sets the same seed for ${count} images, which would all be identical`,
			"Remove seed from 'Additional Body Fields' and set 'Seed' under Options instead, which increases with each image.",
		);
	}
}

function fileNameOf(
	{ itemIndex, runIndex }: ItemContext,
	{ fileName }: IDataObject,
	fields: BodyFields,
	inputImage: InputImage | undefined,
): string {
	// n8n's HTTP Request node names a file as its address does, such as red%20shoe.jpg.
	const [subject, suffix] = inputImage
		? [decodeUrl(inputImage.name).replace(/\.[^.]*$/, ''), '-edited']
		: [String(fields.prompt), ''];
	const entered = readText({ label: 'File Name', value: fileName });
	// In a loop, the numbers of the items start again with each run of the node.
	const run = runIndex > 0 ? `-run${runIndex + 1}` : '';
	return safeName(entered) ?? descriptiveName(subject, suffix + run, itemIndex);
}
