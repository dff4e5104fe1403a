import { RequestFailure } from '../errors/requestFailure';
import { createJsonImageScanner, tooLarge } from './jsonImageScanner';

/** The fields of an answer, without its image. */
export interface ImageResponse {
	id?: string;
	created?: number;
	seed?: number;
	finishReason?: string;
	url?: string;
	/** What a server says that reports an error with status 200. */
	error?: string;
}

/** Room for the largest image as Base64, in lines or with its slashes escaped. */
const MAX_RESPONSE_BYTES = 400 * 1024 * 1024;

/** What is shown of an answer is searched for secrets first, which takes the longer the more of it there is. */
const MAX_SHOWN_CHARACTERS = 300;
const MAX_LINK_CHARACTERS = 16 * 1024;

/**
 * Reads an answer of the API as it arrives. The Base64 text of its image is decoded on the way and
 * handed over piece by piece, so that the answer never stands in memory as a whole; everything else
 * is kept and parsed as JSON at the end, with the image left out.
 *
 * An image that arrived whole is paid for, so it counts whatever stands behind it, or is missing there.
 *
 * @param body the answer's bytes; the image is decoded into the chunks themselves, so they must not be used again
 * @param storeImage is called with the image's bytes once they begin to arrive; they end only when the whole
 * answer is here and valid, since n8n's store cannot be told to forget a file that it has kept
 * @param validate throws when an answer is of no use, whatever its image
 * @returns the answer's fields, and what `storeImage` returned if there was an image
 * @throws RequestFailure of kind `truncated`, `invalidJson` or `tooLarge`, and what `storeImage` throws; `notAnImage`
 * where that says `truncated` of an image whose answer is whole
 */
export async function readResponse<Stored>(
	body: AsyncIterable<Buffer>,
	storeImage: (image: AsyncIterable<Buffer>) => Promise<Stored>,
	validate: (response: ImageResponse) => void,
): Promise<{ response: ImageResponse; image?: Stored }> {
	const chunks = body[Symbol.asyncIterator]();
	const scanner = createJsonImageScanner();
	let bytes = 0;
	let isValidated = false;
	let isBroken = false;

	const readChunk = async (): Promise<boolean> => {
		if (isBroken) return false;
		const next = await chunks.next().catch((error: unknown) => {
			// Behind a whole image, or a whole link to one, the connection may break as it likes.
			const isPaidFor = scanner.imageIsComplete() || hasLink(scanner.envelope());
			if (!(error instanceof RequestFailure) || !isPaidFor) throw error as Error;
			isBroken = true;
			return { done: true as const, value: undefined };
		});
		if (next.done) return false;
		bytes += next.value.length;
		if (bytes > MAX_RESPONSE_BYTES) throw tooLarge();
		scanner.scan(next.value);
		return true;
	};

	const parse = () => parseEnvelope(scanner.envelope(), scanner.imageIsComplete());

	async function* imageBytes(): AsyncGenerator<Buffer> {
		for (;;) {
			yield* scanner.takeImageBytes();
			if (scanner.imageIsComplete()) break;
			if (!(await readChunk())) {
				throw new RequestFailure('truncated', {
					text: 'The answer ended in the middle of the image',
				});
			}
		}
		while (await readChunk());
		validate(parse());
		isValidated = true;
	}

	/** The answer, or nothing where what made its image useless keeps the rest from being read. */
	const readRejected = async (): Promise<ImageResponse | undefined> => {
		try {
			while (await readChunk()) scanner.takeImageBytes();
			return parse();
		} catch (error) {
			// An answer without an end is worse than its image, and no more worth another try.
			if (error instanceof RequestFailure && error.kind === 'tooLarge') throw error as Error;
			return undefined;
		}
	};

	try {
		let image: { stored: Stored } | undefined;
		do {
			if (image || !scanner.hasImageBytes()) continue;
			try {
				image = { stored: await storeImage(imageBytes()) };
			} catch (error) {
				const rejection = toRejection(error, isValidated);
				if (rejection.kind !== 'notAnImage') throw rejection;
				// The rest of the answer is read for its ID only where an answer is to be blamed.
				const response = await readRejected();
				if (response) validate(response);
				throw rejection.with({ id: response?.id });
			}
		} while (await readChunk());
		const response = parse();
		validate(response);
		return { response, image: image?.stored };
	} finally {
		await chunks.return?.();
	}
}

/** Why an image was not stored. One that ends too early in a whole answer is as the server made it. */
function toRejection(error: unknown, responseIsWhole: boolean): RequestFailure {
	if (!(error instanceof RequestFailure)) {
		return new RequestFailure('storage', {
			text: error instanceof Error ? error.message : String(error),
		});
	}
	return error.kind === 'truncated' && responseIsWhole
		? new RequestFailure('notAnImage', error.details)
		: error;
}

function parseEnvelope(text: string, hasImage: boolean): ImageResponse {
	const json = text.replace(/^\uFEFF/, '');
	const parsed =
		parseJson(json) ?? (hasImage || hasLink(json) ? parseBrokenJson(json.trim()) : undefined);
	if (parsed === undefined) {
		// An image that is here and paid for needs no more than its bytes.
		if (hasImage) return {};
		const trimmed = json.trim();
		// JSON that never closes was on its way; anything else was never going to be JSON.
		throw trimmed.startsWith('{') && !trimmed.endsWith('}')
			? new RequestFailure('truncated', { text: 'The answer ended early' })
			: new RequestFailure('invalidJson', { text: trimmed.slice(0, 300) });
	}
	const answer = asObject(parsed.value);
	const entries = entriesOf(parsed.value);
	// The image has been taken out of the entry that it stood in, and left an empty text there.
	const entry =
		entries.find(({ b64_json: image, url }) =>
			hasImage ? image === '' || url === '' : asText(url) !== undefined,
		) ?? asObject(entries[0]);
	return {
		id: asShownText(answer.id),
		created: asNumber(answer.created),
		seed: asNumber(entry.seed),
		finishReason: asShownText(entry.finish_reason),
		url: asText(entry.url)?.slice(0, MAX_LINK_CHARACTERS),
		error: [answer.error, asObject(answer.error).message, answer.message, answer.msg, answer.detail]
			.map(asShownText)
			.find((each) => each !== undefined),
	};
}

/** The fields under which servers and relays put their results: a list, a single one, or one inside another. */
const RESULT_FIELDS = ['data', 'images', 'output', 'result'];
const MAX_RESULT_DEPTH = 4;

/** What an answer holds of results, each as an object: some servers write a link without one around it. */
function entriesOf(value: unknown, depth = 0): Array<Record<string, unknown>> {
	if (typeof value === 'string') return /^(https?:\/)?\//i.test(value) ? [{ url: value }] : [];
	if (typeof value !== 'object' || value === null || depth > MAX_RESULT_DEPTH) return [];
	if (Array.isArray(value)) return value.flatMap((each) => entriesOf(each, depth + 1));
	const object = value as Record<string, unknown>;
	const inner = RESULT_FIELDS.flatMap((name) =>
		typeof object[name] === 'object' ? entriesOf(object[name], depth + 1) : [],
	);
	return inner.length > 0 ? inner : [object];
}

/**
 * JSON that breaks off, has something behind it, or that no parser takes: Python writes NaN, and some servers line breaks
 * in the middle of a text. What matters of it can be read all the same.
 */
function parseBrokenJson(json: string): { value: unknown } | undefined {
	if (!/^[[{]/.test(json)) return undefined;
	return parseJson(repairJson(json)) ?? { value: pickFields(json) };
}

/** The first field of each name that matters, wherever it stands. */
function pickFields(json: string): Record<string, unknown> {
	const pick = (name: string) => {
		const [, raw] =
			new RegExp(`"${name}"\\s*:\\s*("(?:[^"\\\\]|\\\\[^])*"|-?\\d+)`).exec(json) ?? [];
		return raw === undefined ? undefined : parseJson(raw.replace(/\p{Cc}+/gu, ' '))?.value;
	};
	const [url, image, seed, finishReason] = ['url', 'b64_json', 'seed', 'finish_reason'].map(pick);
	return {
		id: pick('id'),
		created: pick('created'),
		data: [{ url, b64_json: image, seed, finish_reason: finishReason }],
	};
}

function parseJson(text: string): { value: unknown } | undefined {
	try {
		return { value: JSON.parse(text) };
	} catch {
		return undefined;
	}
}

/** Whether a link stands in the answer up to the quote behind it. */
function hasLink(json: string): boolean {
	return /"url"\s*:\s*"(?:[^"\\]|\\.)*"/.test(json);
}

/** The first JSON value of a text, without what stands behind it, and with the brackets that are missing at its end. */
function repairJson(text: string): string {
	const closing: string[] = [];
	let isInString = false;
	let position = 0;
	for (; position < text.length; position++) {
		const character = text[position];
		if (isInString) {
			if (character === '\\') position++;
			else if (character === '"') isInString = false;
		} else if (character === '"') isInString = true;
		else if (character === '{') closing.push('}');
		else if (character === '[') closing.push(']');
		else if (character === closing.at(-1)) {
			closing.pop();
			if (closing.length === 0) return text.slice(0, position + 1);
		}
	}
	return text.replace(/[\s,\0]+$/, '') + closing.reverse().join('');
}

function asObject(value: unknown): Record<string, unknown> {
	return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function asText(value: unknown): string | undefined {
	return typeof value === 'string' && value !== '' ? value : undefined;
}

function asShownText(value: unknown): string | undefined {
	return asText(value)?.slice(0, MAX_SHOWN_CHARACTERS);
}

/** A number, which some servers write as a text. */
function asNumber(value: unknown): number | undefined {
	if (typeof value === 'string' && /^\d{1,15}$/.test(value)) return Number(value);
	return typeof value === 'number' ? value : undefined;
}
