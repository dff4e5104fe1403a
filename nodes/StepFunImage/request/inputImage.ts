import type { IBinaryData, IExecutePaginationFunctions } from 'n8n-workflow';

import type { InputImageLimits } from '../catalogue/models';
import type { InputSource } from '../parameters/inputImage';
import type { DownloadRoute } from '../transport/download';
import { inspectBinaryFields } from './binaryFieldImage';
import { inspectImageText } from './textImage';
import { inspectImageUrl } from './urlImage';

/**
 * An image that waits for its item's turn. Until then it stays where it is: in n8n's store, behind its
 * address, or, if it came as text, in the item.
 */
export interface InputImage {
	/** What it is called, for the name of the result. */
	fileName: string;
	/**
	 * Reads it. Called anew for each try.
	 *
	 * @param signal ends the reading early
	 */
	read(signal: AbortSignal): Promise<ReadImage>;
}

export interface ReadImage {
	/** The image; its type is taken from the image itself, not from what anybody claims. */
	file: Blob;
	fileName: string;
}

/**
 * Finds the images that an item wants to have edited and checks what can be checked before they are
 * read.
 *
 * @param context the item's execution context
 * @param model the model's ID, for messages
 * @param limits the model's limits; without them only images are asked for
 * @param timeoutMs how long a download may take
 * @param route the way out of this n8n for downloads, as Request Options set it
 * @throws NodeOperationError for what is missing, no image, or beyond a limit
 */
export async function inspectInputImages(
	context: IExecutePaginationFunctions,
	model: string,
	limits: InputImageLimits | undefined,
	timeoutMs: number,
	route: DownloadRoute,
): Promise<InputImage[]> {
	const source = context.getNodeParameter('inputSource', 'binary') as InputSource;
	switch (source) {
		case 'url':
			return [
				inspectImageUrl(
					context,
					context.getNodeParameter('inputUrl', ''),
					model,
					limits,
					timeoutMs,
					route,
				),
			];
		case 'text':
			return [inspectImageText(context, context.getNodeParameter('inputText', ''), model, limits)];
		default: {
			const field = context.getNodeParameter('binaryPropertyName', 'data');
			return await inspectBinaryFields(
				context,
				// n8n's expressions can hand over the file itself.
				typeof field === 'object' && field !== null
					? (field as unknown as IBinaryData)
					: String(field).trim(),
				model,
				limits,
			);
		}
	}
}
