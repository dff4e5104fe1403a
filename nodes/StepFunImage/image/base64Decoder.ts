import { RequestFailure } from '../errors/requestFailure';

/** The prefix of a data URI is much shorter. If no comma has appeared by then, there is no prefix. */
const MAX_PREFIX_CHARACTERS = 256;

/**
 * Creates a decoder for Base64 text that arrives in pieces of any length, perhaps with white space or as a data URI. It
 * decodes each piece into the piece's own memory, because memory outside of V8's heap makes V8 collect n8n's whole heap,
 * which takes longer than the decoding.
 *
 * @param emit called with the bytes of each piece
 * @returns `decode` takes the next piece; `end` ends the text. Both throw a RequestFailure of kind `notAnImage` if the
 * text is not Base64.
 */
export function base64Decoder(emit: (bytes: Buffer) => void) {
	/** Characters left for the next piece: fewer than four, or an incomplete prefix. */
	let carry = '';
	let begun = false;

	/** Decodes all complete groups of four characters, into `memory` if it is large enough. */
	const write = (text: string, memory: Buffer | undefined): void => {
		const usable = text.length - (text.length % 4);
		const whole = usable === text.length ? text : text.slice(0, usable);
		const padding = whole.endsWith('==') ? 2 : whole.endsWith('=') ? 1 : 0;
		const expected = (usable / 4) * 3 - padding;
		const target = memory && memory.length >= expected ? memory : Buffer.allocUnsafe(expected);
		if (target.write(whole, 'base64') === expected) {
			carry = text.slice(usable);
			if (expected > 0) emit(target.subarray(0, expected));
			return;
		}
		// Removes white space only if decoding failed, which keeps the common case fast.
		const stripped = text.replace(/\s+/g, '');
		if (stripped.length === text.length) throw invalid();
		write(stripped, memory);
	};

	return {
		decode(piece: Buffer): void {
			const text = carry + piece.toString('latin1');
			if (begun) return write(text, piece);
			const start = text.trimStart();
			const mayBePrefix = start.length < 5 || /^data:/i.test(start);
			const comma = mayBePrefix ? start.indexOf(',') : -1;
			begun = comma !== -1 || !mayBePrefix || start.length >= MAX_PREFIX_CHARACTERS;
			if (begun) write(start.slice(comma + 1), piece);
			else carry = start;
		},
		end(): void {
			begun = true;
			const last = carry.replace(/\s+/g, '');
			carry = '';
			// Some servers omit the padding.
			if (last !== '') write(last, undefined);
			if (carry.length === 1) throw invalid();
			if (carry !== '') write(carry.padEnd(4, '='), undefined);
		},
	};
}

function invalid(): RequestFailure {
	const text = 'The image in the response is not valid Base64';
	return new RequestFailure('notAnImage', { text });
}
