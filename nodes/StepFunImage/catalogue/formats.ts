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

/**
 * The format behind a type that image-size reports, or `undefined` for what is no raster image (SVG,
 * icons, textures).
 *
 * @param type such as `png`, `jpg` or `heic`
 */
export function formatOf(type: string | undefined): ImageFormat | undefined {
	if (type === 'heic') return 'heif';
	return type !== undefined && type in FORMATS ? (type as ImageFormat) : undefined;
}
