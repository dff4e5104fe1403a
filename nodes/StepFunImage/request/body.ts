import type { IExecuteSingleFunctions, IHttpRequestOptions } from 'n8n-workflow';

import type { InputImage } from './inputImage';
import type { RequestFields } from './fields';

/**
 * The body of one sending: JSON for Generate, multipart/form-data with the image for Edit. It is made
 * anew for each try, when the item's turn has come, so that no image waits in memory.
 *
 * @param context the item's execution context
 * @param fields the fields to send
 * @param inputImage the image to send with them, if the operation has one
 */
export async function makeBody(
	context: IExecuteSingleFunctions,
	fields: RequestFields,
	inputImage: InputImage | undefined,
): Promise<Pick<IHttpRequestOptions, 'body' | 'json'>> {
	if (!inputImage) return { body: fields, json: true };

	// The type knows only field names; n8n takes a file from an expression as well.
	const image = await context.helpers.getBinaryDataBuffer(inputImage.source as string);
	const form = new FormData();
	for (const [name, value] of Object.entries(fields)) form.append(name, String(value));
	form.append(
		'image',
		new Blob([image as Uint8Array<ArrayBuffer>], { type: inputImage.mimeType }),
		inputImage.fileName,
	);
	// n8n declares the type of the form-data package; its request helper takes the native one as well.
	return { body: form as unknown as IHttpRequestOptions['body'] };
}
