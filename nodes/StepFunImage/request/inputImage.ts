import type { IDataObject } from 'n8n-workflow';

import { decodeUrl, isWebAddress } from '../catalogue/services';
import { Refusal } from '../errors/nodeErrors';
import { RequestFailure } from '../errors/requestFailure';
import { truncate } from '../errors/truncate';
import { inspectFile } from '../image/measure';
import { downloadBytes } from '../transport/download';
import { piecesOf } from '../transport/upload';
import { findBinaryImages } from './binaryImage';
import { toUpload } from './imageLimits';
import type { InputImage, InputImageRules, ItemContext } from './types';
import { readChoice, readText, showValue } from './validators';

/** The beginning of an image in a text, which names its type. */
const DATA_URI_PREFIX = /^\s*data:[^,]*,/i;

/** White space that contains a line break. The lookbehind keeps the search in long white space linear. */
const LINE_BREAK = /(?<!\s)\s*[\r\n\t]\s*/g;

/** What is neither in Base64 nor in its variant for URLs. */
const NOT_BASE64 = /[^\w+/-]/;

/** Enough for a signed address. Messages are searched for secrets, which takes longer in longer texts. */
const MAX_SHOWN_CHARACTERS = 2_000;

/** For models without their own limit: more than any image of 4096 × 4096 pixels needs. */
const MAX_DOWNLOAD_BYTES = 64 * 1024 * 1024;

/**
 * Finds the input images of an item, and checks them, except those at a URL, which are downloaded later.
 *
 * @param cancelSignal aborts when the user stops the execution
 * @throws Refusal
 */
export async function resolveInputImages(
	item: ItemContext,
	parameters: IDataObject,
	rules: InputImageRules,
	cancelSignal: AbortSignal,
): Promise<InputImage[]> {
	const { inputSource, inputUrl, inputText, binaryPropertyName } = parameters;
	const entered = { label: 'Input Image From', value: inputSource };
	switch (readChoice(entered, ['binary', 'url', 'text'])) {
		case 'url':
			return [await resolveUrlImage(item, inputUrl, rules)];
		case 'text':
			return [await resolveTextImage('Base64 Text', inputText, rules)];
		default:
			return await findBinaryImages(item, binaryPropertyName, rules, cancelSignal);
	}
}

/**
 * Creates an input image from a URL. n8n downloads it right before the item's request, without the API key and with its
 * protection of the internal network.
 */
async function resolveUrlImage(
	item: ItemContext,
	value: unknown,
	rules: InputImageRules,
): Promise<InputImage> {
	const address = readText({ label: 'Image URL', value });
	if (DATA_URI_PREFIX.test(address)) return await resolveTextImage('Image URL', address, rules);
	if (!isWebAddress(address)) {
		throw new Refusal(
			`'Image URL' must be an address that starts with https:// or http://, but is ${showValue(withoutLogin(address))}`,
			'Enter the address of the image, or check that the expression returns it for this item.',
		);
	}
	const { pathname, href, host } = new URL(address);
	const shownUrl = truncate(withoutLogin(href), MAX_SHOWN_CHARACTERS);
	// Object stores also encode the slashes before the name of a file.
	const fileName = decodeUrl(pathname).split('/').at(-1) || 'image';
	const { limits, timeouts, ignoreSslIssues } = rules;
	return {
		name: fileName,
		async download(signal) {
			const { functions } = item;
			const file = { functions, url: href, timeouts, ignoreSslIssues, signal };
			const maxBytes = limits?.maxBytes ?? MAX_DOWNLOAD_BYTES;
			const bytes = await downloadBytes(file, maxBytes).catch((error: unknown) => {
				if (!(error instanceof RequestFailure)) throw error as Error;
				throw new RequestFailure('inputDownload', { url: shownUrl, reason: error });
			});
			if (bytes.length === 0) {
				throw new Refusal(
					"The file at 'Image URL' is empty",
					`${host} sent a file without content. Open the address in a browser to see what it is.`,
				);
			}
			const { image, isWhole } = await inspectFile(piecesOf(bytes));
			if (!image) {
				throw new Refusal(
					"The file at 'Image URL' is not an image that can be edited",
					`${host} sent something that is not a PNG, JPEG, WebP or other raster image, most likely a web page that shows the image or asks for a login. Enter the address of the file itself, such as a link for downloads.`,
				);
			}
			const inspected = { image, bytes: bytes.length, isWhole };
			const open = async () => piecesOf(bytes);
			return toUpload('Image URL', inspected, rules, open, fileName);
		},
	};
}

function withoutLogin(address: string): string {
	return address.replace(/^(\w+:\/\/)?[^/?#]*@/, '$1');
}

/** Joins lines of equal length whose breaks became spaces, as in a one-line field. Other spaces were plus signs. */
function joinLines(text: string): string {
	const lines = text.split(' ');
	const { length } = lines[0];
	const last = lines.pop() as string;
	const areLines = length % 4 === 0 && lines.every((line) => line.length === length);
	return areLines && last.length <= length ? lines.join('') + last : text;
}

/** Whether a text is Base64, with or without padding. A single regular expression would exceed Node.js's stack. */
function isBase64(text: string): boolean {
	const [padding] = ['==', '=', ''].filter((end) => text.endsWith(end));
	const end = text.length - padding.length;
	const isLength = padding === '' ? end % 4 !== 1 : text.length % 4 === 0;
	return isLength && !NOT_BASE64.test(text.slice(0, end));
}

/** Creates an input image from Base64 text or a data URI in the item. */
async function resolveTextImage(
	label: string,
	value: unknown,
	rules: InputImageRules,
): Promise<InputImage> {
	const entered = readText({ label, value });
	const text = joinLines(entered.replace(DATA_URI_PREFIX, '').replace(LINE_BREAK, '').trim());
	if (text === '') {
		throw new Refusal(
			`'${label}' is empty`,
			'Make the expression return the field that contains the image as Base64 text or as a data URI.',
		);
	}
	const { image, isWhole } = await inspectFile(piecesOf(text));
	if (!image) {
		throw new Refusal(
			`'${label}' does not contain an image that can be edited`,
			'The text is not the Base64 of a PNG, JPEG, WebP or other raster image. Check that it was not cut off.',
		);
	}
	// Node.js skips what is not Base64, which would change the image.
	if (!isBase64(text)) {
		throw new Refusal(
			`'${label}' is not valid Base64`,
			'It contains the beginning of an image, but also characters or a length that Base64 cannot have. The text was changed on its way, for example by a form or a URL. Use a binary field or a URL for the image instead.',
		);
	}
	const bytes = Buffer.byteLength(text, 'base64');
	const open = async () => piecesOf(text);
	return toUpload(label, { image, bytes, isWhole }, rules, open);
}
