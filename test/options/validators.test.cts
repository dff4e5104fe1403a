import {
	isUnset,
	readChoice,
	readNumber,
	showValue,
	toBoolean,
	toNumber,
} from '../../nodes/StepFunImage/request/validators';

const entered = (value: unknown) => ({ label: 'Steps', value });

test.each([
	[undefined, true],
	[null, true],
	['', true],
	[' \n', true],
	// A zero-width space, a mark for the direction of text, and a control character.
	['\u200b\u200f \u0000', true],
	['👩\u200d🎨', false],
	['x', false],
	[0, false],
	[false, false],
	[[], false],
])('%j counts as not set: %s', (value, expected) => {
	expect(isUnset(value)).toBe(expected);
});

test.each([
	['shoe', 'shoe'],
	[7, '7'],
	[{ a: [1] }, '{"a":[1]}'],
	[undefined, 'undefined'],
	['', 'empty'],
	['  ', 'empty'],
	[null, 'null'],
	[NaN, 'NaN'],
	['x'.repeat(60), 'x'.repeat(60)],
	['x'.repeat(61), `${'x'.repeat(60)}…`],
])('A message shows the value %j as %s', (value, shown) => {
	expect(showValue(value)).toBe(shown);
});

test.each([
	[7, 7],
	['7', 7],
	['-7.5', -7.5],
	[0, 0],
	['seven', undefined],
	['', undefined],
	['  ', undefined],
	[NaN, undefined],
	[Infinity, undefined],
	['Infinity', undefined],
	[true, undefined],
	[[7], undefined],
	[{}, undefined],
	[null, undefined],
	[undefined, undefined],
])('%p read as a number is %p', (value, number) => {
	expect(toNumber(value)).toBe(number);
});

test.each([
	[true, true],
	[false, false],
	['true', true],
	['False', false],
	[1, true],
	[0, false],
	['maybe', undefined],
	[2, undefined],
	[null, undefined],
	[[true], undefined],
	[{}, undefined],
])('%p read as a boolean is %p', (value, boolean) => {
	expect(toBoolean(value)).toBe(boolean);
});

describe('A number within a range', () => {
	const range = { min: 1, max: 50, isWhole: true };

	test.each([1, 50, '1', '50', 8])('may be %p', (value) => {
		expect(readNumber(entered(value), range, 'Change it.')).toBe(Number(value));
	});

	test.each([
		[0, '0'],
		[51, '51'],
		[1.5, '1.5'],
		['many', 'many'],
		[true, 'true'],
	])('may not be %p', (value, shown) => {
		expect(() => readNumber(entered(value), range, 'Change it.')).toThrow(
			expect.objectContaining({
				message: `'Steps' must be a whole number from 1 to 50, but is ${shown}`,
				description: 'Change it.',
			}),
		);
	});

	test('may be a fraction unless whole numbers are required', () => {
		const fractions = { min: 0, max: 1, isWhole: false };
		expect(readNumber(entered('0.5'), fractions, '')).toBe(0.5);
		expect(() => readNumber(entered(2), fractions, '')).toThrow(
			"'Steps' must be a number from 0 to 1, but is 2",
		);
	});

	test('may have no upper limit', () => {
		const open = { min: 0.1, isWhole: false };
		expect(readNumber(entered(1e9), open, '')).toBe(1e9);
		expect(() => readNumber(entered(0), open, '')).toThrow(
			"'Steps' must be a number of at least 0.1, but is 0",
		);
	});
});

test('A choice must be in its list', () => {
	const choices = ['file', 'url'] as const;
	expect(readChoice(entered('url'), choices)).toBe('url');
	expect(() => readChoice(entered('base64'), choices)).toThrow(
		expect.objectContaining({
			message: "'Steps' must be one of file, url, but is base64",
			description:
				"Choose from the list, or make the expression in 'Steps' return one of these values.",
		}),
	);
	expect(() => readChoice(entered(undefined), choices)).toThrow('but is undefined');
});
