import { IMAGE_FORMATS } from '../catalogue/imageFormats';
import { Refusal } from '../errors/nodeErrors';
import type { MeasuredImage } from '../image/measure';
import type { UploadFile } from '../transport/upload';
import type { InputImageRules } from './types';

const ADVICE =
	"Resize or convert the image before this node, for example with n8n's Edit Image node.";

/**
 * Refuses an image that is incomplete or exceeds a limit of the model.
 *
 * @param name the image's name in messages
 * @param inspected what is known of the image without decoding it, and the size of its file
 * @param open opens the image for each upload
 * @returns the image as a file with the type of its content, not of its metadata
 */
export function toUpload(
	name: string,
	inspected: { image: MeasuredImage; bytes: number; isWhole: boolean },
	{ model, limits = { maxSide: Infinity } }: Pick<InputImageRules, 'model' | 'limits'>,
	open: UploadFile['open'],
	fileName?: string,
): UploadFile {
	const { bytes, isWhole, image } = inspected;
	const { format, width, height } = image;
	const { formats, maxSide, minSide = 0, maxAspect = Infinity, maxBytes = Infinity } = limits;
	const longest = Math.max(width ?? 0, height ?? 0);
	const shortest = Math.min(width ?? 0, height ?? 0);
	const pixels = `${width} × ${height} pixels`;
	const { name: formatName, mimeType, extension } = IMAGE_FORMATS[format];
	const refuse = (problem: string, accepted: string) => {
		throw new Refusal(`The image in '${name}' is ${problem}`, `${model} takes ${accepted}`);
	};

	if (formats && !formats.includes(format)) {
		const accepted = formats.map((each) => IMAGE_FORMATS[each].name).join(', ');
		refuse(`${formatName}, which ${model} does not take`, `${accepted}. ${ADVICE}`);
	}
	if (!isWhole) {
		throw new Refusal(
			`The image in '${name}' breaks off in the middle`,
			'It was cut off on its way, for example by a download that was interrupted, or by a spreadsheet or database that limits the length of texts. Load it again, or save it again in an image editor.',
		);
	}
	if (width === null && maxSide < Infinity) {
		throw new Refusal(
			`The size of the image in '${name}' cannot be read`,
			`The image begins like ${formatName}, but contains no size. Save it again, for example as PNG in an image editor.`,
		);
	}
	if (longest > maxSide) {
		refuse(`too large: ${pixels}`, `images of at most ${maxSide} × ${maxSide} pixels. ${ADVICE}`);
	}
	if (shortest < minSide) {
		refuse(`too small: ${pixels}`, `images whose sides are at least ${minSide} pixels. ${ADVICE}`);
	}
	if (longest > maxAspect * shortest) {
		const proportions = `proportions from 1:${maxAspect} to ${maxAspect}:1`;
		refuse(`too narrow: ${pixels}`, `${proportions}. Crop the image before this node.`);
	}
	if (bytes > maxBytes) {
		const accepted = `images of at most ${maxBytes} bytes (${maxBytes / 1024 / 1024} MB)`;
		refuse(`too large: ${bytes} bytes`, `${accepted}. ${ADVICE}`);
	}
	return {
		// A form would send a file without a name as text.
		name: String(fileName || `image.${extension}`),
		mimeType,
		size: bytes,
		open,
	};
}
