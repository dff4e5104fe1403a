import type { IBinaryData } from 'n8n-workflow';

import { Refusal } from '../errors/nodeErrors';
import { truncate } from '../errors/truncate';
import { inspectFile } from '../image/measure';
import { withTimeout } from '../transport/timeLimits';
import { piecesOf, toReadingTimeout, UPLOAD_CHUNK_BYTES } from '../transport/upload';
import { toUpload } from './imageLimits';
import type { InputImage, InputImageRules, ItemContext } from './types';
import { isUnset, readText, showValue } from './validators';

/** The types of files whose sender does not know what they are, such as FTP servers. */
const UNKNOWN_TYPE = /^((application|binary)\/octet-stream)?$/;

/** Reads a file of the item for its size and its image. */
type Inspect = (file: IBinaryData) => ReturnType<typeof inspectBinaryData>;

/**
 * Finds the images in an item's binary fields, and checks them against a model's limits without decoding them.
 *
 * @param source a field's name, several separated by commas, `*` for all images, or names or a file from an expression
 * @param cancelSignal aborts when the user stops the execution
 * @throws Refusal if the field does not exist, contains no image, or the image is incomplete or exceeds a limit
 */
export async function findBinaryImages(
	item: ItemContext,
	source: unknown,
	rules: InputImageRules,
	cancelSignal: AbortSignal,
): Promise<InputImage[]> {
	return await withTimeout(rules.timeouts, cancelSignal, async (signal, progress) => {
		progress.setTimeoutError(toReadingTimeout);
		const onChunk = () => {
			signal.throwIfAborted();
			progress.onActivity();
		};
		const inspect: Inspect = async (file) => await inspectBinaryData(item, file, onChunk);
		const isObject = typeof source === 'object' && source !== null && !Array.isArray(source);
		const files = isObject
			? [source as IBinaryData]
			: await fieldNames(item, String(source ?? ''), inspect);
		const images: InputImage[] = [];
		for (const file of files) images.push(await toInputImage(item, file, rules, inspect));
		return images;
	});
}

async function fieldNames(item: ItemContext, entered: string, inspect: Inspect): Promise<string[]> {
	const names = readText({ label: 'Input Data Field Name', value: entered });
	// The common case, without a search of the item's JSON.
	if (Object.hasOwn(item.input.binary ?? {}, names)) return [names];
	const files = filesOf(item);
	if (names === '*') {
		const images: string[] = [];
		for (const [name, file] of files) if (await isImage(file, inspect)) images.push(name);
		if (images.length > 0) return images;
		throw new Refusal(
			"'Input Data Field Name' is *, but this item has no image",
			'Load the images with a node before this one, check that no node in between, such as Edit Fields, drops its files, or enter the name of a field that contains an image.',
		);
	}
	// A field's name may contain a comma.
	if (files.has(names)) return [names];
	const listed = names
		.split(',')
		.map((name) => name.trim())
		.filter((name) => name !== '');
	return listed.length > 0 ? [...new Set(listed)] : [names];
}

/** Whether a file is an image by its type; by its content only if the type says nothing. */
async function isImage(file: IBinaryData, inspect: Inspect): Promise<boolean> {
	const type = (file.mimeType as string | undefined) ?? '';
	if (!UNKNOWN_TYPE.test(type)) return type.startsWith('image/');
	const { image } = await inspect(file).catch(() => ({ image: undefined }));
	return image !== undefined;
}

async function toInputImage(
	item: ItemContext,
	source: string | IBinaryData,
	rules: InputImageRules,
	inspect: Inspect,
): Promise<InputImage> {
	const binaryData = findBinaryData(item, source);
	const name = typeof source === 'string' ? source : 'Input Data Field Name';
	const { id, fileName, mimeType } = binaryData;
	const data = id ? '' : withoutWhiteSpace(binaryData.data);
	const { bytes, image, isWhole } = await inspect({ ...binaryData, data }).catch((error: Error) => {
		throw new Refusal(
			`The file in '${name}' could not be opened: ${error.message}`,
			"n8n's binary data storage no longer has it, or cannot be reached. Rerun the node that loads the file.",
		);
	});
	if (bytes === 0) {
		throw new Refusal(
			`The file in '${name}' is empty`,
			'Check what the previous node puts into this field.',
		);
	}
	if (!image) {
		throw new Refusal(
			`The file in '${name}' is not an image that can be edited`,
			`${mimeType ? `Its type is ${mimeType}, and its` : 'Its'} content is not a PNG, JPEG, WebP or other raster image. Check what the previous node puts into this field.`,
		);
	}
	const { helpers } = item.functions;
	const open = async () =>
		id ? await helpers.getBinaryStream(id, UPLOAD_CHUNK_BYTES) : piecesOf(data);
	return toUpload(name, { image, bytes, isWhole }, rules, open, fileName);
}

/** Code of the user may write Base64 in lines. Searches first, because replacing takes much longer. */
function withoutWhiteSpace(text: string): string {
	return ['\n', '\r', '\t', ' '].some((space) => text.includes(space))
		? text.replace(/\s+/g, '')
		: text;
}

function findBinaryData(item: ItemContext, source: string | IBinaryData): IBinaryData {
	// n8n 1.x accepts only field names.
	if (typeof source !== 'string' && 'mimeType' in source && isFile(source)) return source;
	const binaryData = openField(item, source as string);
	if (binaryData) return binaryData;
	const present = [...filesOf(item).keys()];
	throw new Refusal(
		`'Input Data Field Name' is ${isUnset(source) ? 'empty' : `'${showValue(source)}', but this item has no such binary field`}`,
		present.length > 0
			? `The item has: ${truncate(present.join(', '))}. Enter one of these names.`
			: 'The item has no binary data. Load the image with a node before this one, such as Read/Write Files from Disk, HTTP Request or Google Drive, and check that no node in between, such as Edit Fields, drops its file.',
	);
}

/** Whether a value is a file that n8n stores, or one with its content as Base64. */
function isFile(value: unknown): value is IBinaryData {
	const { id, data } = (value ?? {}) as Partial<IBinaryData>;
	return typeof (id ?? data) === 'string';
}

/**
 * Finds a file in the item, or in its JSON with n8n's helper, which may return something else, such as a property that
 * every object has. If the workflow's setting puts files into the JSON, the helper does not find those that n8n keeps in
 * memory, because they stay outside.
 */
function openField({ functions, input, itemIndex }: ItemContext, name: string) {
	try {
		const found: unknown = Object.hasOwn(input.binary ?? {}, name)
			? input.binary?.[name]
			: functions.helpers.assertBinaryData(itemIndex, name);
		return isFile(found) ? found : undefined;
	} catch {
		return undefined;
	}
}

/** An item's files by name, or by path for those that n8n opens in the JSON because of the workflow's setting. */
function filesOf(item: ItemContext): Map<string, IBinaryData> {
	const { json, binary } = item.input;
	const pathsIn = (value: unknown, path: string): string[] => {
		if (typeof value !== 'object' || value === null) return [];
		if ('mimeType' in value && 'data' in value) return [path];
		return Object.entries(value).flatMap(([key, inner]) =>
			pathsIn(inner, path === '' ? key : `${path}.${key}`),
		);
	};
	const files = new Map<string, IBinaryData>();
	for (const name of [...Object.keys(binary ?? {}), ...pathsIn(json, '')]) {
		const file = openField(item, name);
		if (file) files.set(name, file);
	}
	return files;
}

async function inspectBinaryData(
	item: ItemContext,
	{ id, data }: IBinaryData,
	onChunk: () => void,
) {
	if (!id) {
		return { bytes: Buffer.byteLength(data, 'base64'), ...(await inspectFile(piecesOf(data))) };
	}
	const { helpers } = item.functions;
	const { fileSize: bytes } = await helpers.getBinaryMetadata(id);
	const stream = await helpers.getBinaryStream(id, UPLOAD_CHUNK_BYTES);
	async function* chunks(): AsyncGenerator<Buffer> {
		for await (const chunk of stream as AsyncIterable<Buffer>) {
			onChunk();
			yield chunk;
		}
	}
	try {
		return { bytes, ...(await inspectFile(chunks())) };
	} finally {
		stream.destroy();
	}
}
