import { RequestFailure } from '../errors/requestFailure';

/** A data URI's prefix is far shorter; without a comma by then there is none. */
const MAX_PREFIX_CHARACTERS = 256;

/**
 * Decodes Base64 text that arrives in pieces of any length. A data URI's prefix and white space are passed over, as
 * other servers that speak this API put them there.
 *
 * Each piece is decoded into its own memory: what is allocated outside of V8's heap makes it collect n8n's whole
 * heap, which takes longer than the decoding.
 *
 * @param emit is called with the bytes of each piece
 * @returns `decode` takes the next piece, which it overwrites, `end` says that there is none; both throw a RequestFailure
 * of kind `notAnImage` when the text is not Base64
 */
export function base64Decoder(emit: (bytes: Buffer) => void) {
	/** Characters that wait for more: fewer than four, or a prefix that is not complete. */
	let carry = '';
	let begun = false;

	/** Decodes as much as makes whole bytes; `memory` takes the bytes if there is room. */
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
		// Looking for white space only now keeps the common case quick.
		const stripped = text.replace(/\s+/g, '');
		if (stripped.length === text.length) throw invalid();
		write(stripped, memory);
	};

	return {
		decode(piece: Buffer): void {
			const text = carry + piece.toString('latin1');
			if (begun) return write(text, piece);
			const start = text.trimStart();
			const isPrefix = start.length < 5 || /^data:/i.test(start);
			const comma = isPrefix ? start.indexOf(',') : -1;
			if (isPrefix && comma === -1 && start.length < MAX_PREFIX_CHARACTERS) carry = start;
			else {
				begun = true;
				write(start.slice(comma + 1), piece);
			}
		},
		end(): void {
			begun = true;
			const last = carry.trimEnd();
			carry = '';
			// Some servers leave the padding away; white space may stand before the last characters.
			if (last !== '') write(last, undefined);
			if (carry.length === 1) throw invalid();
			if (carry !== '') write(carry.padEnd(4, '='), undefined);
		},
	};
}

function invalid() {
	return new RequestFailure('notAnImage', {
		text: 'The image in the answer is not valid Base64',
	});
}
