import { createJsonImageScanner, tooLarge } from '../../nodes/StepFunImage/image/jsonImageScanner';

const IMAGE = 'A red running shoe';
const BASE64 = Buffer.from(IMAGE).toString('base64');
const SIZES = [1, 2, 3, 7, 10_000];

function* pieces(json: string, size: number): Generator<Buffer> {
	const bytes = Buffer.from(json);
	for (let start = 0; start < bytes.length; start += size) {
		yield Buffer.from(bytes.subarray(start, start + size));
	}
}

/** What a scanner makes of a response that arrives in pieces of a size. */
function scan(json: string, size: number) {
	const scanner = createJsonImageScanner();
	const image: Buffer[] = [];
	for (const piece of pieces(json, size)) {
		scanner.scan(piece);
		if (scanner.hasImageBytes()) {
			image.push(...scanner.takeImageBytes().map((bytes) => Buffer.from(bytes)));
		}
		expect(scanner.hasImageBytes()).toBe(false);
	}
	return {
		image: Buffer.concat(image).toString(),
		isComplete: scanner.imageIsComplete(),
		envelope: scanner.envelope(),
	};
}

test.each<[string, string, string, string]>([
	[
		'an image',
		`{"data":[{"b64_json":"${BASE64}","seed":7}]}`,
		IMAGE,
		'{"data":[{"b64_json":"","seed":7}]}',
	],
	[
		'white space around the colon',
		`{ "b64_json" \n:\t\r "${BASE64}" }`,
		IMAGE,
		'{ "b64_json" \n:\t\r "" }',
	],
	['an escaped key', `{"b64\\u005fjson":"${BASE64}"}`, IMAGE, '{"b64\\u005fjson":""}'],
	[
		'a key whose every character is escaped',
		`{"\\u0062\\u0036\\u0034\\u005f\\u006a\\u0073\\u006f\\u006e":"${BASE64}"}`,
		IMAGE,
		'{"\\u0062\\u0036\\u0034\\u005f\\u006a\\u0073\\u006f\\u006e":""}',
	],
	[
		'a second image',
		`[{"b64_json":"${BASE64}"},{"b64_json":"QUJD"}]`,
		IMAGE,
		'[{"b64_json":""},{"b64_json":""}]',
	],
	['a data URI as the link', `{"url":"data:image/png;base64,${BASE64}"}`, IMAGE, '{"url":""}'],
	[
		'a data URI as the link behind the image',
		`{"b64_json":"${BASE64}","url":"data:image/png;base64,QUJD"}`,
		IMAGE,
		'{"b64_json":"","url":""}',
	],
	[
		'an empty image before another one',
		`[{"b64_json":"","seed":7},{"b64_json":"${BASE64}"}]`,
		IMAGE,
		'[{"b64_json":"","seed":7},{"b64_json":""}]',
	],
	[
		'an escaped quote in a text before the image',
		`{"note":"5\\" wide","b64_json":"${BASE64}"}`,
		IMAGE,
		'{"note":"5\\" wide","b64_json":""}',
	],
])(
	'The image of a response with %s is decoded, and the rest is kept',
	(_what, json, image, envelope) => {
		for (const size of SIZES) {
			expect(scan(json, size)).toEqual({ image, isComplete: true, envelope });
		}
	},
);

test.each([
	['no image', '{"data":[{"url":"https://res.example/1.png"}]}'],
	['null as its image', '{"b64_json":null,"note":"QUJD"}'],
	['another value after the key', '{"b64_json":7,"note":"QUJD"}'],
	['a list after the key', '{"b64_json":["QUJD"]}'],
	['the key as a value', '{"note":"b64_json","x":"QUJD"}'],
	['the key in a list', '["b64_json","QUJD"]'],
	['the key in a text', '{"note":"\\"b64_json\\":\\"QUJD\\""}'],
	['a longer key', '{"xb64_json":"QUJD","b64_jsonx":"QUJD"}'],
	[
		'a longer key whose characters are escaped',
		'{"\\u0062\\u0036\\u0034\\u005f\\u006a\\u0073\\u006f\\u006ex":"QUJD"}',
	],
	['a key that is no text', '{"b64\\ujson":"QUJD"}'],
	['a very long key', `{"${'x'.repeat(48)}b64_json":"QUJD"}`],
	['a text that ends in a backslash', '{"note":"\\\\","b":"QUJD"}'],
	['a link that begins like a data URI', '{"url":"dat","x":"date:"}'],
	['a short link', '{"url":"d"}'],
	['a data URI that is no link', '{"note":"data:image/png;base64,QUJD"}'],
	['an empty link', '{"url":"","seed":7}'],
	['characters of several bytes', '{"note":"图片 👟","seed":7}'],
	['nothing', ''],
])('A response with %s is kept unchanged', (_what, json) => {
	for (const size of SIZES) {
		expect(scan(json, size)).toEqual({ image: '', isComplete: false, envelope: json });
	}
});

describe('The text of an image with escapes', () => {
	const escaped = [...BASE64]
		.map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
		.join('');

	test.each([
		['all of it', escaped],
		['slashes', Buffer.from('???>>>').toString('base64').replaceAll('/', '\\/')],
		['line breaks', BASE64.replace(/.{5}/g, '$&\\r\\n')],
		['line breaks as they are', BASE64.replace(/.{5}/g, '$&\n')],
		['line breaks of both kinds and tabs', BASE64.replace(/.{5}/g, '$&\\n\n\r\t')],
		['one at its end', `${BASE64}\\n`],
		['two at its end', `${BASE64}\\n\\n`],
		['one at its beginning', `\\n${BASE64}`],
	])('is decoded: %s', (_what, text) => {
		const image = Buffer.from(JSON.parse(`"${text.replace(/[\n\r\t]/g, '')}"`) as string, 'base64');
		for (const size of [1, 2, 3, 4, 5, 6, 7, 1000]) {
			expect(scan(`{"b64_json":"${text}","seed":7}`, size)).toEqual({
				image: image.toString(),
				isComplete: true,
				envelope: '{"b64_json":"","seed":7}',
			});
		}
	});

	test.each([
		['an escaped quote', 'QU\\"JD'],
		['an escaped backslash', 'QU\\\\JD'],
		['an escaped backslash at its end', 'QUJD\\\\'],
		['an escaped backslash and an escaped quote', 'QU\\\\\\"JD'],
	])('is not Base64 with %s', (_what, text) => {
		for (const size of SIZES) {
			expect(() => scan(`{"b64_json":"${text}"}`, size)).toThrow(
				expect.objectContaining({ kind: 'notAnImage' }),
			);
		}
	});

	test('is not Base64 with an invalid escape', () => {
		for (const size of SIZES) {
			expect(() => scan('{"b64_json":"QU\\xJD"}', size)).toThrow(
				expect.objectContaining({
					kind: 'notAnImage',
					details: {
						text: expect.stringMatching(
							/^The image in the response has an invalid escape: .*\\x/,
						) as string,
					},
				}),
			);
		}
		for (const size of SIZES) {
			expect(() => scan('{"b64_json":"QUJD\\u00"}', size)).toThrow(
				expect.objectContaining({ kind: 'notAnImage' }),
			);
		}
		expect(() => scan(`{"b64_json":"\\x${'Q'.repeat(200)}"}`, 1000)).toThrow(
			expect.objectContaining({
				details: { text: `The image in the response has an invalid escape: \\x${'Q'.repeat(98)}` },
			}),
		);
	});

	test('is not decoded for a second image', () => {
		const json = `[{"b64_json":"${BASE64}"},{"b64_json":"\\n*\\"*"},{"seed":7}]`;
		for (const size of SIZES) {
			expect(scan(json, size)).toEqual({
				image: IMAGE,
				isComplete: true,
				envelope: '[{"b64_json":""},{"b64_json":""},{"seed":7}]',
			});
		}
	});
});

test('An image is complete when its closing quote has arrived', () => {
	const scanner = createJsonImageScanner();
	expect(scanner.imageIsComplete()).toBe(false);
	scanner.scan(Buffer.from(`{"b64_json":"${BASE64}`));
	expect(scanner.hasImageBytes()).toBe(true);
	expect(scanner.imageIsComplete()).toBe(false);
	scanner.scan(Buffer.from('"'));
	expect(scanner.imageIsComplete()).toBe(true);
	expect(Buffer.concat(scanner.takeImageBytes()).toString()).toBe(IMAGE);
	expect(scanner.takeImageBytes()).toEqual([]);
});

test('The envelope may have 1 MB in any number of pieces, and no more', () => {
	const scanner = createJsonImageScanner();
	const piece = Buffer.alloc(64 * 1024, ' ');
	for (let count = 0; count < 16; count++) scanner.scan(piece);
	expect(scanner.envelope()).toBe(' '.repeat(1024 * 1024));
	const failure = expect.objectContaining({
		kind: 'tooLarge',
		details: { text: 'The response is far larger than any valid response of this API' },
	}) as Error;
	expect(() => scanner.scan(Buffer.from(' '))).toThrow(failure);
	expect(tooLarge()).toEqual(failure);
});

test('The envelope accepts small pieces beyond its first 4 kB', () => {
	const scanner = createJsonImageScanner();
	const json = `{"note":"${'0123456789'.repeat(1000)}"}`;
	for (const piece of pieces(json, 999)) scanner.scan(piece);
	expect(scanner.envelope()).toBe(json);
});

test('A text over 64 kB is cut, but keeps its closing quote', () => {
	const KILOBYTE = 1024;
	const text = '0123456789abcdef'.repeat(5 * 64);
	const note = (bytes: number) => `"${text.repeat(bytes / text.length + 1).slice(0, bytes)}"`;
	const json = (bytes: number) => `{"a":${note(bytes)},"b":${note(bytes)},"seed":7}`;
	for (const size of [1000, 64 * KILOBYTE, 1000 * KILOBYTE]) {
		expect(scan(json(64 * KILOBYTE + 1), size).envelope).toBe(json(64 * KILOBYTE));
		expect(scan(json(200 * KILOBYTE), size).envelope).toBe(json(64 * KILOBYTE));
		expect(scan(json(64 * KILOBYTE), size).envelope).toBe(json(64 * KILOBYTE));
	}
});

test('A data URI is recognized in upper and lower case', () => {
	for (const size of SIZES) {
		expect(scan(`{"url":"DaTa:image/png;base64,${BASE64}"}`, size).image).toBe(IMAGE);
		expect(scan(`{"url":"DATA;image/png;base64,${BASE64}"}`, size).image).toBe('');
	}
});

test('An empty text is not an image', () => {
	for (const size of SIZES) {
		expect(scan('{"b64_json":"","seed":7}', size)).toMatchObject({ image: '', isComplete: false });
	}
});
