import type { IHttpRequestOptions } from 'n8n-workflow';

import type { Operation } from '../catalogue/models';
import type { ReadImage } from './inputImage';
import type { RequestFields } from './fields';

/**
 * The body of one sending: JSON for Generate, multipart/form-data with the image for Edit, JSON with the
 * image as a data URI for Image to Image.
 *
 * @param operation what the body is for
 * @param fields the fields to send
 * @param image the image to send with them, if the operation has one
 */
export async function makeBody(
	operation: Operation,
	fields: RequestFields,
	image: ReadImage | undefined,
): Promise<Pick<IHttpRequestOptions, 'body' | 'json'>> {
	if (!image) return { body: fields, json: true };
	if (operation === 'imageToImage') {
		const base64 = Buffer.from(await image.file.arrayBuffer()).toString('base64');
		const source = `data:${image.file.type};base64,${base64}`;
		return { body: { ...fields, source_url: source }, json: true };
	}

	const form = new FormData();
	for (const [name, value] of Object.entries(fields)) {
		form.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
	}
	form.append('image', image.file, image.fileName);
	// n8n declares the type of the form-data package; its request helper takes the native one as well.
	return { body: form as unknown as IHttpRequestOptions['body'] };
}
