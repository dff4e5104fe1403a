import type { IBinaryData, IExecuteSingleFunctions, INodeExecutionData } from 'n8n-workflow';

import { FORMATS, measureImage } from '../catalogue/formats';
import type { InputImageLimits } from '../catalogue/models';
import { inputError } from '../errors/inputError';

/** What is known of an item's image before it is read. */
export interface InputImage {
	/** The input field that holds it, or the file itself where an expression gave it. */
	source: string | IBinaryData;
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
 * @param source the input field that should hold the image, or a file that an expression gave
 * @param model the model's ID, for messages
 * @param limits the model's limits; without them only an image is asked for
 * @throws NodeOperationError when there is no such field, it holds no image, or the image is beyond
 * a limit
 */
export async function inspectInputImage(
	context: IExecuteSingleFunctions,
	source: string | IBinaryData,
	model: string,
	limits: InputImageLimits | undefined,
): Promise<InputImage> {
	const binaryData = findBinaryData(context, source);
	const name = typeof source === 'string' ? source : 'Input Data Field Name';
	const header = await readHeader(context, binaryData);
	const measured = measureImage(header);
	if (!measured) {
		throw inputError(
			context,
			`The file in '${name}' is not an image that can be edited`,
			`It claims to be ${binaryData.mimeType}, but its content is not a PNG, JPEG, WebP or other raster image. Check what the previous node puts into this field.`,
		);
	}

	const { format, width, height } = measured;
	const refuse = (message: string, description: string): never => {
		throw inputError(context, message, description);
	};
	const advice =
		"Resize or convert the image before this node, for example with n8n's Edit Image node.";

	if (limits?.formats && !limits.formats.includes(format)) {
		refuse(
			`The image in '${name}' is ${FORMATS[format].name}, which ${model} does not take`,
			`${model} takes ${limits.formats.map((each) => FORMATS[each].name).join(', ')}. ${advice}`,
		);
	}
	if (limits && Math.max(width, height) > limits.maxSide) {
		refuse(
			`The image in '${name}' is too large: ${width} × ${height} pixels`,
			`${model} takes images of at most ${limits.maxSide} × ${limits.maxSide} pixels. ${advice}`,
		);
	}
	if (limits?.minSide !== undefined && Math.min(width, height) < limits.minSide) {
		refuse(
			`The image in '${name}' is too small: ${width} × ${height} pixels`,
			`${model} takes images whose sides are at least ${limits.minSide} pixels. ${advice}`,
		);
	}
	if (
		limits?.maxAspect !== undefined &&
		Math.max(width, height) > limits.maxAspect * Math.min(width, height)
	) {
		refuse(
			`The image in '${name}' is too narrow: ${width} × ${height} pixels`,
			`${model} takes proportions from 1:${limits.maxAspect} to ${limits.maxAspect}:1. Crop the image before this node.`,
		);
	}
	if (limits?.maxBytes !== undefined) {
		const bytes = await countBytes(context, binaryData);
		if (bytes > limits.maxBytes) {
			refuse(
				`The image in '${name}' is too large: ${bytes} bytes`,
				`${model} takes images of at most ${limits.maxBytes} bytes (${limits.maxBytes / 1024 / 1024} MB). ${advice}`,
			);
		}
	}

	return {
		source,
		mimeType: FORMATS[format].mimeType,
		fileName: binaryData.fileName ?? `image.${FORMATS[format].extension}`,
	};
}

function findBinaryData(
	context: IExecuteSingleFunctions,
	source: string | IBinaryData,
): IBinaryData {
	try {
		// The type knows only field names; n8n takes a file from an expression as well.
		return context.helpers.assertBinaryData(source as string);
	} catch {
		const present = filesOf(context.getInputData());
		throw inputError(
			context,
			`'Input Data Field Name' is '${String(source)}', but this item has no such binary field`,
			present.length > 0
				? `The item has: ${present.join(', ')}. Enter one of these names.`
				: 'The item carries no binary data at all. Put a node before this one that loads the image, such as Read/Write Files from Disk, HTTP Request or Google Drive.',
		);
	}
}

/** The names of an item's files; with the workflow setting that keeps files in the JSON, their paths. */
function filesOf({ json, binary }: INodeExecutionData): string[] {
	const pathsIn = (value: unknown, path: string): string[] => {
		if (typeof value !== 'object' || value === null) return [];
		if ('mimeType' in value && 'data' in value) return [path];
		return Object.entries(value).flatMap(([key, inner]) =>
			pathsIn(inner, path === '' ? key : `${path}.${key}`),
		);
	};
	return [...Object.keys(binary ?? {}), ...pathsIn(json, '')];
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
		if (measureImage(header) || header.length >= MAX_HEADER_BYTES) break;
	}
	return header;
}

async function countBytes(
	context: IExecuteSingleFunctions,
	binaryData: IBinaryData,
): Promise<number> {
	return binaryData.id
		? (await context.helpers.getBinaryMetadata(binaryData.id)).fileSize
		: Buffer.byteLength(binaryData.data, 'base64');
}
