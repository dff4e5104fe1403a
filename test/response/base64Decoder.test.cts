import { base64Decoder } from '../../nodes/StepFunImage/image/base64Decoder';

const TEXT = 'A red running shoe';
const BASE64 = Buffer.from(TEXT).toString('base64');
const INVALID = expect.objectContaining({
	kind: 'notAnImage',
	details: { text: 'The image in the response is not valid Base64' },
}) as Error;

/** What the pieces decode to, and how many bytes came of each. */
function decode(...pieces: string[]): { text: string; emitted: number[] } {
	const bytes: Buffer[] = [];
	const { decode: write, end } = base64Decoder((part) => bytes.push(Buffer.from(part)));
	for (const piece of pieces) write(Buffer.from(piece));
	end();
	return {
		text: Buffer.concat(bytes).toString(),
		emitted: bytes.map(({ length }) => length),
	};
}

const inPieces = (text: string, size: number) =>
	Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
		text.slice(index * size, (index + 1) * size),
	);

test.each([1, 2, 3, 4, 5, 7, 24])('Base64 is decoded in pieces of %i characters', (size) => {
	expect(decode(...inPieces(BASE64, size)).text).toBe(TEXT);
});

test.each(['', 'A', 'AB', 'ABC', 'ABCD'])(
	'The Base64 of %j is decoded with and without padding',
	(text) => {
		const base64 = Buffer.from(text).toString('base64');
		for (const size of [1, 3, 100]) {
			expect(decode(...inPieces(base64, size)).text).toBe(text);
			expect(decode(...inPieces(base64.replace(/=+$/, ''), size)).text).toBe(text);
		}
	},
);

test.each(['A', 'AB', 'ABC', 'ABCD'])(
	'The Base64 of %j is decoded without padding, wherever it has white space',
	(text) => {
		const base64 = Buffer.from(text).toString('base64').replace(/=+$/, '');
		for (let at = 0; at <= base64.length; at++) {
			const broken = `${base64.slice(0, at)}\r\n${base64.slice(at)}`;
			for (const size of [1, 3, 100]) expect(decode(...inPieces(broken, size)).text).toBe(text);
			expect(decode(...inPieces([...base64].join('\n'), at + 1)).text).toBe(text);
		}
	},
);

test('Each piece is decoded at once, and to nothing if it contains no whole group', () => {
	expect(decode('QUJDRE', 'VG', '').emitted).toEqual([3, 3]);
	expect(decode('QUJD', 'RA').emitted).toEqual([3, 1]);
	expect(decode('QUJDRA==').emitted).toEqual([4]);
	expect(decode('QUJDR', 'EVG').emitted).toEqual([3, 3]);
	expect(decode('QUJDREU=').emitted).toEqual([5]);
	expect(decode('').emitted).toEqual([]);
	expect(decode('   ').emitted).toEqual([]);
	expect(decode('QUJDR', '   ', 'A==').emitted).toEqual([3, 1]);
});

test('A piece is decoded into its own memory', () => {
	const emitted: Buffer[] = [];
	const piece = Buffer.from(BASE64);
	const memory = piece.buffer;
	base64Decoder((bytes) => emitted.push(bytes)).decode(piece);
	expect(emitted.map(({ buffer }) => buffer === memory)).toEqual([true]);
	expect(piece.toString('utf8', 0, TEXT.length)).toBe(TEXT);
});

test('The rest of the previous piece may decode to more bytes than a piece has room for', () => {
	expect(decode('QUJDREV', 'G').text).toBe('ABCDEF');
	expect(decode('QUJ', 'D').text).toBe('ABC');
});

test.each([
	['in lines', BASE64.replace(/.{5}/g, '$&\r\n')],
	['before it', ` \n\t${BASE64}`],
	['behind it', `${BASE64} \n`],
	['before its last characters', `${BASE64.slice(0, -1)} \n ${BASE64.slice(-1)}`],
	['in the middle of what has no padding', 'QUJD R A'],
])('White space %s is skipped', (_where, text) => {
	for (const size of [1, 2, 3, 5, 100]) {
		const expected = Buffer.from(text, 'base64').toString();
		expect(decode(...inPieces(text, size)).text).toBe(expected);
	}
});

describe('The prefix of a data URI', () => {
	test.each([
		`data:image/png;base64,${BASE64}`,
		`  data:image/png;base64,${BASE64}`,
		`data:,${BASE64}`,
	])('is skipped: %s', (text) => {
		for (const size of [1, 3, 6, 40, 100]) expect(decode(...inPieces(text, size)).text).toBe(TEXT);
	});

	test('may be of up to 255 characters', () => {
		const prefix = (length: number) => `data:${'x'.repeat(length - 6)},`;
		expect(decode(...inPieces(`${prefix(255)}${BASE64}`, 50)).text).toBe(TEXT);
		expect(decode(...inPieces(`${prefix(255)}${BASE64}`, 254)).text).toBe(TEXT);
		expect(() => decode(...inPieces(`${prefix(300)}${BASE64}`, 256))).toThrow(INVALID);
	});

	test('needs a comma', () => {
		expect(() => decode('data:image/png;base64')).toThrow(INVALID);
	});

	test('needs data: at the beginning, not only a comma', () => {
		expect(() => decode(`image/png;base64,${BASE64}`)).toThrow(INVALID);
		expect(() => decode(BASE64, `,${BASE64}`)).toThrow(INVALID);
	});

	test('is not mistaken for short Base64', () => {
		expect(decode('QQ').text).toBe('A');
		expect(decode('QUI').text).toBe('AB');
		expect(decode('QUJD').text).toBe('ABC');
		expect(decode('data').text).toBe(Buffer.from('data', 'base64').toString());
	});
});

test.each([
	['another character', 'QUJD*EVG'],
	['another character among white space', 'QU JD *E VG'],
	['padding in the middle of a group', 'QU=IQUJD'],
	['too much padding', 'QUJD===='],
	['one character too many', 'QUJDR'],
	['one character', 'Q'],
	['one character and white space behind it', 'QUJDR '],
])('Text with %s is not Base64', (_what, text) => {
	for (const size of [1, 3, 100]) expect(() => decode(...inPieces(text, size))).toThrow(INVALID);
});
