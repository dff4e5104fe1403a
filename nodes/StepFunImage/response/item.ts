import type { IDataObject, INodeExecutionData } from 'n8n-workflow';

import type { ImageRequest } from '../request/prepareRequest';
import type { Answer } from './answer';
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

/**
 * The item that leaves the node.
 *
 * @param request what was asked for
 * @param delivery what came
 * @param itemIndex the input item that it belongs to
 */
export function toItem(
	request: ImageRequest,
	delivery: Delivery,
	itemIndex: number,
): INodeExecutionData {
	const { answer, traceId, tries } = delivery;
	// Some servers send the image beside the link, whatever they were asked for.
	const image = request.output === 'url' && answer.url ? undefined : delivery.image;
	const json: IDataObject = {
		model: request.model,
		seed: answer.seed ?? null,
		finishReason: answer.finishReason ?? null,
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
		created: answer.created ?? null,
		id: answer.id ?? null,
		traceId: traceId ?? null,
		tries,
	};
	return {
		json,
		...(image ? { binary: { [request.outputField]: image.binaryData } } : {}),
		pairedItem: { item: itemIndex },
	};
}
