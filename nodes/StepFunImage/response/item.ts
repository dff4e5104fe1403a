import type {
	IBinaryKeyData,
	IDataObject,
	IExecuteSingleFunctions,
	INodeExecutionData,
} from 'n8n-workflow';

import { currencyOf } from '../catalogue/hosts';
import { findModel } from '../catalogue/models';
import { OUTPUTS_WITH_FILE, OUTPUTS_WITH_N8N_LINK } from '../parameters/output';
import type { ImageRequest, ResultOptions } from '../request/prepareRequest';
import type { Answer } from './answer';
import { besideInput } from './besideInput';
import type { StoredImage } from './image';

/** What one successful request brought. */
export interface Delivery {
	answer: Answer;
	image?: StoredImage;
	/** The `X-Trace-Id` header, which StepFun's support asks for. */
	traceId?: string;
	/** How often the request was sent. */
	tries: number;
}

/** One request's part of what leaves the node. */
export interface Result {
	json: IDataObject;
	binary?: IBinaryKeyData;
}

/**
 * What a successful request puts into an item.
 *
 * @param context the item's execution context
 * @param request what was asked for
 * @param delivery what came
 * @param options how the item's images leave the node
 */
export function toResult(
	context: IExecuteSingleFunctions,
	request: ImageRequest,
	delivery: Delivery,
	options: ResultOptions,
): Result {
	const { answer, traceId, tries } = delivery;
	// Some servers send the image beside the link, whatever they were asked for.
	const image = request.output === 'url' && answer.url ? undefined : delivery.image;
	const wantsLink = OUTPUTS_WITH_N8N_LINK.includes(request.output);
	// n8n can serve what is in its store, but not what it keeps in memory.
	const link =
		wantsLink && image?.binaryData.id
			? context.helpers.createBinarySignedUrl(
					image.binaryData,
					options.linkLifetime as Parameters<typeof context.helpers.createBinarySignedUrl>[1],
				)
			: undefined;
	const keepsFile =
		image !== undefined && (link === undefined || OUTPUTS_WITH_FILE.includes(request.output));
	return {
		json: {
			model: request.model,
			seed: answer.seed ?? null,
			finishReason: answer.finishReason ?? null,
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
			...(answer.url ? { url: answer.url } : {}),
			...(wantsLink ? { link: link ?? null } : {}),
			...costOf(request),
			created: answer.created ?? null,
			id: answer.id ?? null,
			traceId: traceId ?? null,
			tries,
		},
		...(keepsFile ? { binary: { [request.outputField]: image.binaryData } } : {}),
	};
}

/** The catalogue's price where the address charges by the image; the account's bill is what counts. */
function costOf({ model, options }: ImageRequest): IDataObject {
	const currency = currencyOf(options.baseURL ?? '');
	const price = currency && findModel(model)?.pricePerImage?.[currency];
	return price ? { estimatedCost: { amount: price, currency: currency.toUpperCase() } } : {};
}

/**
 * The items that leave the node for one input item.
 *
 * @param context the item's execution context
 * @param results one for each request of the item that succeeded, in their order
 * @param options how the item's images leave the node
 * @param options.asksForSeveral whether the item made several requests: one item for all of them has
 * the same shape however many succeed
 */
export function toItems(
	context: IExecuteSingleFunctions,
	results: Result[],
	options: ResultOptions & { asksForSeveral: boolean },
): INodeExecutionData[] {
	if (results.length === 0) return [];
	const asItem = (result: Result): INodeExecutionData =>
		besideInput(context, result, options.includeInputFields);
	if (options.severalImagesAs === 'items' || !options.asksForSeveral) return results.map(asItem);

	return [
		asItem({
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
