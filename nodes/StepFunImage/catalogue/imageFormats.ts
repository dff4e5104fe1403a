/** The formats that the node accepts, with the metadata that n8n needs. SVG is only for output. */
export const IMAGE_FORMATS = {
	png: { name: 'PNG', mimeType: 'image/png', extension: 'png' },
	jpg: { name: 'JPEG', mimeType: 'image/jpeg', extension: 'jpg' },
	webp: { name: 'WebP', mimeType: 'image/webp', extension: 'webp' },
	gif: { name: 'GIF', mimeType: 'image/gif', extension: 'gif' },
	bmp: { name: 'BMP', mimeType: 'image/bmp', extension: 'bmp' },
	tiff: { name: 'TIFF', mimeType: 'image/tiff', extension: 'tiff' },
	heif: { name: 'HEIF', mimeType: 'image/heif', extension: 'heic' },
	avif: { name: 'AVIF', mimeType: 'image/avif', extension: 'avif' },
	svg: { name: 'SVG', mimeType: 'image/svg+xml', extension: 'svg' },
} as const;

export type ImageFormat = keyof typeof IMAGE_FORMATS;
