import type { IExecuteSingleFunctions } from 'n8n-workflow';

import { FORMATS, measureImage } from '../catalogue/formats';
import { isWebAddress } from '../catalogue/hosts';
import type { InputImageLimits } from '../catalogue/models';
import { failureError, failureOf } from '../errors/failure';
import { inputError } from '../errors/inputError';
import { downloadBytes, type DownloadRoute } from '../transport/download';
import type { InputImage } from './inputImage';
import { checkLimits } from './inputImageLimits';

/** For models without a limit of their own: more than any picture of 4096 × 4096 pixels needs. */
const MAX_DOWNLOAD_BYTES = 64 * 1024 * 1024;

/**
 * Prepares an image that is to be fetched from an address. n8n downloads it when the item's turn has
 * come, with its own protection against addresses of the internal network, and without the API key.
 *
 * @param context the item's execution context
 * @param value what the field holds
 * @param model the model's ID, for messages
 * @param limits the model's limits, checked once the image is there
 * @param timeoutMs how long the download may take
 * @param route the way out of this n8n, as Request Options set it
 * @throws NodeOperationError when it is no web address
 */
export function inspectImageUrl(
	context: IExecuteSingleFunctions,
	value: unknown,
	model: string,
	limits: InputImageLimits | undefined,
	timeoutMs: number,
	route: DownloadRoute,
): InputImage {
	const address = typeof value === 'string' ? value.trim() : '';
	if (!isWebAddress(address)) {
		throw inputError(
			context,
			`'Image URL' must be an address that starts with https:// or http://, but is ${address === '' ? 'empty' : address.slice(0, 60)}`,
			'Enter the address of the image, or check that the expression gives it on this item.',
		);
	}
	const { pathname, href } = new URL(address);
	const fileName = pathname.split('/').at(-1) || 'image';
	const maxBytes = limits?.maxBytes ?? MAX_DOWNLOAD_BYTES;
	return {
		fileName,
		async read(signal) {
			const bytes = await download(context, href, route, { maxBytes, timeoutMs }, signal);
			const image = measureImage(bytes);
			if (!image) {
				throw inputError(
					context,
					"The file behind 'Image URL' is not an image that can be edited",
					`What ${new URL(href).host} sent is not a PNG, JPEG, WebP or other raster image. Open the address in a browser to see what it is.`,
				);
			}
			checkLimits(context, 'Image URL', image, bytes.length, model, limits);
			const { mimeType } = FORMATS[image.format];
			return { file: new Blob([bytes as Uint8Array<ArrayBuffer>], { type: mimeType }), fileName };
		},
	};
}

async function download(
	context: IExecuteSingleFunctions,
	url: string,
	route: DownloadRoute,
	limits: { maxBytes: number; timeoutMs: number },
	signal: AbortSignal,
): Promise<Buffer> {
	try {
		return await downloadBytes(context, url, route, limits, signal);
	} catch (error) {
		const reason = failureOf(error);
		throw reason ? failureError({ kind: 'inputDownload', url, reason }) : error;
	}
}
