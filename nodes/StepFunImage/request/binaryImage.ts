import type { IBinaryData } from 'n8n-workflow';

import { IMAGE_FORMATS } from '../catalogue/imageFormats';
import type { InputImageLimits } from '../catalogue/models';
import { inputError, unreadableImageError } from '../errors/nodeErrors';
import { inspectImage, measureBase64, readHeader, type MeasuredImage } from '../image/measure';
import { fileOfBytes, UPLOAD_CHUNK_BYTES, type UploadFile } from '../transport/upload';
import { canBeChecked, checkLimits } from './imageLimits';
import type { InputImage, ItemContext } from './types';

/** The input for all images of an item. */
const ALL_IMAGES = '*';

/**
 * Finds the images in an item's binary fields, and checks each one against a model's limits by reading only its header.
 *
 * @param source a field's name, several names separated by commas, `*` for all images of the item, or a file from an
 * expression
 * @param rules.model the model's ID, for messages
 * @param rules.limits the model's limits; without them, only the format is checked
 * @throws NodeOperationError if the field does not exist, contains no image, or the image exceeds a limit
 */
export async function findBinaryImages(
	item: ItemContext,
	source: string | IBinaryData,
	rules: { model: string; limits: InputImageLimits | undefined },
): Promise<InputImage[]> {
	const images: InputImage[] = [];
	for (const each of typeof source === 'string' ? fieldNames(item, source) : [source]) {
		images.push(await inspectBinaryField(item, each, rules));
	}
	return images;
}

function fieldNames(item: ItemContext, names: string): string[] {
	// The common case, without a search of the item's JSON.
	if (Object.hasOwn(inputOf(item).binary ?? {}, names)) return [names];
	const present = filesOf(item);
	if (names === ALL_IMAGES) {
		const images = present.filter((name) => /^image\//.test(findBinaryData(item, name).mimeType));
		if (images.length > 0) return images;
		throw inputError(
			item,
			"'Input Data Field Name' is *, but this item has no image",
			'Put a node before this one that loads the images, or enter the name of a field that contains one.',
		);
	}
	// A field's name may contain a comma.
	if (present.includes(names)) return [names];
	const listed = names
		.split(',')
		.map((name) => name.trim())
		.filter((name) => name !== '');
	return listed.length > 0 ? [...new Set(listed)] : [names];
}

async function inspectBinaryField(
	item: ItemContext,
	source: string | IBinaryData,
	{ model, limits }: { model: string; limits: InputImageLimits | undefined },
): Promise<InputImage> {
	const binaryData = findBinaryData(item, source);
	const name = typeof source === 'string' ? source : 'Input Data Field Name';
	const { bytes, image } = await inspectFile(item, binaryData).catch((error: Error) => {
		throw inputError(
			item,
			`The file in '${name}' could not be opened: ${error.message}`,
			"n8n's binary data storage no longer has it, or cannot be reached. Run the node that loads the file again.",
		);
	});
	if (bytes === 0) {
		throw inputError(
			item,
			`The file in '${name}' is empty`,
			'Check that the previous node loads the file that it puts into this field.',
		);
	}
	if (!canBeChecked(image, limits)) {
		throw inputError(
			item,
			`The file in '${name}' is not an image that can be edited`,
			`It claims to be ${binaryData.mimeType}, but its content is not a PNG, JPEG, WebP or other raster image. Check what the previous node puts into this field.`,
		);
	}
	checkLimits(item, name, image, bytes, model, limits);

	const { mimeType, extension } = IMAGE_FORMATS[image.format];
	// A form would send a file without a name as text.
	const fileName = binaryData.fileName || `image.${extension}`;
	return {
		fileName,
		isRemote: false,
		prepare: async () => toUploadFile(item, binaryData, { bytes, name: fileName, mimeType }),
	};
}

function inputOf({ functions, itemIndex }: ItemContext) {
	return functions.getInputData()[itemIndex] ?? { json: {} };
}

function findBinaryData(item: ItemContext, source: string | IBinaryData): IBinaryData {
	// n8n 1.x accepts only field names.
	if (typeof source !== 'string' && 'mimeType' in source && 'data' in source) return source;
	const binaryData = openField(item, source as string);
	if (binaryData) return binaryData;
	const present = filesOf(item);
	throw inputError(
		item,
		`'Input Data Field Name' is '${String(source)}', but this item has no such binary field`,
		present.length > 0
			? `The item has: ${present.join(', ')}. Enter one of these names.`
			: 'The item has no binary data. Put a node before this one that loads the image, such as Read/Write Files from Disk, HTTP Request or Google Drive.',
	);
}

/**
 * Finds a file with n8n's helper, which may also return a property that every object has, or something else that is no
 * file.
 */
function openField(item: ItemContext, name: string): IBinaryData | undefined {
	try {
		const found = item.functions.helpers.assertBinaryData(
			item.itemIndex,
			name,
		) as IBinaryData | null;
		return typeof (found?.id ?? found?.data) === 'string' ? (found as IBinaryData) : undefined;
	} catch {
		return undefined;
	}
}

/**
 * The names of an item's files, or their paths if the workflow's setting keeps files in the JSON. Without that setting,
 * n8n does not open anything in the JSON, even if it looks like a file.
 */
function filesOf(item: ItemContext): string[] {
	const { json, binary } = inputOf(item);
	const pathsIn = (value: unknown, path: string): string[] => {
		if (typeof value !== 'object' || value === null) return [];
		if ('mimeType' in value && 'data' in value) return [path];
		return Object.entries(value).flatMap(([key, inner]) =>
			pathsIn(inner, path === '' ? key : `${path}.${key}`),
		);
	};
	return [...Object.keys(binary ?? {}), ...pathsIn(json, '')].filter((name) =>
		openField(item, name),
	);
}

async function inspectFile(item: ItemContext, binaryData: IBinaryData) {
	const bytes = await countBytes(item, binaryData);
	return { bytes, image: bytes === 0 ? undefined : await measure(item, binaryData) };
}

/** Reads only as much of a file as is necessary to find the size of the image. */
async function measure(
	item: ItemContext,
	binaryData: IBinaryData,
): Promise<MeasuredImage | undefined> {
	if (!binaryData.id) return measureBase64(binaryData.data);
	const stream = await item.functions.helpers.getBinaryStream(binaryData.id);
	const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
	try {
		const inspector = inspectImage(await readHeader(chunks));
		while (inspector?.sizeMayFollow()) {
			const next = await chunks.next();
			if (next.done) break;
			inspector.write(next.value);
		}
		return inspector?.measured();
	} finally {
		// Destroys the stream, so that no file descriptor stays open.
		await chunks.return?.();
	}
}

async function countBytes(item: ItemContext, binaryData: IBinaryData): Promise<number> {
	return binaryData.id
		? (await item.functions.helpers.getBinaryMetadata(binaryData.id)).fileSize
		: Buffer.byteLength(binaryData.data, 'base64');
}

function toUploadFile(
	item: ItemContext,
	{ id, data }: IBinaryData,
	{ bytes, ...named }: { bytes: number; name: string; mimeType: string },
): UploadFile {
	const file = {
		...named,
		toError: (detail: string) => unreadableImageError(item, detail),
	};
	if (!id) return fileOfBytes(Buffer.from(data, 'base64'), file);
	const open = async () => await item.functions.helpers.getBinaryStream(id, UPLOAD_CHUNK_BYTES);
	return { ...file, size: bytes, open };
}
