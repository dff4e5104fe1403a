/** What a walk through a file asks for next. */
interface Step {
	readonly kind: 'read' | 'readLittle' | 'skip' | 'seek' | 'pass';
	/** How many bytes to read or to skip. */
	readonly count: number;
	/** The byte to seek, or to pass over. */
	readonly byte: number;
	/** Whether the file may end here. */
	readonly mayEnd: boolean;
}

/**
 * A walk through a file from its beginning: it yields what it needs next and is given the number that was read. It
 * returns where the file may end, or where it does not know how to go on.
 */
export type Walk = Generator<Step, void, number>;

const step = (kind: Step['kind'], count: number, byte = 0, mayEnd = false): Step => ({
	kind,
	count,
	byte,
	mayEnd,
});

/** Reads a number of one to eight bytes, the most significant byte first. Eight bytes may lose precision. */
export const read = (bytes: number, mayEnd = false) => step('read', bytes, 0, mayEnd);

/** Reads a number, the least significant byte first. */
export const readLittle = (bytes: number) => step('readLittle', bytes);

/** Passes over a number of bytes, of which no more is looked at than how many they are. */
export const skip = (bytes: number) => step('skip', Math.max(0, bytes));

/** Goes to the next place where a byte stands. */
export const seek = (byte: number) => step('seek', 0, byte);

/** Passes over a byte as often as it stands there in a row. */
export const pass = (byte: number) => step('pass', 0, byte);

/**
 * Takes a walk through a file whose pieces arrive one by one. It keeps no bytes, and takes time in proportion to them,
 * whatever they are.
 */
export function takeWalk(walk: Walk) {
	let current = walk.next();
	let value = 0;
	/** The bytes that the current step has read or skipped. */
	let done = 0;
	let stepsTaken = 0;

	/** Takes the current step as far as a piece goes, and says where in the piece it ends. */
	const advance = (piece: Uint8Array, start: number, { kind, count, byte }: Step): number => {
		let position = start;
		switch (kind) {
			case 'read':
				while (done < count && position < piece.length) {
					value = value * 256 + piece[position++];
					done++;
				}
				return position;
			case 'readLittle':
				while (done < count && position < piece.length) value += piece[position++] * 256 ** done++;
				return position;
			case 'skip': {
				const skipped = Math.min(count - done, piece.length - position);
				done += skipped;
				return position + skipped;
			}
			case 'seek':
				position = piece.indexOf(byte, position);
				return position === -1 ? piece.length : position;
			case 'pass':
				while (position < piece.length && piece[position] === byte) position++;
				return position;
		}
	};

	return {
		/** Takes the next piece of the file. */
		write(piece: Uint8Array): void {
			let position = 0;
			while (!current.done) {
				const wanted = current.value;
				position = advance(piece, position, wanted);
				const isTaken =
					wanted.kind === 'seek' || wanted.kind === 'pass'
						? position < piece.length
						: done === wanted.count;
				if (!isTaken) return;
				stepsTaken++;
				const result = value;
				value = 0;
				done = 0;
				current = walk.next(result);
			}
		},
		/** Whether the walk has come to its end. */
		isOver: () => current.done === true,
		/** Whether the file may end with what has been written. */
		mayEnd: () => current.done === true || current.value.mayEnd,
		stepsTaken: () => stepsTaken,
	};
}
