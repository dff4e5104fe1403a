import type { Operation } from '../catalogue/models';
import type { ApiRequest } from '../transport/send';
import type { Progress } from '../transport/timeLimits';
import { readUpload, type UploadFile } from '../transport/upload';
import type { BodyFields } from './types';

type Body = Pick<ApiRequest, 'json' | 'form'>;

type BodyEncoder = (fields: BodyFields, image: UploadFile, progress: Progress) => Promise<Body>;

/** How each operation adds the input image to the body. */
const ENCODERS: Record<Operation, BodyEncoder> = {
	generate: async (json) => ({ json }),
	edit: async (fields, file) => ({ form: { fields: toText(fields), fileField: 'image', file } }),
	imageToImage: async (fields, file, progress) => {
		const chunks: Uint8Array[] = [];
		for await (const chunk of readUpload(file, progress)) chunks.push(chunk);
		const base64 = Buffer.concat(chunks).toString('base64');
		return { json: { ...fields, source_url: `data:${file.mimeType};base64,${base64}` } };
	},
};

/**
 * The body of one request: JSON for Generate, multipart/form-data with the image for Edit, JSON with the
 * image as a data URI for Image to Image.
 *
 * @param image the image to send with the fields, if the operation has one
 * @param progress learns what reading the image waits for
 */
export async function encodeBody(
	operation: Operation,
	fields: BodyFields,
	image: UploadFile | undefined,
	progress: Progress,
): Promise<Body> {
	return image ? await ENCODERS[operation](fields, image, progress) : { json: fields };
}

function toText(fields: BodyFields): Record<string, string> {
	return Object.fromEntries(
		Object.entries(fields).map(([name, value]) => [
			name,
			typeof value === 'object' ? JSON.stringify(value) : String(value),
		]),
	);
}
