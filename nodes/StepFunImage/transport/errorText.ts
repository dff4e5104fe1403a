import { jsonParse } from 'n8n-workflow';

import { CODES_IN_MESSAGE } from '../catalogue/errorCodes';
import { truncate } from '../errors/truncate';

const MAX_DEPTH = 4;
const MAX_ERRORS = 20;
/** Limits the search for HTML tags and for codes, which takes longer in a longer text. */
const MAX_SEARCHED_CHARACTERS = 4 * 1024;

/** The fields for error messages, which may be nested. Next to a message, `error` is only the text of the status. */
const MESSAGE_FIELDS =
	'message messages msg detail description error_description error error_msg base_resp status_msg title'.split(
		' ',
	);
/** The fields that contain codes, or objects with codes. */
const CODE_FIELDS = [...MESSAGE_FIELDS, 'errors', 'details'];

/** The beginning of a web page. Some APIs describe their errors in XML. */
const PAGE = /^<(?!\?xml|Error)/i;

/** A message in JSON that ends too early. */
const MESSAGE_IN_TEXT = /"(?:message|msg|detail|error)"\s*:\s*("(?:[^"\\]|\\.)*"?)/;

/** White space, control characters, and characters that change the direction of a text. */
const UNPRINTABLE = /[\s\p{Cc}\u202a-\u202e\u2066-\u2069]+/gu;

/**
 * Finds the server's own message and codes in the body of an error: JSON of several shapes, HTML or plain text, which may
 * end too early.
 *
 * @returns at most 300 characters in one line, the codes: mostly a code, such as `insufficient_quota`, and a type, and
 * whether the body is a web page instead of the response of an API
 */
export function readError(body: string) {
	const text = body.replace(/^\uFEFF/, '').trim();
	const json = jsonParse<unknown>(text, { fallbackValue: null });
	const message = json === null ? messageInText(text) : (findMessage(json) ?? text);
	const isPage = PAGE.test(text);
	// A page is that of a proxy or a firewall, for example, whose content filter is not the service's moderation.
	const errorCodes = isPage ? [] : errorCodesIn(json ?? message);
	return { text: inOneLine(message), errorCodes, isPage };
}

/** Finds the server's own message in the parsed JSON of a response, as `readError` does. */
export function errorTextIn(value: unknown): string | undefined {
	const message = findMessage(value);
	return message && inOneLine(message);
}

/** Finds the service's own codes in the parsed JSON of a response, as `readError` does. */
export function errorCodesIn(value: unknown, depth = 0): string[] {
	if (typeof value === 'string') {
		return value.slice(0, MAX_SEARCHED_CHARACTERS).match(CODES_IN_MESSAGE) ?? [];
	}
	if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return [];
	const inner = (each: unknown) => errorCodesIn(each, depth + 1);
	if (Array.isArray(value)) return value.slice(0, MAX_ERRORS).flatMap(inner);
	const fields = value as Record<string, unknown>;
	const { code, type, reason, param } = fields;
	// OpenAI names the field that it refuses.
	const own = [code, type, reason, param === 'model' && 'invalid_model'];
	const codes = own.filter((each) => ['string', 'number'].includes(typeof each)).map(String);
	return [...CODE_FIELDS.flatMap((name) => inner(fields[name])), ...codes];
}

function inOneLine(message: string): string {
	return truncate(message.replace(UNPRINTABLE, ' ').trim());
}

/** The message in a text that is not JSON, or that is JSON without its end. */
function messageInText(text: string): string {
	if (!/^[{["]/.test(text)) return textOfPage(text);
	const [, quoted] = MESSAGE_IN_TEXT.exec(text) ?? [];
	return quoted === undefined ? text : jsonParse(quoted, { fallbackValue: quoted.slice(1) });
}

/** Finds the message in JSON: a text, a text in one of the message fields, or the texts of several errors. */
function findMessage(value: unknown, depth = 0): string | undefined {
	if (typeof value === 'string') return value.trim() === '' ? undefined : value;
	if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return undefined;
	const inner = (each: unknown) => findMessage(each, depth + 1);
	const firstIn = (values: unknown[]) => values.map(inner).find((each) => each !== undefined);
	if (Array.isArray(value)) {
		const messages = value.slice(0, MAX_ERRORS).map(inner);
		return messages.filter((each) => each !== undefined).join('; ') || undefined;
	}
	const fields = value as Record<string, unknown>;
	// Zod lists the errors of fields as `issues`.
	const { error, issues, errors = issues } = fields;
	const message = firstIn([
		typeof error === 'object' ? error : undefined,
		errors,
		// ASP.NET groups errors by the names of fields.
		typeof errors === 'object' ? Object.values(errors ?? {}) : undefined,
		...MESSAGE_FIELDS.map((name) => fields[name]),
	]);
	// Formats FastAPI's validation errors, `{ loc: ['body', 'size'], msg: '…' }`, and those of Zod as `size: …`.
	const { path, loc = path } = fields;
	const field = Array.isArray(loc) ? loc.filter((part) => part !== 'body').join('.') : '';
	return message === undefined || field === '' ? message : `${field}: ${message}`;
}

function textOfPage(text: string): string {
	const page = text.slice(0, MAX_SEARCHED_CHARACTERS);
	const title = /<title[^<>]*>([^<]*)<\/title>/i.exec(page)?.[1];
	return title ?? page.replace(/<(style|script)[\s\S]*?<\/\1>/gi, ' ').replace(/<[^<>]*>/g, ' ');
}
