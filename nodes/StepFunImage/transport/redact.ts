import type { Redactor } from '../errors/nodeErrors';
import { CUT_MARK } from '../errors/truncate';

const MARK = '***';

/** Shorter keys are placeholders such as "none" or "EMPTY", for servers that accept any key. */
const MIN_SECRET_LENGTH = 8;

/** A part of a secret of this length is redacted too, because texts may be truncated. */
const MIN_MATCH_LENGTH = 16;

/** A shorter beginning of a secret at the point where a text was truncated reveals nothing. */
const MIN_CUT_LENGTH = 4;

/** A character that is encoded for a URL, JSON or HTML. */
const SPELLED_CHARACTER =
	/%([0-9a-f]{2})|\\u([0-9a-f]{4})|\\x([0-9a-f]{2})|\\(["'\\/])|&#x([0-9a-f]{1,6});|&#(\d{1,7});|&(amp|lt|gt|quot|apos|sol|plus|equals|num|colon|period|lowbar|commat);/gi;

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

/** A decoded text, and the position of each of its characters in the original text. */
interface ReadText {
	text: string;
	/** Has one more entry than there are characters, for the end of the text. */
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
	const partsByLength = new Map<number, Set<string>>();
	const spellings = new Set(values.map((value) => value.trim()).flatMap(spellingsOf));
	for (const spelling of spellings) {
		const length = Math.min(MIN_MATCH_LENGTH, spelling.length);
		const parts = partsByLength.get(length) ?? new Set();
		for (let start = 0; start + length <= spelling.length; start++) {
			parts.add(spelling.slice(start, start + length));
		}
		partsByLength.set(length, parts);
	}
	if (partsByLength.size === 0) return (text) => text;

	return (text) => {
		const original: ReadText = {
			text,
			positions: Array.from({ length: text.length + 1 }, (_, at) => at),
		};
		const decoded = decodeSpellings(original);
		const ranges = [original, decoded, decodeSpellings(decoded)].flatMap((read) =>
			findParts(read, partsByLength),
		);
		return replaceRanges(text, [...ranges, ...findCutParts(text, spellings)]);
	};
}

/** Finds parts of secrets in a decoded text, and returns their positions in the original text. */
function findParts(
	{ text, positions }: ReadText,
	partsByLength: Map<number, Set<string>>,
): Array<[start: number, end: number]> {
	const lowerCase = toLowerCase(text);
	const ranges: Array<[number, number]> = [];
	for (const [length, parts] of partsByLength) {
		for (let start = 0; start + length <= lowerCase.length; start++) {
			if (parts.has(lowerCase.slice(start, start + length))) {
				ranges.push([positions[start], positions[start + length]]);
			}
		}
	}
	return ranges;
}

/** Finds the beginning of a secret at the end of a truncated text. */
function findCutParts(text: string, spellings: Set<string>): Array<[start: number, end: number]> {
	if (!text.endsWith(CUT_MARK)) return [];
	const end = text.length - CUT_MARK.length;
	const lowerCase = toLowerCase(text.slice(0, end));
	return [...spellings].flatMap((spelling): Array<[number, number]> => {
		for (let length = spelling.length - 1; length >= MIN_CUT_LENGTH; length--) {
			if (lowerCase.endsWith(spelling.slice(0, length))) return [[end - length, end]];
		}
		return [];
	});
}

/** Converts only ASCII letters, so that no character changes its length. */
function toLowerCase(text: string): string {
	return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function replaceRanges(text: string, ranges: Array<[start: number, end: number]>): string {
	let kept = '';
	let position = 0;
	for (const [start, end] of ranges.sort(([a], [b]) => a - b)) {
		if (start > position || (start === position && !kept.endsWith(MARK))) {
			kept += text.slice(position, start) + MARK;
		}
		position = Math.max(position, end);
	}
	return kept + text.slice(position);
}

function decodeSpellings({ text, positions }: ReadText): ReadText {
	let decoded = '';
	const decodedPositions: number[] = [];
	const append = (part: string, from: number) => {
		decoded += part;
		for (let index = 0; index < part.length; index++)
			decodedPositions.push(positions[from + index]);
	};
	let position = 0;
	for (const match of text.matchAll(SPELLED_CHARACTER)) {
		append(text.slice(position, match.index), position);
		const [spelling, percent, unicode, byte, escaped, hexadecimal, decimal, name] = match;
		const code = parseInt(percent ?? unicode ?? byte ?? hexadecimal ?? '', 16) || Number(decimal);
		const character =
			escaped ??
			(name === undefined
				? String.fromCharCode(Math.min(code || 0, 0xffff))
				: NAMED_ENTITIES[name.toLowerCase()]);
		decoded += character;
		decodedPositions.push(positions[match.index]);
		position = match.index + spelling.length;
	}
	append(text.slice(position), position);
	decodedPositions.push(positions[text.length]);
	return { text: decoded, positions: decodedPositions };
}

/** The encodings of a secret that `decodeSpellings` does not decode, in lower case. */
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
