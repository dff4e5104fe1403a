import type { IBinaryKeyData, IDataObject, INodeExecutionData } from 'n8n-workflow';

import { withoutError } from '../errors/nodeErrors';
import type { Charge, RequestFailure } from '../errors/requestFailure';
import type { ImageResponse } from '../image/responseFields';
import type { StoredImage } from '../image/store';
import type { IncludeInput, OutputOptions } from '../request/options';
import type { ImageRequest } from '../request/readParameters';
import type { ItemContext } from '../request/types';
import { estimateCost } from './costs';

/** Larger numbers are milliseconds: as seconds, they would be after the year 5138. */
const MAX_SECONDS = 1e11;

/** The fields by which a result of this node is recognized. */
const RESULT_FIELDS = ['prompt', 'model', 'seed', 'finishReason', 'tries', 'id', 'traceId'];

/** The fields that are false for another image, and that not every output item replaces. */
const OUTCOMES = [
	'width',
	'height',
	'mimeType',
	'fileSize',
	'otherUrls',
	'requestedSize',
	'requestedSeed',
	'estimatedCost',
	'finishReason',
	'moderation',
	'charged',
	'created',
	'tries',
	'traceId',
];

/** The result of a successful request. */
export interface ImageResult {
	response: ImageResponse;
	image?: StoredImage;
	/** The `X-Trace-Id` header, which StepFun's support asks for. */
	traceId?: string;
	/** How many times the request was sent. */
	tries: number;
	/** Whether a try before the last one was charged. */
	earlierCharge?: Charge;
}

/** Turns the result of a successful request into its part of an output item. */
export function toResult(
	{ functions, isTool }: ItemContext,
	request: ImageRequest,
	result: ImageResult,
	{ output, linkLifetime }: OutputOptions,
): INodeExecutionData {
	const { response, traceId, tries } = result;
	const { redactor } = request.credential;
	// Some servers send the image along with the link, whatever the request says.
	const image = output.value === 'url' && response.url ? undefined : result.image;
	// Others send only the image. An agent gets nothing but texts, so n8n serves a link instead.
	const hasN8nLink =
		output.hasN8nLink ||
		(isTool && response.url === undefined && 'createBinarySignedUrl' in functions.helpers);
	// n8n cannot serve images that it keeps in memory instead of its store.
	const link =
		hasN8nLink && image?.binaryData.id
			? functions.helpers.createBinarySignedUrl(
					image.binaryData,
					linkLifetime as Parameters<typeof functions.helpers.createBinarySignedUrl>[1],
				)
			: undefined;
	const otherUrls = (response.others ?? []).filter((each) => each !== undefined);
	const keepsFile = image !== undefined && (link === undefined || output.hasFile);
	const details = {
		seed: response.seed ?? request.seed ?? null,
		width: image?.width,
		height: image?.height,
		fileName: image?.fileName,
		mimeType: image?.mimeType,
		fileSize: image?.fileSize,
		url: response.url ? redactor.link(response.url) : missing(output.hasUrl, isTool),
		otherUrls: otherUrls.length > 0 ? otherUrls.map(redactor.link) : undefined,
		link: hasN8nLink ? (link ?? null) : undefined,
		...findDifference(request, result),
		// The account's bill may differ.
		estimatedCost: estimateCost(request),
		finishReason: response.finishReason === undefined ? null : redactor.text(response.finishReason),
		created: response.created === undefined ? null : toIsoDate(response.created),
	};
	return {
		json: describeOutcome(request, { ...response, traceId, tries }, details),
		...(keepsFile ? { binary: { [request.outputField]: image.binaryData } } : {}),
	};
}

/** A field without a value is not left out, because the item would keep its input's field of the same name. */
function missing(isWanted: boolean | undefined, isTool: boolean): null | undefined {
	return isWanted && !isTool ? null : undefined;
}

/** The JSON of a response: what was asked for, what came back, and the IDs that StepFun's support asks for. */
function describeOutcome(
	{ prompt, model, variation, credential }: ImageRequest,
	{ tries = 1, id, traceId }: { tries?: number; id?: string; traceId?: string },
	details: IDataObject,
): IDataObject {
	const shown = (text?: string) => (text === undefined ? null : credential.redactor.text(text));
	const ids = { tries, id: shown(id), traceId: shown(traceId) };
	const json: IDataObject = { prompt, model, variation, ...details, ...ids };
	return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== undefined));
}

/** The requested size and seed of an image as fields of its item, where they differ from what came. */
function findDifference({ expectedSize, seed }: ImageRequest, { image, response }: ImageResult) {
	const hasOtherSize =
		expectedSize &&
		image &&
		image.width !== null &&
		(image.width !== expectedSize.width || image.height !== expectedSize.height);
	// With 0 or a negative seed, many servers choose one themselves.
	const isFixedSeed = seed !== undefined && seed > 0;
	const hasOtherSeed = isFixedSeed && response.seed !== undefined && response.seed !== seed;
	return {
		requestedSize: hasOtherSize ? `${expectedSize.width}x${expectedSize.height}` : undefined,
		requestedSeed: hasOtherSeed ? seed : undefined,
	};
}

/** Converts the API's seconds since 1970 to an ISO date. */
function toIsoDate(seconds: number): string | null {
	// Some servers send milliseconds.
	const isInMilliseconds = seconds > MAX_SECONDS;
	const date = new Date(isInMilliseconds ? seconds : seconds * 1000);
	return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/**
 * Turns a moderated request into its part of an output item, so that the workflow can branch on `finishReason`:
 * `content_filtered` if an image was made and withheld, `refused` if none was made.
 */
export function toModeratedResult(
	{ isTool }: ItemContext,
	request: ImageRequest,
	failure: RequestFailure,
	{ output }: OutputOptions,
): INodeExecutionData {
	const { details } = failure;
	const { text } = details;
	const wasMade = failure.charge === 'yes';
	return {
		json: describeOutcome(request, details, {
			seed: wasMade ? (details.seed ?? null) : null,
			url: missing(output.hasUrl, isTool),
			link: missing(output.hasN8nLink, isTool),
			finishReason: wasMade ? 'content_filtered' : 'refused',
			moderation: text === undefined ? null : request.credential.redactor.text(text),
			charged: wasMade || details.earlierCharge === 'yes',
		}),
	};
}

/** The output items of one input item. `isMultiImage` keeps the shape of a combined item if only one request succeeds. */
export function toItems(
	item: ItemContext,
	results: INodeExecutionData[],
	options: OutputOptions & { isMultiImage: boolean },
): INodeExecutionData[] {
	if (results.length === 0) return [];
	const others = withoutOutcome(item);
	const toItem = (result: INodeExecutionData) => mergeInput(others, options.includeInput, result);
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

/** An output item: a result, and the included parts of the input, whose fields it replaces. */
export function mergeInput(
	item: ItemContext,
	includeInput: IncludeInput,
	{ json, binary }: INodeExecutionData,
): INodeExecutionData {
	const { itemIndex, input } = item;
	const files = { ...(includeInput === 'jsonAndFiles' ? input.binary : {}), ...binary };
	return {
		json: { ...keptJson(item, includeInput), ...json },
		...(Object.keys(files).length > 0 ? { binary: files } : {}),
		pairedItem: { item: itemIndex },
	};
}

/** Removes what an earlier node of this type says of the outcome of its own request, which is false for another image. */
export function withoutOutcome(item: ItemContext): ItemContext {
	const { input } = item;
	const isResult = RESULT_FIELDS.every((name) => Object.hasOwn(input.json ?? {}, name));
	if (!isResult) return item;
	const kept = Object.entries(input.json).filter(([name]) => !OUTCOMES.includes(name));
	return { ...item, input: { ...input, json: Object.fromEntries(kept) as IDataObject } };
}

function keptJson({ functions, input }: ItemContext, includeInput: IncludeInput): IDataObject {
	// Code of the user may return items of any kind.
	if (includeInput === 'nothing' || typeof input.json !== 'object') return {};
	const json = withoutError(input.json);
	// n8n treats an item with a field named `error` as failed, so Retry On Fail would run the node, and pay, again.
	if ('error' in json) {
		json.inputError = json.error;
		delete json.error;
	}
	// The workflow's setting puts files into the JSON. If those of the input stayed, a moderated item would seem to have a
	// result, and a later Edit of all images would pay for the input again. Older n8n releases have no such setting.
	if (includeInput === 'json' && functions.getWorkflowSettings?.().binaryMode === 'combined') {
		delete json._files;
	}
	return json;
}
