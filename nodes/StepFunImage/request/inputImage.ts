import { imageSize } from 'image-size';
import type { IBinaryData, IExecuteSingleFunctions } from 'n8n-workflow';

import { FORMATS, formatOf } from '../catalogue/formats';
import type { InputImageLimits } from '../catalogue/models';
import { inputError } from '../errors/inputError';

/** What is known of an item's image before it is read. */
export interface InputImage {
	/** The input field that holds it. */
	field: string;
	fileName: string;
	/** Read from the image itself, not from what the item claims. */
	mimeType: string;
}

/** Cameras put previews and colour profiles before the size; beyond this it is not a usable image. */
const MAX_HEADER_BYTES = 1024 * 1024;

/**
 * Finds the image of an item and checks it against a model's limits, from its header alone.
 *
 * @param context the item's execution context
 * @param field the input field that should hold the image
 * @param model the model's ID, for messages
 * @param limits the model's limits; without them only an image is asked for
 * @throws NodeOperationError when there is no such field, it holds no image, or the image is beyond
 * a limit
 */
export async function inspectInputImage(
	context: IExecuteSingleFunctions,
	field: string,
	model: string,
	limits: InputImageLimits | undefined,
): Promise<InputImage> {
	const binaryData = findBinaryData(context, field);
	const header = await readHeader(context, binaryData);
	const measured = measure(header);
	const format = measured && formatOf(measured.type);
	if (!measured || !format) {
		throw inputError(
			context,
			`The file in '${field}' is not an image that can be edited`,
			`It claims to be ${binaryData.mimeType}, but its content is not a PNG, JPEG, WebP or other raster image. Check what the previous node puts into this field.`,
		);
	}

	const { width, height } = measured;
	const refuse = (message: string, description: string): never => {
		throw inputError(context, message, description);
	};
	const advice =
		"Resize or convert the image before this node, for example with n8n's Edit Image node.";

	if (limits?.formats && !limits.formats.includes(format)) {
		refuse(
			`The image in '${field}' is ${FORMATS[format].name}, which ${model} does not take`,
			`${model} takes ${limits.formats.map((each) => FORMATS[each].name).join(', ')}. ${advice}`,
		);
	}
	if (limits && Math.max(width, height) > limits.maxSide) {
		refuse(
			`The image in '${field}' is too large: ${width} × ${height} pixels`,
			`${model} takes images of at most ${limits.maxSide} × ${limits.maxSide} pixels. ${advice}`,
		);
	}
	if (limits?.minSide !== undefined && Math.min(width, height) < limits.minSide) {
		refuse(
			`The image in '${field}' is too small: ${width} × ${height} pixels`,
			`${model} takes images whose sides are at least ${limits.minSide} pixels. ${advice}`,
		);
	}
	if (
		limits?.maxAspect !== undefined &&
		Math.max(width, height) > limits.maxAspect * Math.min(width, height)
	) {
		refuse(
			`The image in '${field}' is too narrow: ${width} × ${height} pixels`,
			`${model} takes proportions from 1:${limits.maxAspect} to ${limits.maxAspect}:1. Crop the image before this node.`,
		);
	}
	if (limits?.maxBytes !== undefined) {
		const bytes = await countBytes(context, binaryData);
		if (bytes > limits.maxBytes) {
			const megabytes = (count: number) => `${(count / 1024 / 1024).toFixed(1)} MB`;
			refuse(
				`The image in '${field}' is too large: ${megabytes(bytes)}`,
				`${model} takes images of at most ${megabytes(limits.maxBytes)}. ${advice}`,
			);
		}
	}

	return {
		field,
		mimeType: FORMATS[format].mimeType,
		fileName: binaryData.fileName ?? `image.${FORMATS[format].extension}`,
	};
}

function findBinaryData(context: IExecuteSingleFunctions, field: string): IBinaryData {
	try {
		return context.helpers.assertBinaryData(field);
	} catch {
		const present = Object.keys(context.getInputData().binary ?? {});
		throw inputError(
			context,
			`'Input Data Field Name' is '${field}', but this item has no such binary field`,
			present.length > 0
				? `The item has: ${present.join(', ')}. Enter one of these names.`
				: 'The item carries no binary data at all. Put a node before this one that loads the image, such as Read/Write Files from Disk, HTTP Request or Google Drive.',
		);
	}
}

/** The beginning of a file, as much as its size needs to be known; the rest stays where it is. */
async function readHeader(
	context: IExecuteSingleFunctions,
	binaryData: IBinaryData,
): Promise<Buffer> {
	if (!binaryData.id) {
		// Base64: four characters hold three bytes.
		return Buffer.from(binaryData.data.slice(0, Math.ceil(MAX_HEADER_BYTES / 3) * 4), 'base64');
	}
	const stream = await context.helpers.getBinaryStream(binaryData.id);
	let header = Buffer.alloc(0);
	// Leaving the loop destroys the stream, so no descriptor stays open.
	for await (const chunk of stream) {
		header = Buffer.concat([header, chunk as Buffer]);
		if (measure(header) || header.length >= MAX_HEADER_BYTES) break;
	}
	return header;
}

function measure(header: Buffer): ReturnType<typeof imageSize> | undefined {
	try {
		return imageSize(header);
	} catch {
		// Not an image, or not enough of it yet.
		return undefined;
	}
}

async function countBytes(
	context: IExecuteSingleFunctions,
	binaryData: IBinaryData,
): Promise<number> {
	return binaryData.id
		? (await context.helpers.getBinaryMetadata(binaryData.id)).fileSize
		: Math.floor((binaryData.data.length * 3) / 4);
}
