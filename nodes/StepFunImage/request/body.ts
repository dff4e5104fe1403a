import type { Operation } from '../catalogue/models';
import type { ApiRequest } from '../transport/send';
import type { BodyFields, ReadImage } from './types';

type BodyEncoder = (fields: BodyFields, image: ReadImage) => Promise<ApiRequest['body']>;

/** How an operation puts its image into the body; an operation without one sends its fields as JSON. */
const ENCODERS: Record<Operation, BodyEncoder> = {
	generate: async (fields) => fields,
	edit: async (fields, image) => toForm(fields, image),
	imageToImage: async (fields, { file }) => {
		const base64 = Buffer.from(await file.arrayBuffer()).toString('base64');
		return { ...fields, source_url: `data:${file.type};base64,${base64}` };
	},
};

/**
 * The body of one sending: JSON for Generate, multipart/form-data with the image for Edit, JSON with the
 * image as a data URI for Image to Image.
 *
 * @param image the image to send with the fields, if the operation has one
 */
export async function encodeBody(
	operation: Operation,
	fields: BodyFields,
	image: ReadImage | undefined,
): Promise<ApiRequest['body']> {
	return image ? await ENCODERS[operation](fields, image) : fields;
}

function toForm(fields: BodyFields, { file, fileName }: ReadImage): FormData {
	const form = new FormData();
	for (const [name, value] of Object.entries(fields)) {
		form.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
	}
	form.append('image', file, fileName);
	return form;
}
