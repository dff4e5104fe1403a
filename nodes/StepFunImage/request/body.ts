import type { Operation } from '../catalogue/models';
import type { ApiRequest } from '../transport/send';
import type { Progress } from '../transport/timeLimits';
import { readUpload, type UploadFile } from '../transport/upload';
import type { BodyFields } from './types';

/** The field in which an operation sends the input image. */
export const INPUT_IMAGE_FIELDS = {
	edit: 'image',
	imageToImage: 'source_url',
} satisfies Partial<Record<Operation, string>>;

/**
 * The body of one request: JSON for Generate, multipart/form-data with the image for Edit, JSON with the image as a data
 * URI for Image to Image.
 *
 * @param progress learns what reading the image waits for
 */
export async function encodeBody(
	operation: Operation,
	fields: BodyFields,
	image: UploadFile | undefined,
	progress: Progress,
): Promise<Pick<ApiRequest, 'json' | 'form'>> {
	if (!image) return { json: Buffer.from(JSON.stringify(fields)) };
	return operation === 'edit'
		? { form: { fields, fileField: INPUT_IMAGE_FIELDS.edit, file: image } }
		: { json: await jsonWithImage(fields, image, progress) };
}

/** Writes the JSON piece by piece: to encode the image as one text of several megabytes would block the event loop. */
async function jsonWithImage(
	fields: BodyFields,
	file: UploadFile,
	progress: Progress,
): Promise<Buffer> {
	const others = JSON.stringify({ ...fields, [INPUT_IMAGE_FIELDS.imageToImage]: undefined });
	const start = `${others.slice(0, -1)},"${INPUT_IMAGE_FIELDS.imageToImage}":"data:${file.mimeType};base64,`;
	const end = '"}';
	const startBytes = Buffer.byteLength(start);
	const body = Buffer.allocUnsafe(startBytes + 4 * Math.ceil(file.size / 3) + end.length);
	body.write(start);
	let at = startBytes;
	/** Three bytes become four characters. */
	let incomplete = Buffer.alloc(0);
	const append = (text: string) => (at += body.write(text, at, 'latin1'));
	for await (const chunk of readUpload(file, progress)) {
		const bytes = Buffer.concat([incomplete, chunk]);
		const usable = bytes.length - (bytes.length % 3);
		append(bytes.toString('base64', 0, usable));
		incomplete = bytes.subarray(usable);
	}
	append(incomplete.toString('base64'));
	append(end);
	return body;
}
