import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';
import type { ImageResponse } from '../../nodes/StepFunImage/image/responseFields';
import { readResponse } from '../../nodes/StepFunImage/image/responseReader';

const IMAGE = 'A red running shoe';
const BASE64 = Buffer.from(IMAGE).toString('base64');
const BROKEN = new RequestFailure('truncated', { text: 'The connection broke' });

/** A response in these pieces, which breaks off where one of them is an error. */
async function* responseOf(...pieces: Array<string | Error>): AsyncGenerator<Buffer> {
	for (const piece of pieces) {
		if (typeof piece !== 'string') throw piece;
		yield Buffer.from(piece);
	}
}

async function toText(bytes: AsyncIterable<Buffer>): Promise<string> {
	let text = '';
	for await (const chunk of bytes) text += chunk.toString();
	return text;
}

interface Behaviour {
	store?: (bytes: AsyncIterable<Buffer>) => Promise<string>;
	validate?: (response: ImageResponse) => void;
}

async function read(
	pieces: Array<string | Error>,
	{ store = toText, validate = () => undefined }: Behaviour = {},
) {
	return await readResponse(responseOf(...pieces), store, validate);
}

async function failureOf(pieces: Array<string | Error>, behaviour?: Behaviour) {
	const error: unknown = await read(pieces, behaviour).then(
		() => undefined,
		(thrown: unknown) => thrown,
	);
	if (!(error instanceof RequestFailure)) return error;
	const { kind, details } = error;
	return { kind, ...details };
}

const withImage = (rest: string) => `{"id":"abc","data":[{"b64_json":"${BASE64}"${rest}`;

describe('Response: its fields', () => {
	test.each<[string, object, ImageResponse]>([
		[
			'all of them',
			{
				id: 'abc',
				created: 7,
				data: [{ seed: 8, finish_reason: 'success', url: 'https://res.example/1.png' }],
			},
			{ id: 'abc', created: 7, seed: 8, finishReason: 'success', url: 'https://res.example/1.png' },
		],
		[
			'in the list images',
			{ images: [{ url: 'https://res.example/1.png' }] },
			{ url: 'https://res.example/1.png' },
		],
		[
			'of another type',
			{ id: 7, created: true, data: [{ seed: [8], finish_reason: 1, url: {} }] },
			{},
		],
		['numbers as text', { created: '7', data: [{ seed: '8' }] }, { created: 7, seed: 8 }],
		['empty', { id: '', data: [{ url: '', finish_reason: '' }], error: '' }, {}],
		['null', { id: null, data: null, images: null, error: null }, {}],
		['in no list', { data: { seed: 8 }, images: 'x' }, { seed: 8 }],
		['in an empty list', { data: [] }, {}],
		['of nothing', { data: [null] }, {}],
		['an error as text', { error: 'no credit' }, { error: 'no credit' }],
		['an error as an object', { error: { message: 'no credit' } }, { error: 'no credit' }],
		['an error without a message', { error: { code: 7 } }, { errorCodes: ['7', '7'] }],
		['a list', [1], {}],
	])('%s', async (_what, json, fields) => {
		const { response, image } = await read([JSON.stringify(json)]);
		expect(JSON.parse(JSON.stringify(response))).toEqual(fields);
		expect(image).toBeUndefined();
	});

	test.each(['null', '7', '"text"', 'true'])('none of %s', async (json) => {
		expect(Object.values((await read([json])).response)).toEqual(Array(8).fill(undefined));
	});

	test('of a response that begins with a byte order mark', async () => {
		expect((await read(['\ufeff{"id":"abc"}'])).response.id).toBe('abc');
		expect(await failureOf(['{}\ufeff'])).toMatchObject({ kind: 'invalidJson' });
	});

	test('beside an image, which is stored once', async () => {
		const store = jest.fn(toText);
		const validate = jest.fn();
		const { response, image } = await read([withImage(',"seed":8}],"created":7}')], {
			store,
			validate,
		});
		expect(response).toMatchObject({ id: 'abc', created: 7, seed: 8 });
		expect(image).toBe(IMAGE);
		expect(store).toHaveBeenCalledTimes(1);
		expect(validate).toHaveBeenCalledWith(response);
	});
});

describe('Response: an image that arrived whole counts', () => {
	test.each([
		['without its brackets', withImage(''), 'abc'],
		['without one bracket', withImage(',"seed":8}]'), 'abc'],
		['with a comma at its end', withImage(','), 'abc'],
		['with a comma and white space at its end', withImage('},\n \0'), 'abc'],
		['with something behind it', withImage('}]};<!-- proxy -->'), 'abc'],
		['with a second object behind it', withImage('}]}{"id":"other"}'), 'abc'],
		['with brackets in texts', withImage(',"note":"]}\\"}"}]'), 'abc'],
		['with all its closing brackets in a text', withImage(',"note":"}]}"'), 'abc'],
		['with opening brackets in a text', withImage(',"note":"{[{["'), 'abc'],
		['with a backslash at the end of a text', withImage(',"note":"\\\\"}]'), 'abc'],
		['with a bracket too many', withImage('}]]}'), 'abc'],
		['within a key', withImage(',"finish_'), 'abc'],
	])('%s', async (_what, json, id) => {
		const { image, response } = await read([json]);
		expect(image).toBe(IMAGE);
		expect(response.id).toBe(id);
	});

	test('when the connection breaks behind it', async () => {
		expect(await read([withImage('}'), BROKEN])).toMatchObject({
			image: IMAGE,
			response: { id: 'abc' },
		});
	});

	test('but not when something else goes wrong', async () => {
		const error = new Error('out of memory');
		expect(await failureOf([withImage('}'), error], {})).toEqual({
			kind: 'storage',
			text: 'out of memory',
		});
		expect(await failureOf(['{"data":[{"url":"https://res.example/1.png"', error])).toBe(error);
	});

	test('and a link that arrived whole does, too', async () => {
		for (const colon of [':', ' : ', '\n\t:\n\t']) {
			const link = `{"data":[{"url"${colon}"https://res.example/\\"1.png"`;
			for (const pieces of [[link], [link, BROKEN], [`${link},"seed":8`, BROKEN]]) {
				expect((await read(pieces)).response.url).toBe('https://res.example/"1.png');
			}
		}
	});

	test('while one that did not arrive completely does not', async () => {
		expect(await failureOf(['{"data":[{"url":"https://res.exam', BROKEN])).toMatchObject({
			kind: 'truncated',
			text: 'The connection broke',
		});
		expect(await failureOf(['{"data":[{"urls":"https://res.example"', BROKEN])).toMatchObject({
			text: 'The connection broke',
		});
	});
});

describe('Response: failures', () => {
	test.each([
		[
			'ends in its fields',
			['{"id":"abc"'],
			{ kind: 'truncated', text: 'The response ended early' },
		],
		['is no JSON', ['<html>'], { kind: 'invalidJson', text: '<html>' }],
		['is no JSON but ends like it', ['{oops}'], { kind: 'invalidJson', text: '{oops}' }],
		['is no JSON but begins in a list', ['[{oops'], { kind: 'invalidJson', text: '[{oops' }],
		[
			'has spaces around it',
			[' {"id" \n'],
			{ kind: 'truncated', text: 'The response ended early' },
		],
		['is empty', [''], { kind: 'invalidJson', text: '' }],
		['is a long text', ['x'.repeat(301)], { kind: 'invalidJson', text: `${'x'.repeat(300)}…` }],
		[
			'ends in its image',
			[`{"data":[{"b64_json":"${BASE64}`],
			{ kind: 'truncated', text: 'The response ended in the middle of the image' },
		],
		[
			'breaks off in its image',
			[`{"data":[{"b64_json":"${BASE64}`, BROKEN],
			{ kind: 'truncated', text: 'The connection broke' },
		],
	])('A response that %s is a failure', async (_what, pieces, failure) => {
		expect(await failureOf(pieces)).toEqual(failure);
	});

	test('The error of the validation is thrown, with and without an image', async () => {
		const filtered = new RequestFailure('contentFiltered', { seed: 7 });
		const validate = ({ id }: ImageResponse) => {
			if (id === 'abc') throw filtered;
		};
		expect(await failureOf(['{"id":"abc"}'], { validate })).toEqual({
			kind: 'contentFiltered',
			seed: 7,
		});
		expect(await failureOf([withImage('}]}')], { validate })).toEqual({
			kind: 'contentFiltered',
			seed: 7,
		});
	});

	test('The image does not end before its response is valid', async () => {
		const order: string[] = [];
		await read([withImage(''), '}]', '}'], {
			store: async (bytes) => {
				const text = await toText(bytes);
				order.push('stored');
				return text;
			},
			validate: () => order.push('validated'),
		});
		expect(order.slice(0, 2)).toEqual(['validated', 'stored']);
	});
});

describe('Response: an image that cannot be stored', () => {
	const notAnImage = async () => {
		throw new RequestFailure('notAnImage', { text: 'hello' });
	};

	test('fails with the error of the storage', async () => {
		const failing = (thrown: unknown) => async () => {
			throw thrown;
		};
		const json = [withImage('}]}')];
		expect(await failureOf(json, { store: failing(new Error('disk full')) })).toEqual({
			kind: 'storage',
			text: 'disk full',
		});
		expect(await failureOf(json, { store: failing('no room') })).toEqual({
			kind: 'storage',
			text: 'no room',
		});
	});

	test.each([
		['a character that is not Base64', 'QUJ*'],
		['an escape that is not JSON', 'QU\\xJD'],
	])('is replaced by a link in the same response if it has %s', async (_what, base64) => {
		const json = `{"data":[{"b64_json":"${base64}","url":"/1.png"}]}`;
		const { response, image } = await read([json]);
		expect([response.url, image]).toEqual(['/1.png', undefined]);
	});

	test('is reported with the ID of its response', async () => {
		expect(await failureOf([withImage(''), '}]', '}'], { store: notAnImage })).toEqual({
			kind: 'notAnImage',
			text: 'hello',
			id: 'abc',
		});
	});

	test('is reported without the ID if the rest of the response is unusable', async () => {
		const validate = jest.fn();
		expect(
			await failureOf([`{"id":"abc","b64_json":"${BASE64}`, BROKEN], {
				store: notAnImage,
				validate,
			}),
		).toEqual({ kind: 'notAnImage', text: 'hello', id: undefined });
		expect(validate).not.toHaveBeenCalled();
	});

	test('is reported with the error of the validation', async () => {
		const validate = () => {
			throw new RequestFailure('contentFiltered');
		};
		expect(await failureOf([withImage('}]}')], { store: notAnImage, validate })).toEqual({
			kind: 'contentFiltered',
		});
	});

	test('is reported as an endless response if its response is endless', async () => {
		const endless = Array.from({ length: 17 }, () => ' '.repeat(64 * 1024));
		expect(await failureOf([withImage('}]'), ...endless], { store: notAnImage })).toMatchObject({
			kind: 'tooLarge',
		});
	});

	test('is reported as not an image if it ends in the middle of a whole response', async () => {
		const store = async (bytes: AsyncIterable<Buffer>): Promise<string> => {
			await toText(bytes);
			throw new RequestFailure('truncated', { text: 'The image file is incomplete' });
		};
		expect(await failureOf([withImage('}]}')], { store })).toMatchObject({
			kind: 'notAnImage',
			text: 'The image file is incomplete',
		});
	});

	test('fails with the error of the storage even if its response is whole', async () => {
		const store = async (bytes: AsyncIterable<Buffer>): Promise<string> => {
			await toText(bytes);
			throw new RequestFailure('storage', { text: 'disk full' });
		};
		expect(await failureOf([withImage('}]}')], { store })).toEqual({
			kind: 'storage',
			text: 'disk full',
		});
	});

	test('is reported as truncated if its response is', async () => {
		const store = async (): Promise<string> => {
			throw new RequestFailure('truncated', { text: 'The image file is incomplete' });
		};
		expect(await failureOf([`{"b64_json":"${BASE64}`], { store })).toMatchObject({
			kind: 'truncated',
		});
	});
});

test('A response may have 400 MB, but not a byte more', async () => {
	const MEGABYTE = 1024 * 1024;
	const head = '[{"b64_json":"QUJD"},{"b64_json":"';
	const tail = '"}]';
	// A second image is passed over, which takes no time and no memory.
	const filler = Buffer.alloc(MEGABYTE, 'A');
	async function* responseOf(bytes: number): AsyncGenerator<Buffer> {
		yield Buffer.from(head);
		let left = bytes - head.length - tail.length;
		for (; left > MEGABYTE; left -= MEGABYTE) yield filler;
		yield filler.subarray(0, left);
		yield Buffer.from(tail);
	}
	const imageOf = async (bytes: number) =>
		(await readResponse(responseOf(bytes), toText, () => undefined)).image;

	expect(await imageOf(400 * MEGABYTE)).toBe('ABC');
	await expect(imageOf(400 * MEGABYTE + 1)).rejects.toMatchObject({ kind: 'tooLarge' });
});
