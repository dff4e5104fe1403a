import type { IExecuteSingleFunctions } from 'n8n-workflow';

import { FORMATS, measureImage } from '../catalogue/formats';
import type { InputImageLimits } from '../catalogue/models';
import { inputError } from '../errors/inputError';
import type { InputImage } from './inputImage';
import { checkLimits } from './inputImageLimits';

/** Base64 characters that hold the header, wherever a format puts its size; a multiple of four. */
const HEADER_CHARACTERS = 4 * 350_000;

/**
 * Checks an image that stands in the item as Base64 text, or as a data URI.
 *
 * @param context the item's execution context
 * @param value what the field holds
 * @param model the model's ID, for messages
 * @param limits the model's limits
 * @throws NodeOperationError when it is empty, no Base64, no image, or beyond a limit
 */
export function inspectImageText(
	context: IExecuteSingleFunctions,
	value: unknown,
	model: string,
	limits: InputImageLimits | undefined,
): InputImage {
	if (typeof value !== 'string' || value.trim() === '') {
		throw inputError(
			context,
			"'Base64 Text' is empty",
			'Point the expression to the field that holds the image as Base64 text or as a data URI.',
		);
	}
	const text = value.replace(/^\s*data:[^,]*,/, '').replace(/\s+/g, '');
	const image = measureImage(Buffer.from(text.slice(0, HEADER_CHARACTERS), 'base64'));
	if (!image) {
		throw inputError(
			context,
			"'Base64 Text' does not hold an image that can be edited",
			'The text is not the Base64 of a PNG, JPEG, WebP or other raster image. Check that it was not cut off.',
		);
	}
	checkLimits(context, 'Base64 Text', image, Buffer.byteLength(text, 'base64'), model, limits);
	const { mimeType, extension } = FORMATS[image.format];
	const fileName = `image.${extension}`;
	return {
		fileName,
		read: async () => ({
			file: new Blob([Buffer.from(text, 'base64')], { type: mimeType }),
			fileName,
		}),
	};
}
