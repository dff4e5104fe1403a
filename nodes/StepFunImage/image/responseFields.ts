import { RequestFailure } from '../errors/requestFailure';
import { truncate } from '../errors/truncate';
import { errorCodesIn, errorTextIn } from '../transport/errorText';
import { parseBrokenJson, parseJson } from './lenientJson';

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

/** Texts from a response are limited, because they are searched for secrets, which takes longer in longer texts. */
const MAX_LINK_CHARACTERS = 16 * 1024;
/** More than any server makes for one request. */
const MAX_OTHERS = 20;

/** The fields in which servers and relays return results: a list, a single result, or one field inside another. */
const RESULT_FIELDS = ['data', 'images', 'output', 'result', 'results'];
/** The fields in which they return images alone. Beside a result, these may contain the input image. */
const IMAGE_FIELDS = ['image', 'image_url', 'image_urls'];
const MAX_RESULT_DEPTH = 4;

/** OpenAI's and Stability's spellings of the reason with which StepFun withholds an image. */
const FILTERED = /^content_filter(ed)?$/i;

/** What servers say of a task that is not finished. */
const UNFINISHED = /^(queued|in_queue|pending|starting|submitted|processing|running|in_progress)$/i;

/** One result of a response, mostly an image. */
type Entry = Record<string, unknown>;

/**
 * Reads the fields of a response in any of the forms that servers use.
 *
 * @param text the response without its image, of which an empty text is left
 * @param hasImage whether there was an image
 * @throws RequestFailure of kind `truncated` or `invalidJson` if there was none, and the text is not JSON
 */
export function parseResponse(text: string, hasImage: boolean): ImageResponse {
	const parsed = parseText(text, hasImage);
	const body = asObject(parsed);
	const entries = entriesOf(parsed);
	// An empty text has replaced each image.
	const isImage = ({ b64_json: image, url }: Entry) => image === '' || url === '';
	const entry =
		entries.find((each) => (hasImage ? isImage(each) : linkOf(each) !== undefined)) ??
		asObject(entries[0]);
	const errorCodes = errorCodesIn([body, entries]);
	const finishReason = asShownText(entry.finish_reason);
	// xAI has a flag of its own, and so has fal.ai, which relays pass on: the image is black.
	const isFiltered =
		FILTERED.test(finishReason ?? '') ||
		entry.respect_moderation === false ||
		asObject(body.has_nsfw_concepts)[0] === true;
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
		others: others.length > 0 ? others.slice(0, MAX_OTHERS).map(linkOf) : undefined,
		taskId: [body, ...entries].map(taskIdOf).find((each) => each !== undefined),
		// Some servers report the failure of an image in its own entry.
		error: errorTextIn(body) ?? errorTextIn(entries),
		errorCodes: errorCodes.length > 0 ? errorCodes : undefined,
	};
}

function parseText(text: string, hasImage: boolean): unknown {
	const joined = joinEvents(text.replace(/^\uFEFF/, ''));
	const parsed = parseJson(joined);
	if (parsed !== undefined) return parsed;
	const json = joined.trim();
	const repaired = hasImage || hasLink(json) ? parseBrokenJson(json) : undefined;
	if (repaired !== undefined) return repaired;
	// The image has arrived and is paid for, so the other fields can be missing.
	if (hasImage) return {};
	// An object without its end was truncated. Anything else is not JSON.
	throw json.startsWith('{') && !json.endsWith('}')
		? new RequestFailure('truncated', { text: 'The response ended early' })
		: new RequestFailure('invalidJson', { text: truncate(json) });
}

function linkOf({ url }: Entry): string | undefined {
	return asText(url)?.slice(0, MAX_LINK_CHARACTERS);
}

/**
 * Joins the events of a stream, which some servers send without being asked: the HTML standard's "server-sent events", or
 * JSON line by line.
 */
function joinEvents(text: string): string {
	if (!/^\s*((event|data|id|retry)?:|\{.*\}[ \t]*[\r\n]\s*\{)/.test(text)) return text;
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

/** The ID of a task. Some servers return the task itself, with its kind in `object`, or with its `status`. */
function taskIdOf(entry: Entry): string | undefined {
	const isTask = /\btask$/.test(String(entry.object)) || UNFINISHED.test(String(entry.status));
	return asShownText(entry.task_id ?? entry.taskId ?? (isTask ? entry.id : undefined));
}

/** Whether a response that broke off contains all that was paid for: a complete link to an image, or complete JSON. */
export function hasResult(text: string): boolean {
	return hasLink(text) || isObject(parseJson(text));
}

/** Whether the response contains a link, including its closing quote. */
function hasLink(json: string): boolean {
	return /"url"\s*:\s*"(?:[^"\\]|\\.)*"/.test(json);
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
