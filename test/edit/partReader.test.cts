import { createPartReader } from '../../nodes/StepFunImage/image/partReader';

/**
 * Walks through a file of parts whose second character tells their length, such as `[5ab]`. A part whose second
 * character is no length, such as `xx`, is the last; it is the end of the image if that character is E.
 */
function walk(...pieces: string[]) {
	const read: string[] = [];
	const parts = createPartReader(function* (file) {
		for (let length = 0; !Number.isNaN(length); file.position += length) {
			file.mayEnd = true;
			const part = file.from(yield 2).toString('latin1', 0, 2);
			read.push(part);
			if (part[1] === 'E') return true;
			length = Number(part[1]);
		}
		return undefined;
	});
	for (const piece of pieces) parts.write(Buffer.from(piece));
	return { read, mayEnd: parts.isWhole(), hasEnded: parts.hasEnded() };
}

function* cuts(text: string): Generator<string[]> {
	for (let size = 1; size <= text.length; size++) {
		yield text.match(new RegExp(`.{1,${size}}`, 'g')) ?? [];
	}
}

test('Parts are read one after the other, however their bytes are split into pieces', () => {
	const file = '[5ab][2[9abcdef]xx[3]';
	for (const pieces of cuts(file)) {
		expect(walk(...pieces)).toMatchObject({
			read: ['[5', '[2', '[9', 'xx'],
			mayEnd: true,
		});
	}
	for (const pieces of cuts('[5ab][2[4x]')) {
		expect(walk(...pieces)).toMatchObject({
			read: ['[5', '[2', '[4'],
			mayEnd: true,
		});
	}
});

test('A file may end between two parts, but not within one', () => {
	expect(walk().mayEnd).toBe(true);
	expect(walk('[5').mayEnd).toBe(false);
	expect(walk('[5ab').mayEnd).toBe(false);
	expect(walk('[5ab]').mayEnd).toBe(true);
	expect(walk('[5ab', ']').mayEnd).toBe(true);
	expect(walk('[5ab', '][9').mayEnd).toBe(false);
	// Data shorter than the head of a part is not a part.
	expect(walk('[5ab][').mayEnd).toBe(true);
});

test('An image has ended after its end or where it may end, but not where its end cannot be found', () => {
	expect(walk('[3a', '[E').hasEnded).toBe(true);
	expect(walk('[3a', '[E', 'x').hasEnded).toBe(true);
	expect(walk('[3a').hasEnded).toBe(true);
	expect(walk('[3').hasEnded).toBe(false);
	expect(walk('[3a[4').hasEnded).toBe(false);
	expect(walk('[3a[x').hasEnded).toBe(false);
});

test('Data after the last part does not matter', () => {
	expect(walk('[x')).toMatchObject({ read: ['[x'], mayEnd: true });
	expect(walk('[x', '[5', '[5ab][5').read).toEqual(['[x']);
});

test('A part may be longer than several pieces, and empty pieces change nothing', () => {
	const { read, mayEnd } = walk('[9', 'ab', 'cd', '', 'ef]', '', '[', '', '3x');
	expect(read).toEqual(['[9', '[3']);
	expect(mayEnd).toBe(true);
});

test('The head of a part is kept although the memory of its piece is used again', () => {
	const lengths: number[] = [];
	const parts = createPartReader(function* (file) {
		for (;;) {
			lengths.push(file.from(yield 2).readUInt16BE());
			file.position += 2;
		}
	});
	const piece = Buffer.from([1, 2, 3]);
	parts.write(piece);
	piece.fill(9);
	parts.write(Buffer.from([4]));
	expect(lengths).toEqual([0x0102, 0x0304]);
});

test('Parts may differ in how many of their bytes are needed, and a single byte can be read', () => {
	const read: string[] = [];
	const parts = createPartReader(function* (file) {
		read.push(String.fromCharCode(file.byteAt(yield 1)));
		file.position += 1;
		for (;;) {
			const at = yield 3;
			read.push(String.fromCharCode(file.byteAt(at + 2)));
			file.position += 3;
		}
	});
	for (const byte of 'abcdefg') parts.write(Buffer.from(byte));
	expect(read).toEqual(['a', 'd', 'g']);
	// Not every kind of part may be the last.
	expect(parts.isWhole()).toBe(false);
	expect(parts.hasEnded()).toBe(false);
});
