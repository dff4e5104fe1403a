import { imageSize } from 'image-size';

import type { ImageFormat } from './models';

/** The raster formats that an image may have on its way in or out. */
export const FORMATS: Record<ImageFormat, { name: string; mimeType: string; extension: string }> = {
	png: { name: 'PNG', mimeType: 'image/png', extension: 'png' },
	jpg: { name: 'JPEG', mimeType: 'image/jpeg', extension: 'jpg' },
	webp: { name: 'WebP', mimeType: 'image/webp', extension: 'webp' },
	gif: { name: 'GIF', mimeType: 'image/gif', extension: 'gif' },
	bmp: { name: 'BMP', mimeType: 'image/bmp', extension: 'bmp' },
	tiff: { name: 'TIFF', mimeType: 'image/tiff', extension: 'tiff' },
	heif: { name: 'HEIF', mimeType: 'image/heif', extension: 'heic' },
	avif: { name: 'AVIF', mimeType: 'image/avif', extension: 'avif' },
};

/** What an image's header tells. */
export interface MeasuredImage {
	format: ImageFormat;
	/** In pixels, as stored; a rotation noted in the metadata is not applied. */
	width: number;
	height: number;
}

/**
 * Reads an image's format and size from its beginning, without decoding it.
 *
 * @param header the first bytes of the file
 * @returns `undefined` when this is no raster image (SVG and icons are none), or not enough of it
 */
export function measureImage(header: Uint8Array): MeasuredImage | undefined {
	try {
		// A copy: image-size reads past the end of a view into a larger buffer.
		const { type, width, height } = imageSize(new Uint8Array(header));
		const format = type === 'heic' ? 'heif' : type;
		return format !== undefined && format in FORMATS
			? { format: format as ImageFormat, width, height }
			: undefined;
	} catch {
		return undefined;
	}
}
