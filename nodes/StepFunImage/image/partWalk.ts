/** A kind of part that a file is made of, such as a chunk, a segment or a box. */
export interface Part {
	/** How many of its bytes must be here before it can be read; no more than `MAX_HEAD_BYTES`. */
	headBytes: number;
	/** Whether the file may end where such a part could begin. */
	mayEnd?: boolean;
	/**
	 * Reads a part that begins at a place in a piece of the file.
	 *
	 * @returns how far it is to the next part; `Infinity` where nothing that follows matters
	 */
	read(piece: Buffer, at: number): number;
}

/** Says what kind of part comes next, until it is told otherwise. */
export type Expect = (part: Part) => void;

const MAX_HEAD_BYTES = 64;

const NOTHING = Buffer.alloc(0);

/**
 * Walks from part to part through a file whose pieces arrive one by one. It keeps no more than the head of a part that
 * lies across two pieces, and never looks at a byte twice.
 *
 * @param begin is given the means to say what follows, and says what the file begins with
 */
export function walkParts(begin: (expect: Expect) => Part) {
	let part: Part = begin((next) => (part = next));
	/** The distance from the end of the last piece to the next part. */
	let ahead = 0;
	/** The beginning of a part whose head has not all arrived. */
	let carry: Buffer = NOTHING;
	let partsRead = 0;

	/** Reads the parts that begin before `limit`, and returns where the next one does. */
	const follow = (piece: Buffer, start: number, limit: number): number => {
		let at = start;
		while (at < limit && at + part.headBytes <= piece.length) {
			at += part.read(piece, at);
			partsRead++;
		}
		return at;
	};

	return {
		/** Takes the next piece of the file. */
		write(piece: Buffer): void {
			let at = ahead;
			if (carry.length > 0) {
				const seam = Buffer.concat([carry, piece.subarray(0, MAX_HEAD_BYTES)]);
				const reached = follow(seam, 0, carry.length);
				if (reached < carry.length) {
					carry = seam.subarray(reached);
					return;
				}
				at = reached - carry.length;
			}
			at = follow(piece, at, piece.length);
			ahead = Math.max(0, at - piece.length);
			// A copy, since others go on to use the memory of the piece.
			carry = at < piece.length ? Buffer.from(piece.subarray(at)) : NOTHING;
		},
		/** Whether what follows does not matter any more. */
		isOver: () => ahead === Infinity,
		/** Whether the file may end with what has been written. */
		mayEnd: () => ahead === Infinity || (ahead === 0 && part.mayEnd === true),
		partsRead: () => partsRead,
	};
}
