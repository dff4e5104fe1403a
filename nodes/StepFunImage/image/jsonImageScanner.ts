import { RequestFailure } from '../errors/requestFailure';
import { base64Decoder } from './base64Decoder';

/** The JSON around the image is a few hundred bytes; the limit guards against endless responses. */
const MAX_ENVELOPE_BYTES = 1024 * 1024;
/** Only the beginning of a longer text is kept, because some servers return the input image. */
const MAX_KEPT_TEXT_BYTES = 64 * 1024;
const MAX_TEXT_BYTES = 64 * 1024 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** The field for an image as Base64. */
const IMAGE_KEY = 'b64_json';
/** The field for a link. Some servers put the image itself there. */
const LINK_KEY = 'url';
/**
 * How an image starts where a link may be: as a data URI, or as the Base64 text of a PNG, JPEG or WebP. In lower case.
 */
const IMAGE_STARTS = ['data:', 'ivborw0kggo', '/9j/', 'uklgr'];
/** The longest form of the relevant keys, with each character as an escape such as `\u0062`. */
const MAX_KEY_BYTES = IMAGE_KEY.length * 6;
/** The beginning of an escape sequence at the end of a text. */
const INCOMPLETE_ESCAPE = /(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)$/;

const isWhiteSpace = (byte: number) =>
	byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * Creates a scanner for the JSON of an answer while it arrives. It decodes the Base64 text of the image chunk by chunk,
 * reads everything else byte by byte, and keeps it. It accepts all escape sequences of JSON.
 */
export function createJsonImageScanner() {
	/** Grows by doubling, because a hostile answer may arrive in a million pieces. */
	let envelope = Buffer.alloc(4096);
	let envelopeBytes = 0;
	let imageBytes: Buffer[] = [];
	let decoder: ReturnType<typeof base64Decoder> | undefined;
	let isEmpty = true;
	const createDecoder = () =>
		base64Decoder((bytes) => {
			isEmpty = false;
			imageBytes.push(bytes);
		});

	let state: 'structure' | 'string' | 'link' | 'image' | 'anotherImage' = 'structure';
	/** The last string, which is a key if a colon follows. */
	let lastString: number[] = [];
	let key: string | undefined;
	/** How much of the current string has been read, if it is not an image. */
	let textBytes = 0;
	let escaped = false;
	/** An incomplete escape sequence at the end of a chunk of the image text. */
	let escape = '';

	const append = (part: Buffer) => {
		const bytes = envelopeBytes + part.length;
		if (bytes > MAX_ENVELOPE_BYTES) throw tooLarge();
		if (bytes > envelope.length) {
			envelope = Buffer.concat([envelope], Math.max(bytes, envelope.length * 2));
		}
		part.copy(envelope, envelopeBytes);
		envelopeBytes = bytes;
	};

	const stateOfString = (name: string | undefined): typeof state => {
		if (name === IMAGE_KEY) return decoder ? 'anotherImage' : 'image';
		// A text without a key is a key itself, or part of a list, which may consist of links.
		return name === LINK_KEY || name === undefined ? 'link' : 'string';
	};

	const scanStructure = (chunk: Buffer, start: number): number => {
		let position = start;
		while (position < chunk.length) {
			const byte = chunk[position++];
			if (byte === QUOTE) {
				state = stateOfString(key);
				key = undefined;
				lastString = [];
				textBytes = 0;
				break;
			}
			if (byte === COLON) key = decodeKey(lastString);
			else if (!isWhiteSpace(byte)) key = undefined;
		}
		append(chunk.subarray(start, position));
		return position;
	};

	const appendText = (text: Buffer) => {
		append(text.subarray(0, Math.max(0, MAX_KEPT_TEXT_BYTES - textBytes)));
		textBytes += text.length;
		if (textBytes > MAX_TEXT_BYTES) throw tooLarge();
	};

	const scanString = (chunk: Buffer, start: number): number => {
		const quote = endOfText(chunk, start, escaped);
		const end = quote ?? chunk.length;
		escaped = quote === undefined && isEscaped(chunk, end, start, escaped);
		const text = chunk.subarray(start, end);
		lastString.push(...text.subarray(0, Math.max(0, MAX_KEY_BYTES + 1 - lastString.length)));
		appendText(text);
		if (quote === undefined) return end;
		state = 'structure';
		append(chunk.subarray(quote, quote + 1));
		return quote + 1;
	};

	/** If a link starts like an image, it is one, and the decoder gets the start that has been read. */
	const scanLink = (chunk: Buffer, start: number): number => {
		let position = start;
		while (position < chunk.length) {
			const read = String.fromCharCode(...lastString, chunk[position]).toLowerCase();
			const imageStart = IMAGE_STARTS.find((each) => each.startsWith(read));
			if (imageStart === undefined) {
				append(Buffer.from(lastString));
				state = 'string';
				break;
			}
			lastString.push(chunk[position++]);
			if (read !== imageStart) continue;
			state = decoder ? 'anotherImage' : 'image';
			if (decoder) break;
			decoder = createDecoder();
			decoder.decode(Buffer.from(lastString));
			break;
		}
		return position;
	};

	const endImageString = (position: number) => {
		if (state === 'image') {
			decoder?.end();
			// An empty text is not an image, so the image may still follow.
			if (isEmpty) decoder = undefined;
		}
		state = 'structure';
		lastString = [];
		append(Buffer.from('"'));
		return position;
	};

	const decode = (text: Buffer) => {
		if (state === 'image') decoder?.decode(text);
	};

	const scanImage = (chunk: Buffer, start: number): number => {
		decoder ??= createDecoder();
		const quote = endOfText(chunk, start, escape === '\\');
		const inside = chunk.subarray(start, quote);
		if (escape === '' && !inside.includes(BACKSLASH)) decode(inside);
		else {
			// Decodes all escapes of a chunk at once, because some servers write one every few characters.
			const text = escape + inside.toString('latin1');
			escape = quote === undefined ? (INCOMPLETE_ESCAPE.exec(text)?.[1] ?? '') : '';
			const complete = text.slice(0, text.length - escape.length);
			decode(Buffer.from(unescapeImageText(complete.replace(/[\r\n\t]+/g, '')), 'latin1'));
		}
		return quote === undefined ? chunk.length : endImageString(quote + 1);
	};

	const scanners = {
		structure: scanStructure,
		string: scanString,
		link: scanLink,
		image: scanImage,
		anotherImage: scanImage,
	};

	return {
		/** Scans the next piece of the answer, and decodes the image into the piece's own memory. */
		scan(chunk: Buffer) {
			let position = 0;
			while (position < chunk.length) position = scanners[state](chunk, position);
		},
		hasImageBytes: () => imageBytes.length > 0,
		/** Whether the image has arrived, including its closing quote. */
		imageIsComplete: () => decoder !== undefined && state !== 'image',
		takeImageBytes() {
			const taken = imageBytes;
			imageBytes = [];
			return taken;
		},
		/** The JSON without its image. */
		envelope: () => envelope.toString('utf8', 0, envelopeBytes),
	};
}

/** The failure for an answer, or an image in it, that is far larger than this API can send. */
export function tooLarge(): RequestFailure {
	return new RequestFailure('tooLarge', {
		text: 'The answer is far larger than any valid answer of this API',
	});
}

/**
 * Whether a byte belongs to an escape sequence that starts right before it.
 *
 * @param startIsEscaped whether the same is true of the byte at `start`
 */
function isEscaped(chunk: Buffer, at: number, start: number, startIsEscaped: boolean): boolean {
	let first = at;
	while (first > start && chunk[first - 1] === BACKSLASH) first--;
	return (at - first + (first === start && startIsEscaped ? 1 : 0)) % 2 === 1;
}

/** The position of the quote that ends a text. */
function endOfText(chunk: Buffer, start: number, startIsEscaped: boolean): number | undefined {
	let quote = chunk.indexOf(QUOTE, start);
	while (quote !== -1 && isEscaped(chunk, quote, start, startIsEscaped)) {
		quote = chunk.indexOf(QUOTE, quote + 1);
	}
	return quote === -1 ? undefined : quote;
}

/** Decodes a key; `undefined` if it is too long to be relevant. */
function decodeKey(bytes: number[]): string | undefined {
	if (bytes.length > MAX_KEY_BYTES) return undefined;
	const raw = String.fromCharCode(...bytes);
	return raw.includes('\\') ? unescapeJson(raw) : raw;
}

function unescapeImageText(raw: string): string {
	const text = unescapeJson(raw);
	if (text !== undefined) return text;
	throw new RequestFailure('invalidJson', {
		text: `The answer has an invalid escape: ${raw.slice(0, 100)}`,
	});
}

function unescapeJson(raw: string): string | undefined {
	try {
		return JSON.parse(`"${raw}"`) as string;
	} catch {
		return undefined;
	}
}
