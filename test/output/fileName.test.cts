import { descriptiveName, safeName } from '../../nodes/StepFunImage/image/fileName';

describe('File name that describes the image', () => {
	test.each([
		['A red shoe, size 42!', '', 0, 'a-red-shoe-size-42-1'],
		['  shoe  ', '-edited', 9, 'shoe-edited-10'],
		['红色的鞋', '', 0, '红色的鞋-1'],
		['', '', 2, 'image-3'],
		['?!', '-edited', 0, 'image-edited-1'],
		['e\u0301te\u0301', '', 0, '\u00e9t\u00e9-1'],
		['x'.repeat(60), '', 0, `${'x'.repeat(48)}-1`],
		['𝔰'.repeat(60), '', 0, `${'𝔰'.repeat(48)}-1`],
		[`${'x'.repeat(60)} y`, '', 0, `${'x'.repeat(48)}-1`],
	])('%j with suffix %j at index %i is %s', (subject, suffix, index, name) => {
		expect(descriptiveName(subject, suffix, index)).toBe(name);
	});

	test('A long subject ends after a word, at most at 48 characters, without skipping words', () => {
		const long = 'x'.repeat(40);
		expect(descriptiveName(`${long} abcdefg z`, '', 0)).toBe(`${long}-abcdefg-1`);
		expect(descriptiveName(`${long} abcdefgh z`, '', 0)).toBe(`${long}-1`);
		expect(descriptiveName(`${long} 𝔰𝔰𝔰𝔰𝔰𝔰𝔰`, '', 0)).toBe(`${long}-𝔰𝔰𝔰𝔰𝔰𝔰𝔰-1`);
	});
});

describe('File name that the user chose', () => {
	test.each([
		['shoe', 'shoe'],
		['My shoe (2)', 'My shoe (2)'],
		['shoe.PNG', 'shoe'],
		['shoe.jpg', 'shoe'],
		['shoe.jpeg', 'shoe'],
		['shoe.webp', 'shoe'],
		['shoe.gif', 'shoe'],
		['shoe.bmp', 'shoe'],
		['shoe.tif', 'shoe'],
		['shoe.tiff', 'shoe'],
		['shoe.heic', 'shoe'],
		['shoe.heif', 'shoe'],
		['shoe.avif', 'shoe'],
		['shoe.png.txt', 'shoe.png.txt'],
		['shoexpng', 'shoexpng'],
		['a/b\\c:d*e?f"g<h>i|j', 'a-b-c-d-e-f-g-h-i-j'],
		['a//b', 'a-b'],
		['a\u0007b\u202ec\ud800d\u2028e\u2029f', 'a-b-c-d-e-f'],
		[' .-shoe-. ', 'shoe'],
		['..shoe', 'shoe'],
		['shoe..', 'shoe'],
		['s.h-o e', 's.h-o e'],
		['e\u0301', '\u00e9'],
		['con', '_con'],
		['CON', '_CON'],
		['prn.txt', '_prn.txt'],
		['aux .txt', '_aux .txt'],
		['nul', '_nul'],
		['conin$', '_conin$'],
		['CONOUT$', '_CONOUT$'],
		['com1', '_com1'],
		['lpt¹', '_lpt¹'],
		['LPT1', '_LPT1'],
		['com', 'com'],
		['lpt', 'lpt'],
		['com10', 'com10'],
		['icon', 'icon'],
		['console', 'console'],
		['con shoe', 'con shoe'],
	])('%j becomes %j', (entered, name) => {
		expect(safeName(entered)).toBe(name);
	});

	test.each(['', '...', '- -', '///', '.png'])('Nothing is left of %j', (entered) => {
		expect(safeName(entered)).toBeUndefined();
	});

	test('A long name is cut at 120 characters and at 220 bytes, never inside a character', () => {
		expect(safeName('x'.repeat(121))).toBe('x'.repeat(120));
		expect(safeName('鞋'.repeat(100))).toBe('鞋'.repeat(73));
		expect(safeName(`x${'鞋'.repeat(73)}`)).toBe(`x${'鞋'.repeat(73)}`);
		expect(safeName('👟'.repeat(100))).toBe('👟'.repeat(55));
	});
});

test.each<[string, (text: string) => unknown]>([
	['a prompt', (text) => descriptiveName(text, '', 0)],
	['a File Name', safeName],
])('A name from %s of megabytes is made at once', (_what, nameOf) => {
	const before = process.cpuUsage();
	expect(nameOf('e\u0301/ '.repeat(3_000_000))).toMatch(/^é-/);
	const { user, system } = process.cpuUsage(before);
	// It took seconds.
	expect((user + system) / 1000).toBeLessThan(500);
});
