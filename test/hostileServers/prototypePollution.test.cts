import { inputImage } from '../kit/images.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';

let server: HostileServer;
let base64: string;

beforeAll(async () => {
	base64 = (await inputImage(8, 8)).toString('base64');
	server = await startHostileServer();
});
afterAll(() => server.close());
afterEach(() => {
	const polluted = {} as Record<string, unknown>;
	expect(polluted.polluted).toBeUndefined();
	expect(Object.keys(Object.prototype)).toEqual([]);
});

/** Names that change the prototype of all objects if fields are copied carelessly. */
const POISON = `"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"prototype":{"polluted":true}`;

test.each([
	['as text', `{${POISON},"added":1}`],
	['as an object', JSON.parse(`{${POISON},"added":1}`) as object],
])('Additional Body Fields %s change no prototype', async (_how, additionalBodyFields) => {
	server.attackWith((_request, response) => {
		response.end(`{"data":[{"finish_reason":"success","b64_json":"${base64}"}]}`);
	});
	const { error } = await runGenerate(server, {
		options: { additionalBodyFields: additionalBodyFields as string },
	});
	expect(error?.message).toBeUndefined();
	const sent = JSON.parse(server.requests[0].body.toString()) as Record<string, unknown>;
	expect(sent).toMatchObject({ added: 1, prompt: 'A red shoe' });
});

test('Additional Body Fields in a form change no prototype', async () => {
	server.attackWith((_request, response) => {
		response.end(`{"data":[{"finish_reason":"success","b64_json":"${base64}"}]}`);
	});
	const { error } = await runGenerate(server, {
		operation: 'edit',
		inputSource: 'text',
		inputText: base64,
		options: { additionalBodyFields: `{${POISON},"added":1}` },
	});
	expect(error?.message).toBeUndefined();
	expect(server.requests[0].body.toString('latin1')).toContain('name="added"');
});

test.each([
	[
		'around the fields',
		() => `{${POISON},"id":"abc","data":[{"finish_reason":"success","b64_json":"${base64}"}]}`,
	],
	[
		'beside the image',
		() => `{"id":"abc","data":[{${POISON},"finish_reason":"success","b64_json":"${base64}"}]}`,
	],
	[
		'as the response itself',
		() =>
			`{"__proto__":{"id":"no","data":[]},"id":"abc","data":[{"finish_reason":"success","b64_json":"${base64}"}]}`,
	],
])('A response with names of prototypes %s changes no prototype', async (_where, body) => {
	server.attackWith((_request, response) => void response.end(body()));
	const { items, error } = await runGenerate(server);
	expect(error?.message).toBeUndefined();
	expect(items[0].json).toMatchObject({ id: 'abc', finishReason: 'success', width: 8 });
	expect(JSON.stringify(items[0].json)).not.toContain('polluted');
});

test('Fields that a response hides in a prototype do not count', async () => {
	server.attackWith((_request, response) => {
		response.end(`{"__proto__":{"data":[{"url":"${server.origin}/picture.png"}]}}`);
	});
	expect((await runGenerate(server)).error?.message).toMatch(
		/^The service responded without an image/,
	);
	expect(server.requests).toHaveLength(1);
});

test('If a response repeats a name, the first image and the last text count', async () => {
	server.attackWith((_request, response) => {
		response.end(
			`{"id":"first","id":"last","data":[{"finish_reason":"content_filtered","finish_reason":"success","b64_json":"${base64}","b64_json":"${Buffer.from('no image').toString('base64')}"}]}`,
		);
	});
	const { items } = await runGenerate(server);
	expect(items[0].json).toMatchObject({ id: 'last', finishReason: 'success', width: 8 });
});

describe('Hostile servers: an output field with the name of a prototype', () => {
	const run = async (outputField: string) => {
		server.attackWith((_request, response) => {
			response.end(`{"data":[{"finish_reason":"success","b64_json":"${base64}"}]}`);
		});
		const one = await runGenerate(server, { outputField });
		const options = { numberOfImages: 2, severalImagesAs: 'fields' };
		return [one, await runGenerate(server, { outputField, options })];
	};

	test.each(['constructor', 'prototype', 'toString'])(
		'An output field named %s loses no image',
		async (name) => {
			const [one, two] = await run(name);
			expect(Object.keys(one.items[0].binary ?? {})).toEqual([name]);
			expect(Object.keys(two.items[0].binary ?? {})).toEqual([`${name}_1`, `${name}_2`]);
		},
	);

	test('An output field named __proto__ is refused before anything is sent', async () => {
		for (const { error } of await run('__proto__')) {
			expect(error?.message).toBe("'Put Output File in Field' must not be __proto__");
		}
		expect(server.requests).toEqual([]);
	});
});

test('An account with names of prototypes changes no prototype', async () => {
	server.attackWith((_request, response) => {
		response.end(
			`{${POISON},"balance":1,"type":{"deep":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`,
		);
	});
	const { items } = await runGenerate(server, { resource: 'account', operation: 'getBalance' });
	expect(items[0].json).toMatchObject({ balance: 1, type: null });
});
