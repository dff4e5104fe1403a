/** A kind of part in a file, such as a chunk, a segment or a box. */
export interface Part {
	/** How many bytes of the part are needed to read it, at most `MAX_HEAD_BYTES`. */
	headBytes: number;
	/** Whether the file may end instead of containing this part. */
	mayEnd?: boolean;
	/**
	 * Reads a part at a position in a piece of the file.
	 *
	 * @returns the distance to the next part; `Infinity` if the rest of the file does not matter
	 */
	read(piece: Buffer, at: number): number;
}

/** Sets the kind of the next parts, until the next call. */
export type Expect = (part: Part) => void;

const MAX_HEAD_BYTES = 64;

const NOTHING = Buffer.alloc(0);

/**
 * Reads the parts of a file that arrives in pieces. It keeps only the head of a part that two pieces share, and never
 * reads a byte twice.
 *
 * @param begin receives the function that sets the kind of the next parts, and returns the kind of the first part
 */
export function createPartReader(begin: (expect: Expect) => Part) {
	let part: Part = begin((next) => (part = next));
	/** The distance from the end of the last piece to the next part. */
	let ahead = 0;
	/** The beginning of a part whose head has not arrived completely. */
	let carry: Buffer = NOTHING;
	let partsRead = 0;

	/** Reads the parts that start before `limit`, and returns the position of the next one. */
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
			// A copy, because the caller uses the memory of the piece again.
			carry = at < piece.length ? Buffer.from(piece.subarray(at)) : NOTHING;
		},
		/** Whether the rest of the file does not matter. */
		isOver: () => ahead === Infinity,
		/** Whether the file may end here. */
		mayEnd: () => ahead === Infinity || (ahead === 0 && part.mayEnd === true),
		partsRead: () => partsRead,
	};
}
