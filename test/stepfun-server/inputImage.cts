import sharp from 'sharp';
import type { Pixels } from './specification.cts';

const MEBIBYTE = 1024 * 1024;

/** StepFun's message for an image it could not take, nearly always because it is too large. */
export const IMAGE_NOT_TAKEN = '消息获取失败';

export interface InputImageRules {
	formats: readonly string[];
	minSide?: number;
	maxSide: number;
	maxBytes?: number;
	maxRatio?: number;
	/** Message for a picture over `maxSide`. */
	tooLargeMessage?: string;
}

/** What each model takes as its input image. */
export const INPUT_IMAGE_RULES: Record<string, InputImageRules> = {
	// StepFun lists no formats for this model: every raster format is taken.
	'step-image-edit-2': {
		formats: ['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif'],
		maxSide: 4096,
		tooLargeMessage: IMAGE_NOT_TAKEN,
	},
	'step-1x-edit': {
		formats: ['jpeg', 'png', 'webp'],
		minSide: 64,
		maxSide: 4096,
		maxBytes: 10 * MEBIBYTE,
		maxRatio: 3,
	},
	'step-2x-large': { formats: ['jpeg', 'png'], maxSide: 2048, maxBytes: 10 * MEBIBYTE },
};

/** Reads an input image's header and judges it; a text says what is wrong with it. */
export async function checkInputImage(
	bytes: Buffer,
	rules: InputImageRules,
): Promise<Pixels | string> {
	if (rules.maxBytes !== undefined && bytes.length > rules.maxBytes) {
		return `image is larger than ${rules.maxBytes} bytes`;
	}
	const header = await readHeader(bytes);
	if (header === undefined) return 'image could not be read';
	const { format, width, height } = header;
	if (!rules.formats.includes(format)) {
		return `image format '${format}' is not one of ${rules.formats.join(', ')}`;
	}
	if (width > rules.maxSide || height > rules.maxSide) {
		return rules.tooLargeMessage ?? `image sides must be at most ${rules.maxSide} pixels`;
	}
	if (rules.minSide !== undefined && Math.min(width, height) < rules.minSide) {
		return `image sides must be at least ${rules.minSide} pixels`;
	}
	const ratio = Math.max(width, height) / Math.min(width, height);
	if (rules.maxRatio !== undefined && ratio > rules.maxRatio) {
		return `image aspect ratio must be between 1:${rules.maxRatio} and ${rules.maxRatio}:1`;
	}
	return { width, height };
}

async function readHeader(bytes: Buffer): Promise<(Pixels & { format: string }) | undefined> {
	try {
		const { format, width, height } = await sharp(bytes).metadata();
		return { format, width, height };
	} catch {
		return undefined;
	}
}
