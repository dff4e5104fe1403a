const MAX_CHARACTERS = 300;
/** The search for HTML tags takes longer the more of them a page has. */
const MAX_HTML_CHARACTERS = 4 * 1024;

/** The fields that hold a server's message, the most specific ones first: next to a message, `error` is a status text. */
const MESSAGE_FIELDS = ['message', 'msg', 'detail', 'error', 'errors', 'details', 'title'];

/** A message in JSON that ends too early. */
const MESSAGE_IN_TEXT = /"(?:message|msg|detail|error)"\s*:\s*("(?:[^"\\]|\\.)*"?)/;

/**
 * Finds the server's own message in the body of an error, which may be JSON of several shapes, HTML, plain text or
 * empty, and may end too early.
 *
 * @returns at most 300 characters in one line
 */
export function errorText(body: string): string {
	const text = body.replace(/^\uFEFF/, '').trim();
	const message = /^[{["]/.test(text) ? messageInJson(text) : textOfPage(text);
	const line = message.replace(/\s+/g, ' ').trim();
	return line.length > MAX_CHARACTERS ? `${line.slice(0, MAX_CHARACTERS)}…` : line;
}

function messageInJson(text: string): string {
	try {
		return findMessage(JSON.parse(text)) ?? text;
	} catch {
		const [, quoted] = MESSAGE_IN_TEXT.exec(text) ?? [];
		return quoted === undefined ? text : unquote(quoted);
	}
}

function unquote(quoted: string): string {
	try {
		return JSON.parse(quoted) as string;
	} catch {
		return quoted.slice(1);
	}
}

function findMessage(value: unknown): string | undefined {
	if (typeof value === 'string') return value.trim() === '' ? undefined : value;
	if (typeof value !== 'object' || value === null) return undefined;
	if (Array.isArray(value)) {
		const messages = value.map(findMessage).filter((message) => message !== undefined);
		return messages.length > 0 ? messages.join('; ') : undefined;
	}
	const fields = value as Record<string, unknown>;
	const nested = typeof fields.error === 'object' ? findMessage(fields.error) : undefined;
	const found = nested ?? MESSAGE_FIELDS.map((name) => findMessage(fields[name])).find(Boolean);
	// FastAPI's errors of validation: { loc: ['body', 'size'], msg: '…' }.
	const place = Array.isArray(fields.loc) ? fields.loc.filter((part) => part !== 'body') : [];
	return found && place.length > 0 ? `${place.join('.')}: ${found}` : found;
}

function textOfPage(text: string): string {
	const page = text.slice(0, MAX_HTML_CHARACTERS);
	const title = /<title[^<>]*>([^<]*)<\/title>/i.exec(page)?.[1];
	return title ?? page.replace(/<(style|script)[\s\S]*?<\/\1>/gi, ' ').replace(/<[^<>]*>/g, ' ');
}
