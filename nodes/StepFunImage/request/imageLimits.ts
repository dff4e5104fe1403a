import { IMAGE_FORMATS } from '../catalogue/imageFormats';
import type { InputImageLimits } from '../catalogue/models';
import { Refusal, unreadableImage } from '../errors/nodeErrors';
import type { MeasuredImage } from '../image/measure';

/** The rules for an input image: its model's ID and limits. Without limits, only the format is checked. */
export interface ImageRules {
	model: string;
	limits: InputImageLimits | undefined;
}

const ADVICE =
	"Resize or convert the image before this node, for example with n8n's Edit Image node.";

/** Whether an image is known well enough to check it: its format, and its size if the model has limits. */
export function canBeChecked(
	image: MeasuredImage | undefined,
	limits: InputImageLimits | undefined,
): image is MeasuredImage {
	return image !== undefined && (limits === undefined || image.width !== null);
}

/**
 * Refuses an image that exceeds a limit of the model.
 *
 * @param name the image's name in messages
 * @param bytes the size of its file
 */
export function checkLimits(
	name: string,
	{ format, width, height }: MeasuredImage,
	bytes: number,
	model: string,
	limits: InputImageLimits | undefined,
): void {
	if (!limits || width === null || height === null) return;
	const { formats, maxSide, minSide, maxAspect, maxBytes } = limits;
	const longest = Math.max(width, height);
	const shortest = Math.min(width, height);
	const pixels = `${width} × ${height} pixels`;
	const nameOf = (each: typeof format) => IMAGE_FORMATS[each].name;
	const refuse = (problem: string, accepted: string) => {
		throw new Refusal(`The image in '${name}' is ${problem}`, `${model} takes ${accepted}`);
	};

	if (formats && !formats.includes(format)) {
		const accepted = formats.map(nameOf).join(', ');
		refuse(`${nameOf(format)}, which ${model} does not take`, `${accepted}. ${ADVICE}`);
	}
	if (longest > maxSide) {
		refuse(`too large: ${pixels}`, `images of at most ${maxSide} × ${maxSide} pixels. ${ADVICE}`);
	}
	if (minSide !== undefined && shortest < minSide) {
		refuse(`too small: ${pixels}`, `images whose sides are at least ${minSide} pixels. ${ADVICE}`);
	}
	if (maxAspect !== undefined && longest > maxAspect * shortest) {
		refuse(
			`too narrow: ${pixels}`,
			`proportions from 1:${maxAspect} to ${maxAspect}:1. Crop the image before this node.`,
		);
	}
	if (maxBytes !== undefined && bytes > maxBytes) {
		const megabytes = maxBytes / 1024 / 1024;
		refuse(
			`too large: ${bytes} bytes`,
			`images of at most ${maxBytes} bytes (${megabytes} MB). ${ADVICE}`,
		);
	}
}

/** Checks the limits of an image, and returns how to upload it: with the type of its content, not of its metadata. */
export function toUpload(
	name: string,
	image: MeasuredImage,
	bytes: number,
	{ model, limits }: ImageRules,
	fileName?: string,
) {
	checkLimits(name, image, bytes, model, limits);
	const { mimeType, extension } = IMAGE_FORMATS[image.format];
	return {
		// A form would send a file without a name as text.
		name: String(fileName || `image.${extension}`),
		mimeType,
		toError: unreadableImage,
	};
}
