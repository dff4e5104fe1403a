import { randomBytes } from 'node:crypto';

import { failureFrom, read } from './readResponse.cts';

// What servers and relays make of a response, and what of it counts all the same.

const image = randomBytes(100);
const base64 = image.toString('base64');

describe('a link that was paid for counts, wherever it is', () => {
	const link = 'https://res.example/1.png';

	test.each([
		['behind an entry that is null', { data: [null, { url: link }] }],
		['behind an entry that is empty', { data: [{}, { url: link }] }],
		['behind an entry that moderation held back', { data: [{ url: '' }, { url: link }] }],
		['in an object instead of a list', { data: { url: link } }],
		['directly in a field', { output: link }],
		['in a list within an object', { data: { images: [{ url: link }] } }],
		['in a list of links', { images: [link] }],
		['in a list of links in data', { data: [link] }],
		['in a list without an object around it', [{ url: link }]],
		['in an object without a list', { url: link }],
		['in output', { output: [{ url: link }] }],
		['in result', { result: { url: link } }],
		['in a list of lists', { data: [[link]] }],
		['four levels deep', { result: { output: { data: { images: { url: link } } } } }],
	])('%s', async (_where, value) => {
		expect((await read(JSON.stringify(value))).response.url).toBe(link);
	});

	test.each([
		['five levels deep', { result: { result: { output: { data: { images: { url: link } } } } } }],
		['in a text', { data: [`see ${link}`] }],
		['in a text of another address', { data: ['ftp://res.example/1.png'] }],
		['in a field of another name', { data: 'text', pages: [{ url: link }] }],
	])('but not %s', async (_where, value) => {
		expect((await read(JSON.stringify(value))).response.url).toBeUndefined();
	});

	test.each(['http://res.example/1.png', 'HTTPS://res.example/1.png', '/files/1.png'])(
		'as a text of its own: %s',
		async (address) => {
			expect((await read(JSON.stringify({ data: [address] }))).response.url).toBe(address);
		},
	);

	test.each([
		['in image_url', { data: [{ image_url: { url: link } }] }],
		['in image', { image: { url: link } }],
		['in image_urls, as from MiniMax', { data: { image_urls: [link] } }],
		['in results', { output: { results: [{ url: link }] } }],
	])('%s', async (_where, value) => {
		expect((await read(JSON.stringify(value))).response.url).toBe(link);
	});

	test.each<[string, object]>([
		['in its entry', { data: [{ url: link, seed: 5, image: 'https://in.example/1.png' }] }],
		[
			'in an object of its entry',
			{ data: [{ url: link, seed: 5, image_url: { url: '/in.png' } }] },
		],
		['in front of the list', { image: '/in.png', data: [{ url: link, seed: 5 }] }],
	])('and is not mistaken for the input image %s', async (_where, value) => {
		const { response } = await read(JSON.stringify(value));
		expect(response).toMatchObject({ url: link, seed: 5, others: undefined });
	});

	test('but counts once if it is in two lists', async () => {
		const value = { images: [{ url: link }], data: [{ url: link }, { url: '/2' }] };
		const { response } = await read(JSON.stringify(value));
		expect(response).toMatchObject({ url: link, others: ['/2'] });
	});

	test('and only the first 20 others are kept, because each is searched for secrets', async () => {
		const data = Array.from({ length: 40_000 }, (_, index) => ({ url: `/${index}` }));
		const { response } = await read(JSON.stringify({ data }));
		expect(response.others).toEqual(data.slice(1, 21).map(({ url }) => url));
	});

	test('in the last of several events of a stream', async () => {
		const events = [
			'event: image_generation.started',
			'data: {"type":"image_generation.started"}',
			'',
			'event: image_generation.completed',
			`data: {"type":"image_generation.completed","url":"${link}","seed":8}`,
			'',
			'data: [DONE]',
		];
		expect((await read(events.join('\r\n'))).response).toMatchObject({ url: link, seed: 8 });
	});

	test('in the last of several lines of JSON', async () => {
		const lines = ['{"status":"running","step":1}', `{"images":[{"url":"${link}","seed":8}]}`];
		for (const end of ['\n', '\r\n', '\n\n']) {
			const { response } = await read(lines.map((line) => line + end).join(''));
			expect(response).toMatchObject({ url: link, seed: 8 });
		}
	});

	test('but a text that starts like an event is not a stream of events', async () => {
		expect((await failureFrom('id: 5 is wrong'))?.kind).toBe('invalidJson');
	});

	test('and the links after the first one are kept too', async () => {
		const links = ['https://res.example/1', 'https://res.example/2', '/3'];
		const { response } = await read(JSON.stringify({ data: links.map((url) => ({ url })) }));
		expect([response.url, ...(response.others ?? [])]).toEqual(links);
	});

	test('with the fields of its entry', async () => {
		const entries = [
			{ seed: 1 },
			{ seed: 8, url: link },
			{ seed: 2, url: 'https://res.example/2' },
		];
		expect((await read(JSON.stringify({ data: entries }))).response).toMatchObject({
			seed: 8,
			url: link,
		});
	});

	test('but not in the words of an error', async () => {
		const { response } = await read(`{"error":{"message":"No","url":"${link}"}}`);
		expect(response).toMatchObject({ url: undefined, error: 'No' });
	});

	test.each([
		['the NaN that Python writes', '"score":NaN'],
		['a line break within a text', '"revised_prompt":"a\nb"'],
		['an escape that JSON does not know', '"revised_prompt":"a\\xb"'],
	])('in JSON with %s', async (_what, member) => {
		const text = `{"id":"abc","created":5,"data":[{${member},"seed":7,"finish_reason":"success","url":"https:\\/\\/res.example/1.png"}]}`;
		expect((await read(text)).response).toEqual({
			id: 'abc',
			created: 5,
			seed: 7,
			finishReason: 'success',
			url: link,
			error: undefined,
		});
	});

	test('in JSON that is not only broken, but also begins late', async () => {
		expect((await read(` \n{"url":"${link}"`)).response.url).toBe(link);
		expect((await read(`\n[{"score":NaN,"url":"${link}"}]`)).response.url).toBe(link);
	});

	test('but not in a page, although it contains JSON', async () => {
		const page = `<html><script>{"url":"${link}"}</script></html>`;
		expect((await failureFrom(page))?.kind).toBe('invalidJson');
	});
});

test('moderation is recognized although the input image is beside it', async () => {
	const entry = { b64_json: '', finish_reason: 'content_filtered', image: '/in.png' };
	const { response } = await read(JSON.stringify({ data: [entry] }));
	expect(response.finishReason).toBe('content_filtered');
});

test.each([{}, { url: '' }, { url: '/withheld.png' }])(
	'an image that xAI withheld by its own flag counts as moderated, with %j beside the flag',
	async (image) => {
		const { response } = await read(
			JSON.stringify({ data: [{ ...image, respect_moderation: false }] }),
		);
		expect(response.finishReason).toBe('content_filtered');
	},
);

test.each([
	[true, 'content_filtered'],
	[false, undefined],
])('an image of fal.ai counts as moderated if it has the flag: %s', async (flag, finishReason) => {
	const value = { images: [{ url: '/black.png' }], seed: 5, has_nsfw_concepts: [flag] };
	expect((await read(JSON.stringify(value))).response.finishReason).toBe(finishReason);
});

test.each(['content_filter', 'CONTENT_FILTERED'])(
	'an image that was withheld with the reason %s counts as moderated',
	async (reason) => {
		const { response } = await read(JSON.stringify({ data: [{ finish_reason: reason }] }));
		expect(response.finishReason).toBe('content_filtered');
	},
);

test('an image that xAI let pass is not moderated', async () => {
	const entry = { url: 'https://res.example/1.png', respect_moderation: true };
	expect((await read(JSON.stringify({ data: [entry] }))).response.finishReason).toBeUndefined();
});

describe('an image is not lost because of what comes before it', () => {
	test.each([
		['an empty image', `{"data":[{"b64_json":""},{"b64_json":"${base64}"}]}`],
		['white space', `{"data":[{"b64_json":" "},{"b64_json":"${base64}"}]}`],
		[
			'an empty image beside a data URI',
			`{"data":[{"b64_json":"","url":"data:image/png;base64,${base64}"}]}`,
		],
		['a data URI in capital letters', `{"data":[{"url":"DATA:image/png;base64,${base64}"}]}`],
		['a prefix in capital letters', `{"data":[{"b64_json":"DATA:image/png;base64,${base64}"}]}`],
		[
			'an image that moderation held back',
			`{"data":[{"finish_reason":"content_filtered"},{"finish_reason":"success","b64_json":"${base64}"}]}`,
		],
	])('%s', async (_what, text) => {
		for (const size of [1, 1000]) {
			const { image: arrived, response } = await read(text, size);
			expect(arrived).toEqual(image);
			expect(response.finishReason).not.toBe('content_filtered');
		}
	});

	const withEntries = (rest: string) =>
		`{"data":[{"seed":1},{"seed":8,"b64_json":"${base64}"${rest}`;

	test.each([
		['is whole', '},{"seed":2}]}'],
		['lacks its brackets', ''],
		['lacks one bracket', '}]'],
		['ends with a comma', ','],
		['ends with a comma and white space', '},\n \0'],
		['ends with a text, within which are spaces', ',"note":"a, b"'],
		['has something behind it', '}]};<!-- proxy -->'],
		['has a second object behind it', '}]}{"data":[{"seed":9}]}'],
		['has brackets in a text', ',"note":"]}\\"}"}]'],
		['has all its closing brackets in a text', ',"note":"}]}"'],
		['has opening brackets in a text', ',"note":"{[{["'],
		['has a backslash at the end of a text', ',"note":"\\\\"}]'],
	])('its fields are those of its own entry if the response %s', async (_what, rest) => {
		const { image: arrived, response } = await read(withEntries(rest));
		expect(arrived).toEqual(image);
		expect(response.seed).toBe(8);
	});

	test('its fields are those of its own entry if it is a data URI', async () => {
		const { response } = await read(
			`{"data":[{"seed":1},{"seed":8,"url":"data:image/png;base64,${base64}"}]}`,
		);
		expect(response.seed).toBe(8);
	});

	test('an image in a page has no fields', async () => {
		const { image: arrived, response } = await read(
			`<html>{"id":"abc","b64_json":"${base64}"}</html>`,
		);
		expect(arrived).toEqual(image);
		expect(response).toEqual({});
	});

	test('its fields also count in JSON that no parser accepts', async () => {
		const { response } = await read(
			`{"id":"abc","data":[{"score":NaN,"seed":"7","finish_reason":"content_filtered","b64_json":"${base64}"}]}`,
		);
		expect(response).toMatchObject({ id: 'abc', seed: 7, finishReason: 'content_filtered' });
	});
});

describe('an image in a list of texts', () => {
	const png = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n\0', 'latin1'), image]);
	const jpeg = Buffer.concat([Buffer.from('\xff\xd8\xff\xe0', 'latin1'), image]);
	const webp = Buffer.concat([Buffer.from('RIFF1234WEBP'), image]);

	test.each([
		['a PNG', png, ''],
		['a JPEG', jpeg, ''],
		['a WebP', webp, ''],
		['a data URI', image, 'data:image/png;base64,'],
		['a data URI in capitals', image, 'DATA:IMAGE/PNG;BASE64,'],
	])('%s', async (_what, bytes, prefix) => {
		const text = JSON.stringify({ id: 'abc', images: [prefix + bytes.toString('base64')] });
		for (const size of [1, 7, 1000]) {
			const { response, image: arrived } = await read(text, size);
			expect(arrived).toEqual(bytes);
			expect(response).toMatchObject({ id: 'abc', url: undefined, others: undefined });
		}
	});

	test('is not mistaken for a link, nor a link for an image', async () => {
		for (const link of ['/9/1.png', 'https://res.example/1.png', 'd', 'dat', 'uklg', '/']) {
			expect((await read(JSON.stringify({ images: [link, '/x'] }), 1)).image).toBeUndefined();
		}
	});
});

test('images after the first one are counted', async () => {
	const entry = { b64_json: base64 };
	const { response, image: arrived } = await read(JSON.stringify({ data: [entry, entry, entry] }));
	expect(arrived).toEqual(image);
	expect(response.others).toEqual([undefined, undefined]);
});

test.each([
	['an entry without an image', [{ b64_json: base64 }, { revised_prompt: 'a fox' }]],
	['an empty image beside a link', [{ url: 'https://res.example/1' }, { b64_json: '' }]],
])('%s does not count as a further image', async (_what, data) => {
	expect((await read(JSON.stringify({ data }))).response.others).toBeUndefined();
});

test('the images of several events are counted', async () => {
	const events = [`data: {"b64_json":"${base64}","seed":7}`, `data: {"b64_json":"${base64}"}`];
	const { response, image: arrived } = await read(`${events.join('\n\n')}\n\n`);
	expect(arrived).toEqual(image);
	expect(response).toMatchObject({ seed: 7, others: [undefined] });
});

test.each([
	['beside the list', { images: [{ url: 'https://res.example/1' }], seed: 9 }, 9],
	['in the entry', { data: [{ url: 'https://res.example/1', seed: 8 }], seed: 9 }, 8],
])('a seed is found %s', async (_where, value, seed) => {
	expect((await read(JSON.stringify(value))).response.seed).toBe(seed);
});

test('a seed with more digits than a number can hold is not reported wrong', async () => {
	const text = '{"data":[{"url":"https://res.example/1","seed":9007199254740993}]}';
	expect((await read(text)).response.seed).toBeUndefined();
});

test.each([
	['at the top', { task_id: 'T-7' }],
	['in camel case', { taskId: 'T-7' }],
	['in data', { code: 0, data: { task_id: 'T-7', task_status: 'submitted' } }],
	['in output', { output: { task_id: 'T-7', task_status: 'PENDING' } }],
	['in an object that is a task', { id: 'T-7', object: 'image.generation.task', progress: 0 }],
	['in an object that is not finished', { id: 'T-7', status: 'IN_QUEUE' }],
])('the ID of a task is found %s', async (_where, value) => {
	expect((await read(JSON.stringify(value))).response.taskId).toBe('T-7');
});

test.each([
	['an object of another kind', { id: 'T-7', object: 'task.result' }],
	['an object that is finished', { id: 'T-7', status: 'finished, was pending' }],
])('the ID of %s is not that of a task', async (_what, value) => {
	expect((await read(JSON.stringify(value))).response.taskId).toBeUndefined();
});

test.each([
	['error', { error: 'busy' }],
	['error.message', { error: { message: 'busy' } }],
	['message', { success: false, message: 'busy' }],
	['msg', { code: 1001, msg: 'busy', data: null }],
	['detail', { detail: 'busy' }],
	['detail[].msg', { detail: [{ loc: ['body'], msg: 'busy' }] }],
	['errors', { errors: ['busy'] }],
	['errors[].message', { data: null, errors: [{ message: 'busy' }] }],
	['base_resp.status_msg', { base_resp: { status_code: 1002, status_msg: 'busy' } }],
	['data[].error.message', { data: [{ error: { code: 'Busy', message: 'busy' } }] }],
])('the message of a failure that calls itself a success is found in %s', async (_where, value) => {
	expect((await read(JSON.stringify(value))).response.error).toBe('busy');
});

test.each([
	['7', 7],
	['123456789012345', 123_456_789_012_345],
	['1234567890123456', undefined],
	['7 px', undefined],
	['a7', undefined],
	['-7', undefined],
	['', undefined],
])('a number that is written as the text %j is %p', async (text, number) => {
	expect((await read(JSON.stringify({ created: text }))).response.created).toBe(number);
});

test('what is shown of a response is short enough to read', async () => {
	const long = 'x'.repeat(60_000);
	const { response } = await read(
		JSON.stringify({
			id: long,
			error: long,
			data: [{ finish_reason: long, url: `https://res.example/${long}` }],
		}),
	);
	expect(response.id).toHaveLength(301);
	expect(response.error).toHaveLength(301);
	expect(response.finishReason).toHaveLength(301);
	expect(response.url).toHaveLength(16 * 1024);
});
