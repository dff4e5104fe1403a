import type { IBinaryKeyData, IDataObject, INodeExecutionData } from 'n8n-workflow';

import { findModel } from '../catalogue/models';
import { findOutput } from '../catalogue/outputs';
import { currencyOf } from '../catalogue/services';
import type { RequestFailure } from '../errors/requestFailure';
import type { ImageResponse } from '../image/responseReader';
import type { StoredImage } from '../image/store';
import type { ImageRequest, ItemContext, OutputOptions } from '../request/types';

/** What one successful request brought. */
export interface ImageResult {
	response: ImageResponse;
	image?: StoredImage;
	/** The `X-Trace-Id` header, which StepFun's support asks for. */
	traceId?: string;
	/** How often the request was sent. */
	tries: number;
}

/** One request's part of what leaves the node. */
export interface RequestResult {
	json: IDataObject;
	binary?: IBinaryKeyData;
}

/**
 * What a successful request puts into an item.
 *
 * @param request what was asked for
 * @param result what came
 */
export function toResult(
	{ functions }: Pick<ItemContext, 'functions'>,
	request: ImageRequest,
	result: ImageResult,
	{ output, linkLifetime }: OutputOptions,
): RequestResult {
	const { response, traceId, tries } = result;
	const { redactor } = request.credential;
	const { hasFile = false, hasN8nLink = false } = findOutput(output) ?? {};
	// Some servers send the image beside the link, whatever they were asked for.
	const image = output === 'url' && response.url ? undefined : result.image;
	// n8n can serve what is in its store, but not what it keeps in memory.
	const link =
		hasN8nLink && image?.binaryData.id
			? functions.helpers.createBinarySignedUrl(
					image.binaryData,
					linkLifetime as Parameters<typeof functions.helpers.createBinarySignedUrl>[1],
				)
			: undefined;
	const keepsFile = image !== undefined && (link === undefined || hasFile);
	const shown = (text: string | undefined) => (text === undefined ? null : redactor.text(text));
	return {
		json: {
			model: request.model,
			seed: response.seed ?? null,
			finishReason: shown(response.finishReason),
			...(request.variation === undefined ? {} : { variation: request.variation }),
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
			...costOf(request),
			created: response.created ?? null,
			id: shown(response.id),
			traceId: shown(traceId),
			tries,
		},
		...(keepsFile ? { binary: { [request.outputField]: image.binaryData } } : {}),
	};
}

/** The catalogue's price where the address charges by the image; the account's bill is what counts. */
function costOf({ model, credential }: ImageRequest): IDataObject {
	const currency = currencyOf(credential.baseUrl);
	const price = currency && findModel(model)?.pricePerImage?.[currency];
	return price ? { estimatedCost: { amount: price, currency: currency.toUpperCase() } } : {};
}

/**
 * What a moderated request puts into an item, so that the workflow can branch on `finishReason`:
 * `content_filtered` when an image was made and held back, `refused` when none was made.
 */
export function toModeratedResult(request: ImageRequest, failure: RequestFailure): RequestResult {
	const { seed, text = '', id, traceId, tries } = failure.details;
	const { redactor } = request.credential;
	const wasMade = failure.kind === 'contentFiltered';
	return {
		json: {
			model: request.model,
			seed: wasMade ? (seed ?? null) : null,
			finishReason: wasMade ? 'content_filtered' : 'refused',
			moderation: wasMade ? null : redactor.text(text),
			charged: wasMade,
			id: id === undefined ? null : redactor.text(id),
			traceId: traceId === undefined ? null : redactor.text(traceId),
			tries: tries ?? 1,
		},
	};
}

/**
 * The items that leave the node for one input item.
 *
 * @param results one for each request of the item that succeeded, in their order
 * @param options.isSeveral whether the item made several requests: one item for all of them has the same shape however
 * many succeed
 */
export function toItems(
	itemIndex: number,
	input: INodeExecutionData,
	results: RequestResult[],
	options: OutputOptions & { isSeveral: boolean },
): INodeExecutionData[] {
	if (results.length === 0) return [];
	const toItem = (result: RequestResult) =>
		mergeInput(itemIndex, options.includeInputFields ? input : undefined, result);
	if (options.severalImagesAs === 'items' || !options.isSeveral) return results.map(toItem);

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
 * An item that leaves the node: a result, and the input's fields and files beside it if they are wanted.
 *
 * @param input the input item; without it the result stands alone
 * @param result replaces the input's fields of the same name
 */
export function mergeInput(
	itemIndex: number,
	input: INodeExecutionData | undefined,
	{ json, binary }: RequestResult,
): INodeExecutionData {
	const files = { ...input?.binary, ...binary };
	return {
		json: { ...input?.json, ...json },
		...(Object.keys(files).length > 0 ? { binary: files } : {}),
		pairedItem: { item: itemIndex },
	};
}
