import type { IBinaryKeyData, IDataObject, INodeExecutionData } from 'n8n-workflow';

import { findModel } from '../catalogue/models';
import { findOutput } from '../catalogue/outputs';
import { currencyOf } from '../catalogue/services';
import type { RequestFailure } from '../errors/requestFailure';
import type { ImageResponse } from '../image/responseReader';
import type { StoredImage } from '../image/store';
import type { ImageRequest, IncludeInput, ItemContext, OutputOptions } from '../request/types';

/** Larger numbers are milliseconds: as seconds, they would be after the year 5138. */
const MAX_SECONDS = 1e11;

/** An amount of money, such as 0.02 CNY. */
export interface Cost {
	amount: number;
	currency: string;
}

/** The result of a successful request. */
export interface ImageResult {
	response: ImageResponse;
	image?: StoredImage;
	/** The `X-Trace-Id` header, which StepFun's support asks for. */
	traceId?: string;
	/** How many times the request was sent. */
	tries: number;
	/** A hash of the image's bytes, if the item has several images. */
	digest?: string;
}

/** One request's part of an output item. */
export interface RequestResult {
	json: IDataObject;
	binary?: IBinaryKeyData;
}

/** Turns the result of a successful request into its part of an output item. */
export function toResult(
	{ functions }: Pick<ItemContext, 'functions'>,
	request: ImageRequest,
	result: ImageResult,
	{ output, linkLifetime }: OutputOptions,
): RequestResult {
	const { response, traceId, tries } = result;
	const { redactor } = request.credential;
	const { hasFile = false, hasN8nLink = false } = findOutput(output) ?? {};
	// Some servers send the image along with the link, whatever the request says.
	const image = output === 'url' && response.url ? undefined : result.image;
	// n8n cannot serve images that it keeps in memory instead of its store.
	const link =
		hasN8nLink && image?.binaryData.id
			? functions.helpers.createBinarySignedUrl(
					image.binaryData,
					linkLifetime as Parameters<typeof functions.helpers.createBinarySignedUrl>[1],
				)
			: undefined;
	const keepsFile = image !== undefined && (link === undefined || hasFile);
	const shown = (text: string | undefined) => (text === undefined ? null : redactor.text(text));
	const seed = response.seed ?? request.seed ?? null;
	return {
		json: {
			prompt: request.prompt,
			model: request.model,
			...(request.variation === undefined ? {} : { variation: request.variation }),
			seed,
			...(image
				? {
						width: image.width,
						height: image.height,
						fileName: image.fileName,
						mimeType: image.mimeType,
						fileSize: image.fileSize,
					}
				: {}),
			...(response.url ? { url: redactor.link(response.url) } : {}),
			...(hasN8nLink ? { link: link ?? null } : {}),
			...(findDifference(request, result) ?? {}),
			...costOf(request),
			finishReason: shown(response.finishReason),
			created: response.created === undefined ? null : toIsoDate(response.created),
			tries,
			id: shown(response.id),
			traceId: shown(traceId),
		},
		...(keepsFile ? { binary: { [request.outputField]: image.binaryData } } : {}),
	};
}

/**
 * Compares the size and the seed of an image with the request.
 *
 * @returns the requested values as fields of the item; `undefined` if nothing differs
 */
export function findDifference(
	{ expectedSize, seed }: ImageRequest,
	{ image, response }: Pick<ImageResult, 'image' | 'response'>,
): { requestedSize?: string; requestedSeed?: number } | undefined {
	const hasOtherSize =
		expectedSize &&
		image &&
		image.width !== null &&
		(image.width !== expectedSize.width || image.height !== expectedSize.height);
	const hasOtherSeed =
		seed !== undefined && seed !== 0 && response.seed !== undefined && response.seed !== seed;
	if (!hasOtherSize && !hasOtherSeed) return undefined;
	return {
		...(hasOtherSize ? { requestedSize: `${expectedSize.width}x${expectedSize.height}` } : {}),
		...(hasOtherSeed ? { requestedSeed: seed } : {}),
	};
}

/** Converts the API's seconds since 1970 to an ISO date. */
function toIsoDate(seconds: number): string | null {
	// Some servers send milliseconds.
	const isInMilliseconds = seconds > MAX_SECONDS;
	const date = new Date(isInMilliseconds ? seconds : seconds * 1000);
	return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** The catalogue's price as a field of the item, if the service charges by the image. The account's bill may differ. */
function costOf(request: ImageRequest): IDataObject {
	const cost = estimateCost(request);
	return cost ? { estimatedCost: { ...cost } } : {};
}

/** The catalogue's price of an image; `undefined` for a subscription, or a server whose prices are not known. */
export function estimateCost({
	model,
	credential,
}: Pick<ImageRequest, 'model' | 'credential'>): Cost | undefined {
	const currency = currencyOf(credential.baseUrl);
	const amount = currency && findModel(model)?.pricePerImage?.[currency];
	return amount ? { amount, currency: currency.toUpperCase() } : undefined;
}

/**
 * Turns a moderated request into its part of an output item, so that the workflow can branch on `finishReason`:
 * `content_filtered` if an image was made and withheld, `refused` if none was made.
 */
export function toModeratedResult(request: ImageRequest, failure: RequestFailure): RequestResult {
	const { seed, text = '', id, traceId, tries } = failure.details;
	const { redactor } = request.credential;
	const wasMade = failure.kind === 'contentFiltered';
	return {
		json: {
			prompt: request.prompt,
			model: request.model,
			...(request.variation === undefined ? {} : { variation: request.variation }),
			seed: wasMade ? (seed ?? request.seed ?? null) : null,
			finishReason: wasMade ? 'content_filtered' : 'refused',
			moderation: wasMade ? null : redactor.text(text),
			charged: wasMade,
			tries: tries ?? 1,
			id: id === undefined ? null : redactor.text(id),
			traceId: traceId === undefined ? null : redactor.text(traceId),
		},
	};
}

/**
 * The output items of one input item.
 *
 * @param results the results of the item's successful requests, in order
 * @param options.isMultiImage whether the item made several requests. The shape of a combined item then stays the same
 * if only one of them succeeds.
 */
export function toItems(
	itemIndex: number,
	input: INodeExecutionData,
	results: RequestResult[],
	options: OutputOptions & { isMultiImage: boolean },
): INodeExecutionData[] {
	if (results.length === 0) return [];
	const toItem = (result: RequestResult) =>
		mergeInput(itemIndex, input, options.includeInput, result);
	if (options.severalImagesAs === 'items' || !options.isMultiImage) return results.map(toItem);

	return [
		toItem({
			json: {
				images: results.map(({ json, binary }) => ({
					...json,
					...(binary ? { field: Object.keys(binary)[0] } : {}),
				})),
			},
			binary: Object.assign({}, ...results.map(({ binary }) => binary)) as IBinaryKeyData,
		}),
	];
}

/**
 * An output item: a result, and the included parts of the input.
 *
 * @param result its fields replace fields of the input with the same name
 */
export function mergeInput(
	itemIndex: number,
	input: INodeExecutionData,
	includeInput: IncludeInput,
	{ json, binary }: RequestResult,
): INodeExecutionData {
	const files = { ...(includeInput === 'jsonAndFiles' ? input.binary : {}), ...binary };
	return {
		json: { ...(includeInput === 'nothing' ? {} : withoutError(input.json)), ...json },
		...(Object.keys(files).length > 0 ? { binary: files } : {}),
		pairedItem: { item: itemIndex },
	};
}

/** n8n treats an item with a field named `error` as failed, so Retry On Fail would run the node, and pay, again. */
function withoutError(json: IDataObject): IDataObject {
	if (!('error' in json)) return json;
	const { error, ...others } = json;
	return { ...others, inputError: error };
}
