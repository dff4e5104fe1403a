import type { ImageRequest } from '../request/prepareRequest';

const MAX_BASE_CHARACTERS = 48;

/**
 * A file name, without extension, that says what the picture is: for Generate the beginning of the
 * prompt, for Edit the input's name. The number of the item keeps the files of one run apart.
 *
 * Only letters, digits and hyphens are left, so that it is safe on every disk and no path.
 *
 * @param request the item's request
 * @param itemIndex the item's index in its run
 */
export function baseFileName(request: ImageRequest, itemIndex: number): string {
	const subject = request.inputImage
		? `${request.inputImage.fileName.replace(/\.[^.]*$/, '')} edited`
		: String(request.fields.prompt);
	const words = [...subject.normalize('NFC').toLowerCase()]
		.join('')
		.replace(/[^\p{Letter}\p{Number}]+/gu, '-');
	const base = [...words]
		.slice(0, MAX_BASE_CHARACTERS)
		.join('')
		.replace(/^-+|-+$/g, '');
	return `${base || 'image'}-${itemIndex + 1}`;
}
