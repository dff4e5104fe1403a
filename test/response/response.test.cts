import { randomBytes } from 'node:crypto';

import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';
import { readResponse } from '../../nodes/StepFunImage/image/responseReader';
import { collect, failureFrom, inChunks, read } from './readResponse.cts';

const image = randomBytes(10_007);
const base64 = image.toString('base64');

const bodyOf = (fields: object) =>
	JSON.stringify({
		id: 'abc',
		created: 1752565891,
		data: [{ ...fields, finish_reason: 'success', seed: 7 }],
	});

describe('a response with an image', () => {
	const expected = {
		response: { id: 'abc', created: 1752565891, seed: 7, finishReason: 'success', url: undefined },
		image,
	};

	test.each([1, 2, 3, 5, 64, 1000, 65536])('is read in chunks of %i bytes', async (size) => {
		expect(await read(bodyOf({ b64_json: base64 }), size)).toEqual(expected);
	});

	test.each([
		['pretty', JSON.stringify(JSON.parse(bodyOf({ b64_json: base64 })), null, 2)],
		['with escaped slashes', bodyOf({ b64_json: base64 }).replaceAll('/', '\\/')],
		[
			'with every character escaped',
			bodyOf({ b64_json: '#' }).replace(
				'#',
				[...base64]
					.map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
					.join(''),
			),
		],
		['with an escaped key', bodyOf({ b64_json: base64 }).replace('b64_json', 'b64\\u005fjson')],
		[
			'with white space around the colon',
			bodyOf({ b64_json: base64 }).replace('"b64_json":', '"b64_json" \n:\t '),
		],
		['with a null beside it', bodyOf({ url: null, b64_json: base64 })],
		['with line breaks in the Base64', bodyOf({ b64_json: base64.replace(/.{76}/g, '$&\n') })],
		['as a data URI', bodyOf({ b64_json: `data:image/png;base64,${base64}` })],
		['without padding', bodyOf({ b64_json: base64.replace(/=+$/, '') })],
		['with the key in a text before it', bodyOf({ note: 'see "b64_json": "x"', b64_json: base64 })],
	])('is read when spelled %s', async (_spelling, text) => {
		for (const size of [1, 7, 1000]) expect(await read(text, size)).toEqual(expected);
	});

	test('with an escape every few characters is handed over in pieces as large as it came in', async () => {
		const text = bodyOf({ b64_json: base64 }).replace(/.{64}(?=.*")/g, '$&\\n');
		let pieces = 0;
		const count = async (bytes: AsyncIterable<Buffer>) => {
			for await (const piece of bytes) pieces += piece.length > 0 ? 1 : 0;
		};
		await readResponse(inChunks(text, 1000), count, () => undefined);
		expect(pieces).toBeLessThanOrEqual(Math.ceil(text.length / 1000));
	});

	test('takes the first image of several', async () => {
		const second = randomBytes(50).toString('base64');
		const text = `{"data":[{"b64_json":"${base64}"},{"b64_json":"${second}"}]}`;
		expect((await read(text)).image).toEqual(image);
	});
});

describe('an image that arrived whole counts, although the response', () => {
	const whole = bodyOf({ b64_json: base64 });

	test.each([
		['lacks its last bracket', whole.slice(0, -1)],
		['lacks all brackets', whole.slice(0, -3)],
		['ends behind a comma', `{"data":[{"seed":7,"b64_json":"${base64}",`],
		['ends within a key', `{"data":[{"seed":7,"b64_json":"${base64}","finish_`],
		['has a semicolon behind it', `${whole};`],
		['has a NUL behind it', `${whole}\0`],
		['has a second object behind it', `${whole}{"id":"other"}`],
		['has a comment of a proxy behind it', `${whole}<!-- served by cache-7 -->`],
		['has a bracket too many', `${whole} }`],
		[
			'has a long key that is cut within an escape',
			whole.replace('"id"', `"${'x'.repeat(47)}\\u00e9${'y'.repeat(30)}":1,"id"`),
		],
	])('%s', async (_what, text) => {
		for (const size of [1, 1000]) expect((await read(text, size)).image).toEqual(image);
	});

	test('breaks off behind it', async () => {
		async function* pieces() {
			yield Buffer.from(whole.slice(0, -4));
			throw new RequestFailure('truncated', { text: 'The connection broke' });
		}
		const { image: arrived } = await readResponse(pieces(), collect, () => undefined);
		expect(arrived).toEqual(image);
	});

	test('a link that arrived whole counts, too', async () => {
		const { response } = await read(`{"data":[{"url":"https://res.example/1.png"}]`);
		expect(response.url).toBe('https://res.example/1.png');
	});
});

describe('an image in place of a link', () => {
	test('is read from a data URI', async () => {
		for (const size of [1, 7, 1000]) {
			const result = await read(bodyOf({ url: `data:image/png;base64,${base64}` }), size);
			expect(result.image).toEqual(image);
			expect(result.response.url).toBeUndefined();
		}
	});

	test('is read from the list images', async () => {
		const { response } = await read('{"images":[{"url":"https://res.example/1.png"}]}');
		expect(response.url).toBe('https://res.example/1.png');
	});
});

describe('a response without an image', () => {
	test.each([
		['with a URL', bodyOf({ url: 'https://res.example/1.png' }), 'https://res.example/1.png'],
		['with null', bodyOf({ b64_json: null }), undefined],
		['with an empty text', bodyOf({ b64_json: '' }), undefined],
		['with no data', '{"data":[]}', undefined],
		['of another shape', '[1,"b64_json"]', undefined],
	])('%s stores nothing', async (_what, text, url) => {
		const result = await read(text);
		expect(result.image).toBeUndefined();
		expect(result.response.url).toBe(url);
	});
});

describe('a broken response', () => {
	const whole = bodyOf({ b64_json: base64 });

	test.each([
		['ends in the image', whole.slice(0, whole.length / 2), 'truncated'],
		['ends before the image', whole.slice(0, 20), 'truncated'],
		['is HTML', '<html><title>Login</title></html>', 'invalidJson'],
		['is empty', '', 'invalidJson'],
		['holds no Base64', bodyOf({ b64_json: 'this is *not* Base64!' }), 'notAnImage'],
		['ends with one character too many', bodyOf({ b64_json: 'QUJDR' }), 'notAnImage'],
		['has padding in the middle', bodyOf({ b64_json: 'QUJD=UJD' }), 'notAnImage'],
		['never ends', `{"notes":[${'"x",'.repeat(512 * 1024)}`, 'tooLarge'],
		['has a text that never ends', `{"note":"${'x'.repeat(65 * 1024 * 1024)}`, 'tooLarge'],
	])('that %s is a failure', async (_what, text, kind) => {
		expect((await failureFrom(text))?.kind).toBe(kind);
	});

	test.each([
		['that ends with it', '%%%%"}]}'],
		['that goes on after it', '%%%%"}],'],
	])('whose Base64 goes wrong in a later piece %s is not an image', async (_where, rest) => {
		async function* pieces() {
			yield Buffer.from(`{"id":"abc","data":[{"b64_json":"${base64.slice(0, 400)}`);
			yield Buffer.from(rest);
			if (rest.endsWith(',')) yield Buffer.from('"created":1}');
		}
		const failure = await readResponse(pieces(), collect, () => undefined).catch(
			(error: unknown) => error,
		);
		expect(failure).toMatchObject({ kind: 'notAnImage', details: { id: 'abc' } });
	});

	test('that breaks off after an invalid image is still not an image', async () => {
		async function* pieces() {
			yield Buffer.from(`{"id":"abc","data":[{"b64_json":"${base64.slice(0, 400)}`);
			yield Buffer.from('%%%%');
			throw new RequestFailure('truncated', { text: 'The connection broke' });
		}
		const failure = await readResponse(pieces(), collect, () => undefined).catch(
			(error: unknown) => error,
		);
		expect(failure).toMatchObject({ kind: 'notAnImage' });
	});
});

test.each([
	['before', (text: string) => `{"input":"${text}","data":[{"b64_json":"${base64}"}],"id":"abc"}`],
	['behind', (text: string) => `{"data":[{"b64_json":"${base64}"}],"input":"${text}","id":"abc"}`],
	[
		'as a second image behind',
		(text: string) =>
			`{"data":[{"b64_json":"${base64}","url":"data:image/png;base64,${text}"}],"id":"abc"}`,
	],
])('a text of 4 MB %s an image does not affect it', async (_where, toJson) => {
	const { image: arrived, response } = await read(toJson('QUJD'.repeat(1024 * 1024)), 65536);
	expect(arrived).toEqual(image);
	expect(response.id).toBe('abc');
});

test.each([
	['spaces', `{"data":[{"url":"https://a.b/c.png"}],${' '.repeat(500_000)}x`],
	['line breaks', `{"data":[{"url":"https://a.b/c.png"}]}${'\n'.repeat(500_000)}x`],
])('A broken response with many %s is read at once', async (_what, text) => {
	const startedAt = performance.now();
	const { response } = await read(text, 1_000_000);
	expect(response.url).toBe('https://a.b/c.png');
	expect(performance.now() - startedAt).toBeLessThan(2_000);
});
