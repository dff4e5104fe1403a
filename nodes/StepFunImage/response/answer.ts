import { failureError, failureOf, type Failure } from '../errors/failure';
import { base64Decoder } from './base64';

/** The fields of an answer, without its image. */
export interface Answer {
	id?: string;
	created?: number;
	seed?: number;
	finishReason?: string;
	url?: string;
	/** What a server says that reports an error with status 200. */
	error?: string;
}

/** An answer's JSON around the image is a few hundred bytes; this stops a server that never ends. */
const MAX_ENVELOPE_BYTES = 1024 * 1024;

/** Room for the largest image as Base64, in lines or with its slashes escaped. */
const MAX_ANSWER_BYTES = 400 * 1024 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const IMAGE_KEY = 'b64_json';
/** The beginning of an escape sequence at the end of a text. */
const INCOMPLETE_ESCAPE = /(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)$/;

const isWhiteSpace = (byte: number) =>
	byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * Reads an answer of the API as it arrives. The Base64 text of its image is decoded on the way and
 * handed over piece by piece, so that the answer never stands in memory as a whole; everything else
 * is kept and parsed as JSON at the end, with the image left out.
 *
 * @param body the answer's bytes; the image is decoded into the chunks themselves, so they must not be used again
 * @param storeImage is called with the image's bytes once they begin to arrive; they end only when the whole
 * answer is here and accepted, since n8n's store cannot be told to forget a file that it has kept
 * @param accept throws when an answer is of no use, whatever its image
 * @returns the answer's fields, and what `storeImage` returned if there was an image
 * @throws a failure of kind `cutOff`, `notJson` or `tooLarge`, and what `storeImage` throws; `notAnImage` where that
 * says `cutOff` of an image whose answer is whole
 */
export async function readAnswer<Stored>(
	body: AsyncIterable<Buffer>,
	storeImage: (image: AsyncIterable<Buffer>) => Promise<Stored>,
	accept: (answer: Answer) => void,
): Promise<{ answer: Answer; image?: Stored }> {
	const chunks = body[Symbol.asyncIterator]();
	const scanner = scanAnswer();
	let bytes = 0;
	let isAccepted = false;

	const readChunk = async (): Promise<boolean> => {
		const next = await chunks.next();
		if (next.done) return false;
		bytes += next.value.length;
		if (bytes > MAX_ANSWER_BYTES) throw tooLarge();
		scanner.scan(next.value);
		return true;
	};

	async function* imageBytes(): AsyncGenerator<Buffer> {
		for (;;) {
			yield* scanner.takeImageBytes();
			if (scanner.imageIsComplete()) break;
			if (!(await readChunk())) {
				throw failureError({ kind: 'cutOff', text: 'The answer ended in the image' });
			}
		}
		while (await readChunk());
		accept(parseEnvelope(scanner.envelope()));
		isAccepted = true;
	}

	/** The answer, or nothing where what made its image useless keeps the rest from being read. */
	const readRejected = async (): Promise<Answer | undefined> => {
		try {
			while (await readChunk()) scanner.takeImageBytes();
			return parseEnvelope(scanner.envelope());
		} catch (error) {
			// An answer without an end is worse than its image, and no more worth another try.
			const failure = failureOf(error);
			if (failure?.kind === 'tooLarge') throw failureError(failure);
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
				const rejected = asRejection(error, isAccepted);
				if (rejected.kind !== 'notAnImage') throw failureError(rejected);
				// The rest of the answer is read for its ID only where an answer is to be blamed.
				const answer = await readRejected();
				if (answer) accept(answer);
				throw failureError({ ...rejected, id: answer?.id });
			}
		} while (await readChunk());
		const answer = parseEnvelope(scanner.envelope());
		accept(answer);
		return { answer, image: image?.stored };
	} finally {
		await chunks.return?.();
	}
}

/** Why an image was not stored. One that ends too early in a whole answer is as the server made it. */
function asRejection(error: unknown, answerIsWhole: boolean): Failure {
	const failure = failureOf(error);
	if (!failure) {
		return { kind: 'storage', text: error instanceof Error ? error.message : String(error) };
	}
	return failure.kind === 'cutOff' && answerIsWhole ? { ...failure, kind: 'notAnImage' } : failure;
}

function tooLarge() {
	return failureError({
		kind: 'tooLarge',
		text: 'The answer is far larger than an answer of this API can be',
	});
}

/** Follows the JSON byte by byte where it must, and in leaps through the image. */
function scanAnswer() {
	/** Grows as it fills up: a hostile answer may come in a million pieces. */
	let envelope = Buffer.alloc(4096);
	let envelopeBytes = 0;
	let imageBytes: Buffer[] = [];
	let decoder: ReturnType<typeof base64Decoder> | undefined;

	let state: 'structure' | 'string' | 'image' | 'anotherImage' = 'structure';
	/** The string that was read last, which is a key if a colon follows. */
	let lastString: number[] = [];
	let key: string | undefined;
	let escaped = false;
	/** An escape sequence of the image text, begun but not complete. */
	let escape = '';

	const keep = (part: Buffer) => {
		const bytes = envelopeBytes + part.length;
		if (bytes > MAX_ENVELOPE_BYTES) throw tooLarge();
		if (bytes > envelope.length) {
			envelope = Buffer.concat([envelope], Math.max(bytes, envelope.length * 2));
		}
		part.copy(envelope, envelopeBytes);
		envelopeBytes = bytes;
	};

	const scanStructure = (chunk: Buffer, start: number): number => {
		let position = start;
		while (position < chunk.length) {
			const byte = chunk[position++];
			if (byte === QUOTE) {
				const isImage = key !== undefined && decodeKey(key) === IMAGE_KEY;
				key = undefined;
				lastString = [];
				state = !isImage ? 'string' : decoder ? 'anotherImage' : 'image';
				break;
			}
			if (byte === COLON) key = String.fromCharCode(...lastString);
			else if (!isWhiteSpace(byte)) key = undefined;
		}
		keep(chunk.subarray(start, position));
		return position;
	};

	const scanString = (chunk: Buffer, start: number): number => {
		let position = start;
		while (position < chunk.length) {
			const byte = chunk[position++];
			if (escaped) escaped = false;
			else if (byte === BACKSLASH) escaped = true;
			else if (byte === QUOTE) {
				state = 'structure';
				break;
			}
			// Long enough for any spelling of the one key that matters.
			if (lastString.length < 64) lastString.push(byte);
		}
		keep(chunk.subarray(start, position));
		return position;
	};

	const endImageString = (position: number) => {
		if (state === 'image') decoder?.end();
		state = 'structure';
		lastString = [];
		keep(Buffer.from('"'));
		return position;
	};

	const decode = (text: Buffer) => {
		if (state === 'image') decoder?.decode(text);
	};

	/** Where the image's text ends in a chunk: at the next quote that is not part of an escape sequence. */
	const endOfImageText = (chunk: Buffer, start: number): number | undefined => {
		let quote = chunk.indexOf(QUOTE, start);
		while (quote !== -1) {
			let backslashes = 0;
			while (quote - backslashes > start && chunk[quote - backslashes - 1] === BACKSLASH) {
				backslashes++;
			}
			if (quote - backslashes === start && escape === '\\') backslashes++;
			if (backslashes % 2 === 0) return quote;
			quote = chunk.indexOf(QUOTE, quote + 1);
		}
		return undefined;
	};

	const scanImage = (chunk: Buffer, start: number): number => {
		decoder ??= base64Decoder((bytes) => imageBytes.push(bytes));
		const quote = endOfImageText(chunk, start);
		const inside = chunk.subarray(start, quote);
		if (escape === '' && !inside.includes(BACKSLASH)) decode(inside);
		else {
			// All escapes of a chunk at once: some servers write one every few characters.
			const text = escape + inside.toString('latin1');
			escape = quote === undefined ? (INCOMPLETE_ESCAPE.exec(text)?.[1] ?? '') : '';
			const complete = text.slice(0, text.length - escape.length);
			decode(Buffer.from(unescapeJson(complete.replace(/[\r\n\t]+/g, '')), 'latin1'));
		}
		return quote === undefined ? chunk.length : endImageString(quote + 1);
	};

	return {
		scan(chunk: Buffer) {
			let position = 0;
			while (position < chunk.length) {
				if (state === 'structure') position = scanStructure(chunk, position);
				else if (state === 'string') position = scanString(chunk, position);
				else position = scanImage(chunk, position);
			}
		},
		hasImageBytes: () => imageBytes.length > 0,
		imageIsComplete: () => decoder !== undefined && state !== 'image',
		takeImageBytes() {
			const taken = imageBytes;
			imageBytes = [];
			return taken;
		},
		envelope: () => envelope.toString('utf8', 0, envelopeBytes),
	};
}

function decodeKey(raw: string): string | undefined {
	return raw.includes('\\') ? unescapeJson(raw) : raw;
}

function unescapeJson(raw: string): string {
	try {
		return JSON.parse(`"${raw}"`) as string;
	} catch {
		throw failureError({
			kind: 'notJson',
			text: `The answer has an invalid escape: ${raw.slice(0, 100)}`,
		});
	}
}

function parseEnvelope(text: string): Answer {
	let parsed: unknown;
	try {
		parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
	} catch {
		const trimmed = text.trim();
		// JSON that never closes was on its way; anything else was never going to be JSON.
		throw failureError(
			trimmed.startsWith('{') && !trimmed.endsWith('}')
				? { kind: 'cutOff', text: 'The answer ended early' }
				: { kind: 'notJson', text: trimmed.slice(0, 300) },
		);
	}
	const answer = asObject(parsed);
	const first = Array.isArray(answer.data) ? asObject(answer.data[0]) : {};
	return {
		id: asString(answer.id),
		created: asNumber(answer.created),
		seed: asNumber(first.seed),
		finishReason: asString(first.finish_reason),
		url: asString(first.url),
		error: asString(answer.error) ?? asString(asObject(answer.error).message),
	};
}

function asObject(value: unknown): Record<string, unknown> {
	return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function asString(value: unknown): string | undefined {
	return typeof value === 'string' && value !== '' ? value : undefined;
}

function asNumber(value: unknown): number | undefined {
	return typeof value === 'number' ? value : undefined;
}
