import sharp, { type Sharp } from 'sharp';
import { captionOverlays } from './caption.cts';
import { padImage } from './imagePadding.cts';
import { hashText } from './randomNumbers.cts';
import { landscape } from './scenery.cts';
import type { CheckedRequest, ImageFormat } from './types.cts';

/** A finished picture with its Base64 text, which is written straight into responses. */
export interface Picture {
	bytes: Buffer;
	base64: Buffer;
}

export interface DrawingSettings {
	format: ImageFormat;
	/** Length to pad to. */
	bytes?: number;
	/** Of JPEG and WebP, 1 to 100; a low one makes small files. */
	quality?: number;
	/** Draw once per size instead of for each request. */
	once: boolean;
}

const HEADINGS = { generate: 'GENERATE', edit: 'EDIT', image2image: 'IMAGE TO IMAGE' };

/** Makes a function that draws the picture for a request; the same request gives the same picture. */
export function createDrawing(
	settings: DrawingSettings,
): (request: CheckedRequest) => Promise<Picture> {
	const drawn = new Map<string, Promise<Picture>>();
	return (request) => {
		if (!settings.once) return drawPicture(request, settings);
		const key = `${request.operation === 'generate'} ${request.width}x${request.height}`;
		let picture = drawn.get(key);
		if (picture === undefined) {
			picture = drawPicture(request, settings);
			drawn.set(key, picture);
			// A picture that failed, say for a damaged input, must not fail the next request too.
			picture.catch(() => drawn.delete(key));
		}
		return picture;
	};
}

async function drawPicture(request: CheckedRequest, settings: DrawingSettings): Promise<Picture> {
	const { width, height } = request;
	const isEdit = request.input !== undefined;
	const base = await (isEdit ? tintedInput(request) : scenery(request));
	// An edit's caption stands at the top, so that the caption of a drawn input stays readable.
	const place = isEdit
		? ({ edge: 'top', share: 0.42 } as const)
		: ({ edge: 'bottom', share: 0.62 } as const);
	const overlays = await captionOverlays(captionText(request), request, place);
	const composed = base.composite(overlays).removeAlpha().toColourspace('srgb');
	const encoded = await encode(composed, settings).toBuffer({ resolveWithObject: true });
	if (encoded.info.width !== width || encoded.info.height !== height) {
		throw new Error(`Drew ${encoded.info.width} x ${encoded.info.height} for ${width} x ${height}`);
	}
	const bytes = padImage(encoded.data, settings.format, settings.bytes ?? 0);
	return { bytes, base64: Buffer.from(bytes.toString('base64'), 'latin1') };
}

function captionText(request: CheckedRequest) {
	const { width, height, seed, steps, cfgScale } = request;
	return {
		heading: `${HEADINGS[request.operation]} · ${request.model}`,
		prompt: request.prompt,
		footer: `${width} × ${height} · seed ${seed} · ${steps} steps · cfg ${cfgScale}`,
	};
}

function pictureSeed({ prompt, seed }: CheckedRequest): number {
	return hashText(`${seed} ${prompt}`);
}

async function scenery(request: CheckedRequest): Promise<Sharp> {
	return sharp(Buffer.from(landscape(request, pictureSeed(request))));
}

/** The input picture under a veil of the landscape: one can see that it was changed, and what it was. */
async function tintedInput(request: CheckedRequest): Promise<Sharp> {
	const { width, height, input } = request;
	const veil = await sharp(Buffer.from(landscape(request, pictureSeed(request))))
		.removeAlpha()
		.ensureAlpha(0.25 + 0.4 * (request.sourceWeight ?? 0.1))
		.png({ compressionLevel: 1 })
		.toBuffer();
	const pixels = await sharp(input)
		.resize(width, height, { fit: 'cover' })
		.flatten({ background: '#ffffff' })
		.toColourspace('srgb')
		.composite([{ input: veil }])
		.png({ compressionLevel: 1 })
		.toBuffer();
	return sharp(pixels);
}

function encode(picture: Sharp, { format, quality }: DrawingSettings): Sharp {
	if (format === 'jpeg') return picture.jpeg({ quality: quality ?? 88 });
	if (format === 'webp') return picture.webp({ quality: quality ?? 85, effort: 2 });
	return picture.png({ compressionLevel: 6 });
}
