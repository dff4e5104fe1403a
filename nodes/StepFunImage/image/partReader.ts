/** A file that arrives in pieces. */
export interface PartialFile {
	/** The position of the next part, in bytes from the beginning of the file. It only grows. */
	position: number;
	/** Whether the file may end instead of containing the next part. Each part resets it. */
	mayEnd: boolean;
	/** What has arrived, from a place in the current piece on. It is valid until the next part. */
	from(at: number): Buffer;
	/** A single byte, which takes less time. */
	byteAt(at: number): number;
}

/**
 * Reads a file part by part, such as chunks, segments or boxes. It yields how many bytes of the part it needs, and
 * receives their place in the current piece. When it returns, the rest of the file does not matter: it returns `true`
 * at the end of the image, and otherwise if it cannot find the end.
 */
export type PartReading = Generator<number, boolean | void, number>;

/**
 * Feeds the reading of a file with pieces as they arrive. It keeps only the beginning of a part that two pieces share,
 * and never reads a byte twice.
 *
 * @param begin receives the file, whose position it moves forward, and returns the reading
 */
export function createPartReader(begin: (file: PartialFile) => PartReading) {
	/** The current piece, and its position in the file. */
	let bytes: Buffer = Buffer.alloc(0);
	let start = 0;
	const file: PartialFile = {
		position: 0,
		mayEnd: false,
		from: (at) => bytes.subarray(at),
		byteAt: (at) => bytes[at],
	};
	const reading = begin(file);
	let part = reading.next();

	return {
		/** Takes the next piece of the file. */
		write(piece: Buffer): void {
			bytes = bytes.length > 0 ? Buffer.concat([bytes, piece]) : piece;
			let at = file.position - start;
			while (!part.done && at + part.value <= bytes.length) {
				file.mayEnd = false;
				part = reading.next(at);
				at = file.position - start;
			}
			const passed = part.done ? bytes.length : Math.min(at, bytes.length);
			start += passed;
			// A copy, because the caller uses the memory of the piece again.
			bytes = Buffer.from(bytes.subarray(passed));
		},
		/** Whether the image is complete, unless something shows that it is not: whether the file may end here. */
		isWhole: () => part.done === true || (file.mayEnd && file.position === start),
		/** Whether the image is complete for certain: whether its end has been read. */
		hasEnded: () => (part.done ? part.value === true : file.mayEnd && file.position === start),
	};
}
