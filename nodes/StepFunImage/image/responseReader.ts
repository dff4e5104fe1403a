import { RequestFailure, type FailureKind } from '../errors/requestFailure';
import { truncate } from '../errors/truncate';
import { errorCodesIn, errorTextIn } from '../transport/errorText';
import { createJsonImageScanner, parseJson, tooLarge } from './jsonImageScanner';

/** The fields of a response, without its image. */
export interface ImageResponse {
	id?: string;
	created?: number;
	seed?: number;
	finishReason?: string;
	url?: string;
	/** The links of its further images, `undefined` where an image is not a link. */
	others?: Array<string | undefined>;
	/** The ID of a task that the server has started instead of returning an image. */
	taskId?: string;
	/** The message and codes of a server that reports an error with status 200. */
	error?: string;
	errorCodes?: string[];
}

/** Enough for the largest image as Base64, with line breaks or escaped slashes. */
const MAX_RESPONSE_BYTES = 400 * 1024 * 1024;

/** How an image fails that is useless although n8n's storage works. */
const USELESS_KINDS: FailureKind[] = ['notAnImage', 'truncated'];

/** Texts from a response are limited, because they are searched for secrets, which takes longer in longer texts. */
const MAX_LINK_CHARACTERS = 16 * 1024;

/**
 * Reads a response of the API as it arrives. It decodes the Base64 text of the image on the way and passes it on piece
 * by piece. It parses everything else as JSON at the end.
 *
 * A complete image has been paid for, so the node accepts it even if the response is invalid or incomplete after it.
 *
 * @param body the response's bytes. The image is decoded into the chunks themselves, so they must not be used again.
 * @param storeImage called with the image's bytes when they start to arrive. They end only after the whole response has
 * arrived and is valid, because n8n's store cannot delete a file.
 * @param validate throws if the response is useless whatever its image is
 * @returns the response's fields and its beginning, and the result of `storeImage` if there was an image
 * @throws RequestFailure of kind `truncated`, `invalidJson` or `tooLarge`, and the errors of `storeImage`. If the
 * response is complete but its image is not, the kind is `notAnImage`.
 */
export async function readResponse<Stored>(
	body: AsyncIterable<Buffer>,
	storeImage: (image: AsyncIterable<Buffer>) => Promise<Stored>,
	validate: (response: ImageResponse) => void,
): Promise<{ response: ImageResponse; beginning: string; image?: Stored }> {
	const chunks = body[Symbol.asyncIterator]();
	const scanner = createJsonImageScanner();
	let bytes = 0;
	let validated: ImageResponse | undefined;
	let image: { stored: Stored } | undefined;

	const readChunk = async (): Promise<boolean> => {
		const next = await chunks.next().catch((error: unknown) => {
			// A broken connection does not matter after a complete image, a complete link to one, or complete JSON.
			const envelope = scanner.envelope();
			const isPaidFor =
				scanner.imageIsComplete() || hasLink(envelope) || isObject(parseJson(envelope));
			if (!(error instanceof RequestFailure) || !isPaidFor) throw error as Error;
			return { done: true as const, value: undefined };
		});
		if (next.done) return false;
		bytes += next.value.length;
		if (bytes > MAX_RESPONSE_BYTES) throw tooLarge();
		scanner.scan(next.value);
		return true;
	};

	const beginning = () => truncate(scanner.envelope().trim());

	const parseAndValidate = (): ImageResponse => {
		// A stored image is complete, even if the end of its text has not arrived.
		const hasImage = image !== undefined || scanner.imageIsComplete();
		const response = parseEnvelope(scanner.envelope(), hasImage);
		validate(response);
		return response;
	};

	async function* imageBytes(): AsyncGenerator<Buffer> {
		yield* scanner.takeImageBytes();
		while (!scanner.imageIsComplete()) {
			if (!(await readChunk())) {
				const text = 'The response ended in the middle of the image';
				throw new RequestFailure('truncated', { text });
			}
			yield* scanner.takeImageBytes();
		}
		while (await readChunk());
		validated = parseAndValidate();
	}

	/** Reads the rest of a response whose image is useless; `undefined` if that fails. */
	const readRejected = async (): Promise<ImageResponse | undefined> => {
		try {
			while (await readChunk()) scanner.takeImageBytes();
			return parseEnvelope(scanner.envelope(), false);
		} catch (error) {
			// An endless response is the more important failure.
			if (error instanceof RequestFailure && error.kind === 'tooLarge') throw error as Error;
			return undefined;
		}
	};

	do {
		if (image || !scanner.hasImageBytes()) continue;
		try {
			image = { stored: await storeImage(imageBytes()) };
		} catch (error) {
			const rejection = toRejection(error, validated !== undefined);
			if (!USELESS_KINDS.includes(rejection.kind)) throw rejection;
			// Reads the rest of the response, for its ID and a link to the image, only if the response is at fault.
			const response = await readRejected();
			if (response) validate(response);
			if (response?.url) return { response, beginning: beginning() };
			throw rejection.with({ id: response?.id });
		}
	} while (await readChunk());
	const response = validated ?? parseAndValidate();
	return { response, beginning: beginning(), image: image?.stored };
}

/** Reads a response that is the image itself. Throws as `readResponse` does. */
export async function readImage<Stored>(
	body: AsyncIterable<Buffer>,
	storeImage: (image: AsyncIterable<Buffer>) => Promise<Stored>,
): Promise<Stored> {
	let isWhole = false;
	async function* imageBytes(): AsyncGenerator<Buffer> {
		yield* body;
		isWhole = true;
	}
	try {
		return await storeImage(imageBytes());
	} catch (error) {
		throw toRejection(error, isWhole);
	}
}

/** Why an image was not stored. If the response is complete, the server itself sent an incomplete image. */
function toRejection(error: unknown, responseIsWhole: boolean): RequestFailure {
	if (!(error instanceof RequestFailure)) {
		const text = error instanceof Error ? error.message : String(error);
		return new RequestFailure('storage', { text });
	}
	const isIncomplete = error.kind === 'truncated' && responseIsWhole;
	return isIncomplete ? new RequestFailure('notAnImage', error.details) : error;
}

function parseEnvelope(text: string, hasImage: boolean): ImageResponse {
	const json = joinEvents(text.replace(/^\uFEFF/, ''));
	let parsed = parseJson(json);
	if (parsed === undefined && (hasImage || hasLink(json))) parsed = parseBrokenJson(json.trim());
	if (parsed === undefined) {
		// The image has arrived and is paid for, so the other fields can be missing.
		if (hasImage) return {};
		const trimmed = json.trim();
		// An object without its end was truncated. Anything else is not JSON.
		throw trimmed.startsWith('{') && !trimmed.endsWith('}')
			? new RequestFailure('truncated', { text: 'The response ended early' })
			: new RequestFailure('invalidJson', { text: truncate(trimmed) });
	}
	const body = asObject(parsed);
	const entries = entriesOf(parsed);
	const linkOf = ({ url }: Entry) => asText(url)?.slice(0, MAX_LINK_CHARACTERS);
	// An empty text has replaced each image.
	const isImage = ({ b64_json: image, url }: Entry) => image === '' || url === '';
	const entry =
		entries.find((each) => (hasImage ? isImage(each) : linkOf(each) !== undefined)) ??
		asObject(entries[0]);
	const errorCodes = errorCodesIn([body, entries]);
	const finishReason = asShownText(entry.finish_reason);
	// OpenAI's and Stability's spellings of StepFun's reason, and xAI's own flag.
	const isFiltered =
		/^content_filter(ed)?$/i.test(finishReason ?? '') || entry.respect_moderation === false;
	const links = new Set([linkOf(entry)]);
	const others = entries.filter((each) => {
		const link = linkOf(each);
		if (link === undefined) return each !== entry && hasImage && each.b64_json === '';
		// Some servers return the same list in two fields.
		return !links.has(link) && links.add(link);
	});
	return {
		id: asShownText(body.id),
		created: asNumber(body.created),
		seed: asNumber(entry.seed) ?? asNumber(body.seed),
		finishReason: isFiltered ? 'content_filtered' : finishReason,
		url: linkOf(entry),
		others: others.length > 0 ? others.map(linkOf) : undefined,
		taskId: [body, ...entries]
			.map(({ task_id: id, taskId }) => asShownText(id ?? taskId))
			.find((each) => each !== undefined),
		// Some servers report the failure of an image in its own entry.
		error: errorTextIn(body) ?? errorTextIn(entries),
		errorCodes: errorCodes.length > 0 ? errorCodes : undefined,
	};
}

/** The fields in which servers and relays return results: a list, a single result, or one field inside another. */
const RESULT_FIELDS = ['data', 'images', 'output', 'result', 'results'];
/** The fields in which they return images alone. Beside a result, these may contain the input image. */
const IMAGE_FIELDS = ['image', 'image_url', 'image_urls'];
const MAX_RESULT_DEPTH = 4;

const RELEVANT_FIELD =
	/"(id|created|url|b64_json|seed|finish_reason)"\s*:\s*("(?:[^"\\]|\\[^])*"|-?\d+)/g;

type Entry = Record<string, unknown>;

/** Joins the events of a stream (the HTML standard's "server-sent events"), which some servers send without being asked. */
function joinEvents(text: string): string {
	if (!/^\s*(event|data|id|retry)?:/.test(text)) return text;
	const events = [...text.matchAll(/^(?:data:[ \t]*)?(\{[^\r\n]*)/gm)].map(([, event]) => event);
	return events.length > 0 ? `[${events.join(',')}]` : text;
}

/** The results in a response, each as an object. Some servers return a link without an object around it. */
function entriesOf(value: unknown, depth = 0): Entry[] {
	if (typeof value === 'string') return /^(https?:\/)?\//i.test(value) ? [{ url: value }] : [];
	if (!isObject(value) || depth > MAX_RESULT_DEPTH) return [];
	if (Array.isArray(value)) return value.flatMap((each) => entriesOf(each, depth + 1));
	const entriesIn = (names: string[]) => names.flatMap((name) => entriesOf(value[name], depth + 1));
	const results = entriesIn(RESULT_FIELDS);
	if (results.length > 0) return results;
	const hasOwnImage = typeof value.url === 'string' || typeof value.b64_json === 'string';
	const images = hasOwnImage ? [] : entriesIn(IMAGE_FIELDS);
	return images.length > 0 ? images : [value];
}

/** Parses the relevant parts of JSON that is truncated, has data after its end, or contains NaN or line breaks in texts. */
function parseBrokenJson(json: string): unknown {
	if (!/^[[{]/.test(json)) return undefined;
	return parseJson(repairJson(json)) ?? pickFields(json);
}

/** Picks the first occurrence of each relevant field, wherever it is. */
function pickFields(json: string): Entry {
	const fields: Entry = {};
	for (const [, name, value] of json.matchAll(RELEVANT_FIELD)) {
		fields[name] ??= parseJson(value.replace(/\p{Cc}+/gu, ' '));
	}
	return fields;
}

/** Whether the response contains a link, including its closing quote. */
function hasLink(json: string): boolean {
	return /"url"\s*:\s*"(?:[^"\\]|\\.)*"/.test(json);
}

/** Extracts the first JSON value of a text, and adds the brackets that are missing at its end. */
function repairJson(text: string): string {
	const closing: string[] = [];
	for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\[^])*"?|[{}[\]]/g)) {
		if (token === '{') closing.push('}');
		else if (token === '[') closing.push(']');
		else if (token === closing.at(-1)) {
			closing.pop();
			if (closing.length === 0) return text.slice(0, index + 1);
		}
	}
	return text.replace(/(?<![\s,\0])[\s,\0]+$/, '') + closing.reverse().join('');
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null;
}

function asObject(value: unknown): Record<string, unknown> {
	return isObject(value) ? value : {};
}

function asText(value: unknown): string | undefined {
	return typeof value === 'string' && value !== '' ? value : undefined;
}

function asShownText(value: unknown): string | undefined {
	const text = asText(value);
	return text && truncate(text);
}

/** Reads a number, which some servers send as text. */
function asNumber(value: unknown): number | undefined {
	if (typeof value === 'string' && /^\d{1,15}$/.test(value)) return Number(value);
	// A larger integer has been rounded.
	const isExact = typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
	return isExact ? value : undefined;
}
