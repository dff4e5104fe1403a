import { RequestFailure } from '../errors/requestFailure';
import { base64Decoder } from './base64Decoder';
import { parseJson } from './lenientJson';

/** The JSON around the image is a few hundred bytes; the limit guards against endless responses. */
const MAX_ENVELOPE_BYTES = 1024 * 1024;
/** Only the beginning of a longer text is kept, because some servers return the input image. */
const MAX_KEPT_TEXT_BYTES = 64 * 1024;
const MAX_TEXT_BYTES = 64 * 1024 * 1024;

const [QUOTE, BACKSLASH, COLON] = Buffer.from('"\\:');
const WHITE_SPACE = new Set(Buffer.from(' \n\r\t'));

/** The field for an image as Base64. */
const IMAGE_KEY = 'b64_json';
/** The field for a link. Some servers put the image itself there. */
const LINK_KEY = 'url';
/** How an image starts where a link may be: as a data URI, or as the Base64 of a PNG, JPEG or WebP. In lower case. */
const IMAGE_STARTS = ['data:', 'ivborw0kggo', '/9j/', 'uklgr'];
/** The longest form of the relevant keys, with each character as an escape such as `\u0062`. */
const MAX_KEY_CHARACTERS = IMAGE_KEY.length * 6;
/** The beginning of an escape sequence at the end of a text. */
const INCOMPLETE_ESCAPE = /(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)$/;

/** Takes a piece of a text. It may overwrite the piece. */
type TakePiece = (piece: Buffer, isLast: boolean) => void;

/**
 * Creates a scanner for the JSON of a response while it arrives. It decodes the Base64 text of the image chunk by chunk,
 * reads everything else byte by byte, and keeps it. It accepts all escape sequences of JSON.
 */
export function createJsonImageScanner() {
	/** Grows by doubling, because a hostile response may arrive in a million pieces. */
	let envelope = Buffer.alloc(4096);
	let envelopeBytes = 0;
	const imageBytes: Buffer[] = [];
	let failure: Error | undefined;
	let decoder: ReturnType<typeof base64Decoder> | undefined;
	let isEmpty = true;
	/** Takes the current text; `undefined` between texts. */
	let take: TakePiece | undefined;
	/** How much of the current text has been taken. */
	let takenBytes = 0;
	/** The beginning of the last text, which is a key if a colon follows. */
	let head = '';
	let key: unknown;
	let isEscapedNext = false;
	/** An incomplete escape sequence at the end of a piece of the image. */
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

	const takeText: TakePiece = (text) => {
		append(text.subarray(0, Math.max(0, MAX_KEPT_TEXT_BYTES - takenBytes)));
		if (takenBytes + text.length > MAX_TEXT_BYTES) throw tooLarge();
	};

	const skip: TakePiece = () => undefined;

	const decodeImage: TakePiece = (piece, isLast) => {
		if (escape === '' && !piece.includes(BACKSLASH)) decoder?.decode(piece);
		else {
			// Decodes all escapes of a piece at once, because some servers write one every few characters.
			const text = escape + piece.toString('latin1');
			escape = isLast ? '' : (INCOMPLETE_ESCAPE.exec(text)?.[1] ?? '');
			const complete = text.slice(0, text.length - escape.length);
			decoder?.decode(unescapeImageText(complete.replace(/[\r\n\t]+/g, '')));
		}
		if (!isLast) return;
		decoder?.end();
		// An empty text is not an image, so the image may still follow.
		if (isEmpty) decoder = undefined;
	};

	/** Keeps a failure for the reader of the image, and scans on, because a link to the image may follow. */
	const takeImage: TakePiece = (piece, isLast) => {
		try {
			decodeImage(piece, isLast);
		} catch (error) {
			failure = error as Error;
			take = skip;
		}
	};

	/** Only the first image is decoded. */
	const takeNextImage = (): TakePiece => {
		if (decoder) return skip;
		decoder = base64Decoder((bytes) => {
			isEmpty = false;
			imageBytes.push(bytes);
		});
		return takeImage;
	};

	/** Takes a text that is a link, or an image if it starts like one. */
	const takeLink: TakePiece = (piece, isLast) => {
		const start = head.toLowerCase();
		const isImage = IMAGE_STARTS.some((each) => start.startsWith(each));
		const isUndecided = !isImage && IMAGE_STARTS.some((each) => each.startsWith(start));
		if (isUndecided && !isLast) return;
		take = isImage ? takeNextImage() : takeText;
		take(Buffer.from(head.slice(0, takenBytes), 'latin1'), false);
		take(piece, isLast);
	};

	const startText = () => {
		// A text without a key is a key itself, or part of a list, which may consist of links.
		const mayBeLink = key === LINK_KEY || key === undefined;
		take = key === IMAGE_KEY ? takeNextImage() : mayBeLink ? takeLink : takeText;
		takenBytes = 0;
		head = '';
		key = undefined;
	};

	const scanStructure = (chunk: Buffer, start: number): number => {
		let position = start;
		while (position < chunk.length && !take) {
			const byte = chunk[position++];
			if (byte === QUOTE) startText();
			else if (byte === COLON) key = decodeKey(head);
			else if (!WHITE_SPACE.has(byte)) key = undefined;
		}
		append(chunk.subarray(start, position));
		return position;
	};

	const scanText = (chunk: Buffer, start: number): number => {
		const quote = endOfText(chunk, start, isEscapedNext);
		const end = quote ?? chunk.length;
		isEscapedNext = quote === undefined && isEscaped(chunk, end, start, isEscapedNext);
		const piece = chunk.subarray(start, end);
		head += piece.toString('latin1', 0, MAX_KEY_CHARACTERS + 1 - head.length);
		take?.(piece, quote !== undefined);
		takenBytes += piece.length;
		if (quote === undefined) return end;
		take = undefined;
		append(Buffer.from('"'));
		return quote + 1;
	};

	return {
		/** Scans the next piece of the response, and decodes the image into the piece's own memory. */
		scan(chunk: Buffer) {
			let position = 0;
			while (position < chunk.length) {
				position = (take ? scanText : scanStructure)(chunk, position);
			}
		},
		/** Whether there is something to take, which may be the failure of the image. */
		hasImageBytes: () => imageBytes.length > 0 || failure !== undefined,
		/** Whether the image has arrived, including its closing quote. */
		imageIsComplete: () => decoder !== undefined && take !== takeImage,
		/** @throws RequestFailure once if the text of the image is invalid */
		takeImageBytes() {
			const thrown = failure;
			failure = undefined;
			if (thrown) throw thrown;
			return imageBytes.splice(0);
		},
		/** The JSON without its image. */
		envelope: () => envelope.toString('utf8', 0, envelopeBytes),
	};
}

/** The failure for a response, or an image in it, that is far larger than this API can send. */
export function tooLarge(): RequestFailure {
	const text = 'The response is far larger than any valid response of this API';
	return new RequestFailure('tooLarge', { text });
}

/** Whether an escape sequence starts right before a byte. `startIsEscaped` says so of the byte at `start`. */
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
function decodeKey(raw: string): unknown {
	if (raw.length > MAX_KEY_CHARACTERS) return undefined;
	return raw.includes('\\') ? parseJson(`"${raw}"`) : raw;
}

function unescapeImageText(raw: string): Buffer {
	const parsed = parseJson(`"${raw}"`);
	if (typeof parsed === 'string') return Buffer.from(parsed, 'latin1');
	const text = `The image in the response has an invalid escape: ${raw.slice(0, 100)}`;
	throw new RequestFailure('notAnImage', { text });
}
