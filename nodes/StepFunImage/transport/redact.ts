import type { Redactor } from '../errors/messages';
import { CUT_MARK } from '../errors/truncate';

/** Shorter keys are placeholders such as "none" or "EMPTY", for servers that accept any key. */
const MIN_SECRET_LENGTH = 8;

/** A part of a secret of this length is redacted too, because texts may be truncated. */
const MIN_MATCH_LENGTH = 16;

/** A shorter beginning of a secret at the point where a text was truncated reveals nothing. */
const MIN_CUT_LENGTH = 4;

const NAMED_ENTITIES: Record<string, string> = {
	amp: '&',
	lt: '<',
	gt: '>',
	quot: '"',
	apos: "'",
	sol: '/',
	plus: '+',
	equals: '=',
	num: '#',
	colon: ':',
	period: '.',
	lowbar: '_',
	commat: '@',
};

/** A character that is encoded for a URL, JSON or HTML, or any other character. */
const SPELLED_CHARACTER =
	/%([0-9a-f]{2})|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|\\(["'\\/])|&#x([0-9a-f]{1,6});|&#(\d{1,7});|&(amp|lt|gt|quot|apos|sol|plus|equals|num|colon|period|lowbar|commat);|[^]/gi;

/** A decoded text, and the position of each of its characters, and of its end, in the original text. */
interface ReadText {
	text: string;
	positions: number[];
}

/**
 * Creates a redactor for a credential's secrets. A server may echo a secret unchanged, truncated, in another case,
 * encoded for JSON, HTML or a URL, in hexadecimal digits, or in Base64.
 *
 * @param secrets the API key and passwords, which no text may contain
 * @param headerValues the values of custom headers, which links may contain
 */
export function createRedactor(secrets: string[], headerValues: string[]): Redactor {
	return {
		text: createRedaction([...secrets, ...headerValues]),
		link: createRedaction(secrets),
	};
}

function createRedaction(values: string[]): (text: string) => string {
	const spellings = new Set(values.map((value) => value.trim()).flatMap(spellingsOf));
	const parts = new Set<string>();
	for (const spelling of spellings) {
		const length = Math.min(MIN_MATCH_LENGTH, spelling.length);
		for (let start = 0; start + length <= spelling.length; start++) {
			parts.add(spelling.slice(start, start + length));
		}
	}
	const lengths = new Set([...parts].map(({ length }) => length));
	if (spellings.size === 0) return (text) => text;

	return (text) => {
		/** Whether each character is part of a secret. */
		const isSecret = new Array<boolean>(text.length).fill(false);
		const markParts = ({ text: read, positions }: ReadText) => {
			const lowerCase = toLowerCase(read);
			for (const length of lengths) {
				for (let start = 0; start + length <= lowerCase.length; start++) {
					const isPart = parts.has(lowerCase.slice(start, start + length));
					if (isPart) isSecret.fill(true, positions[start], positions[start + length]);
				}
			}
		};
		const original = { text, positions: [...isSecret.keys(), text.length] };
		const decoded = decode(original);
		new Set([original, decoded, decode(decoded)]).forEach(markParts);

		// A truncated text may end with the beginning of a secret.
		const end = text.endsWith(CUT_MARK) ? text.length - CUT_MARK.length : 0;
		const beforeCut = toLowerCase(text.slice(0, end));
		for (const spelling of spellings) {
			for (let length = MIN_CUT_LENGTH; length < spelling.length; length++) {
				if (beforeCut.endsWith(spelling.slice(0, length))) isSecret.fill(true, end - length, end);
			}
		}
		if (!isSecret.includes(true)) return text;
		return text.replace(/[^]/g, (character, at: number) => {
			if (!isSecret[at]) return character;
			return isSecret[at - 1] ? '' : '***';
		});
	};
}

/** Decodes a text once; returns the same object if nothing in it is encoded. */
function decode(read: ReadText): ReadText {
	const { text, positions } = read;
	if (!/[%\\&]/.test(text)) return read;
	const matches = [...text.matchAll(SPELLED_CHARACTER)];
	return {
		text: matches.map(characterOf).join(''),
		positions: [...matches.map(({ index }) => positions[index]), positions[text.length]],
	};
}

/** The character that one match of `SPELLED_CHARACTER` stands for. */
function characterOf(match: RegExpExecArray): string {
	const [spelling, percent, unicode, byte, escaped, hexadecimal, decimal, name] = match;
	if (name !== undefined) return NAMED_ENTITIES[name.toLowerCase()];
	const digits = percent ?? unicode ?? byte ?? hexadecimal;
	if (digits === undefined && decimal === undefined) return escaped ?? spelling;
	const code = digits === undefined ? Number(decimal) : parseInt(digits, 16);
	return String.fromCharCode(Math.min(code, 0xffff));
}

/** Converts only ASCII letters, so that no character changes its length. */
function toLowerCase(text: string): string {
	return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** The encodings of a secret that `decode` does not decode, in lower case. */
function spellingsOf(secret: string): string[] {
	if (secret.length < MIN_SECRET_LENGTH) return [];
	return [
		secret,
		secret.replace(/\s+/g, ' '),
		// Characters that are not allowed in a header get lost on the way.
		secret.replace(/[^\t\x20-\x7e\x80-\xff]/g, ''),
		encodeURIComponent(secret),
		Buffer.from(secret).toString('hex'),
		...base64Of(secret),
	]
		.filter(({ length }) => length >= MIN_SECRET_LENGTH)
		.map(toLowerCase);
}

/** A text has three encodings in Base64, depending on its position within a group of three bytes. */
function base64Of(secret: string): string[] {
	return [0, 1, 2].flatMap((shift) => {
		const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)]);
		// The first and the last group depend on the bytes around the secret.
		const text = bytes.toString('base64').slice(4, -4);
		return [text, text.replaceAll('+', '-').replaceAll('/', '_')];
	});
}
