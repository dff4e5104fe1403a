import { failureError } from '../errors/failure';

/** Few large writes cost n8n's store less than many small ones. A multiple of three bytes. */
const BLOCK_BYTES = 3 * 87_381;

/** A data URI's prefix is far shorter; without a comma by then there is none. */
const MAX_PREFIX_CHARACTERS = 256;

/**
 * Decodes Base64 text that arrives in pieces of any length, into blocks of bytes. A data URI's prefix and
 * white space are passed over, as other servers that speak this API put them there.
 *
 * @param emit is called with each block
 * @returns `decode` takes the next piece, `end` says that there is none; both throw a failure of kind
 * `notAnImage` when the text is not Base64
 */
export function base64Decoder(emit: (block: Buffer) => void) {
	let block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
	let filled = 0;
	/** Characters that wait for more: fewer than four, or a prefix that is not complete. */
	let carry = '';
	let begun = false;

	const flush = () => {
		if (filled > 0) emit(block.subarray(0, filled));
		block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
		filled = 0;
	};

	/** Decodes straight into the block; says how many characters were Base64 and nothing else. */
	const write = (text: string): number => {
		let done = 0;
		while (done < text.length) {
			if (filled === BLOCK_BYTES) flush();
			const room = Math.ceil((BLOCK_BYTES - filled) / 3) * 4;
			const part = text.slice(done, done + room);
			const padding = part.endsWith('==') ? 2 : part.endsWith('=') ? 1 : 0;
			const expected = Math.floor((part.length * 3) / 4) - padding;
			if (block.write(part, filled, 'base64') !== expected) break;
			filled += expected;
			done += part.length;
		}
		return done;
	};

	const writeWhole = (text: string): void => {
		const usable = text.length - (text.length % 4);
		const done = write(text.slice(0, usable));
		if (done === usable) {
			carry = text.slice(usable);
			return;
		}
		// Looking for white space only now keeps the common case quick.
		const rest = text.slice(done);
		const stripped = rest.replace(/\s+/g, '');
		if (stripped.length === rest.length) {
			throw invalid();
		}
		writeWhole(stripped);
	};

	return {
		decode(piece: string): void {
			const text = carry === '' ? piece : carry + piece;
			if (begun) return writeWhole(text);
			const start = text.trimStart();
			const isPrefix = start.length < 5 || start.startsWith('data:');
			const comma = isPrefix ? start.indexOf(',') : -1;
			if (isPrefix && comma === -1 && start.length < MAX_PREFIX_CHARACTERS) carry = start;
			else {
				begun = true;
				writeWhole(start.slice(comma + 1));
			}
		},
		end(): void {
			begun = true;
			const last = carry.trimEnd();
			carry = '';
			// Some servers leave the padding away; white space may stand before the last characters.
			if (last !== '') writeWhole(last);
			if (carry.length === 1) throw invalid();
			if (carry !== '') writeWhole(carry.padEnd(4, '='));
			flush();
		},
	};
}

function invalid() {
	return failureError({ kind: 'notAnImage', text: 'The image in the answer is not valid Base64' });
}
