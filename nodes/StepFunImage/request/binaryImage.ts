import type { IBinaryData } from 'n8n-workflow';

import { IMAGE_FORMATS } from '../catalogue/imageFormats';
import type { InputImageLimits } from '../catalogue/models';
import { inputError, unreadableImageError } from '../errors/nodeErrors';
import { inspectImage, measureBase64, readHeader, type MeasuredImage } from '../image/measure';
import { fileOfBytes, type UploadFile } from '../transport/upload';
import { canBeChecked, checkLimits } from './imageLimits';
import type { InputImage, ItemContext } from './types';

/** Few enough that uploads take little memory, and enough that reading takes little time. */
const UPLOAD_CHUNK_BYTES = 256 * 1024;

/** What stands for all images of an item. */
const ALL_IMAGES = '*';

/**
 * Finds the images of an item's binary fields and checks each against a model's limits, from its header
 * alone.
 *
 * @param source a field's name, several with commas between them, `*` for all images of the item, or a
 * file that an expression gave
 * @param rules.model the model's ID, for messages
 * @param rules.limits the model's limits; without them only images are asked for
 * @throws NodeOperationError when there is no such field, it holds no image, or the image is beyond a
 * limit
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
	// The common case, before the item's JSON is looked through.
	if (Object.hasOwn(inputOf(item).binary ?? {}, names)) return [names];
	const present = filesOf(item);
	if (names === ALL_IMAGES) {
		const images = present.filter((name) =>
			findBinaryData(item, name).mimeType.startsWith('image/'),
		);
		if (images.length > 0) return images;
		throw inputError(
			item,
			"'Input Data Field Name' is *, but this item has no image",
			'Put a node before this one that loads the images, or enter the name of the field that holds one.',
		);
	}
	// A field's name may itself hold a comma.
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
	const bytes = await countBytes(item, binaryData);
	if (bytes === 0) {
		throw inputError(
			item,
			`The file in '${name}' is empty`,
			'Check that the previous node has really loaded the file that it puts into this field.',
		);
	}
	const image = await measure(item, binaryData);
	if (!canBeChecked(image, limits)) {
		throw inputError(
			item,
			`The file in '${name}' is not an image that can be edited`,
			`It claims to be ${binaryData.mimeType}, but its content is not a PNG, JPEG, WebP or other raster image. Check what the previous node puts into this field.`,
		);
	}
	checkLimits(item, name, image, bytes, model, limits);

	const { mimeType, extension } = IMAGE_FORMATS[image.format];
	const fileName = binaryData.fileName ?? `image.${extension}`;
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
	// n8n 1.x looks up field names alone.
	if (typeof source !== 'string' && 'mimeType' in source && 'data' in source) return source;
	try {
		return item.functions.helpers.assertBinaryData(item.itemIndex, source as string);
	} catch {
		const present = filesOf(item);
		throw inputError(
			item,
			`'Input Data Field Name' is '${String(source)}', but this item has no such binary field`,
			present.length > 0
				? `The item has: ${present.join(', ')}. Enter one of these names.`
				: 'The item carries no binary data at all. Put a node before this one that loads the image, such as Read/Write Files from Disk, HTTP Request or Google Drive.',
		);
	}
}

/**
 * The names of an item's files; with the workflow setting that keeps files in the JSON, their paths.
 * Without that setting n8n opens nothing of the JSON, however much it looks like a file.
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
	return [...Object.keys(binary ?? {}), ...pathsIn(json, '')].filter((name) => canOpen(item, name));
}

function canOpen(item: ItemContext, name: string): boolean {
	try {
		item.functions.helpers.assertBinaryData(item.itemIndex, name);
		return true;
	} catch {
		return false;
	}
}

/** Reads as much of a file as its size takes; the rest stays where it is. */
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
		// Destroys the stream, so that no descriptor stays open.
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
