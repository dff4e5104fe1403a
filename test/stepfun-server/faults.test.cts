import { startStepFunServer, type Fault, type FaultRule, type StepFunServer } from './server.cts';
import {
	decoded,
	edit,
	filePart,
	generate,
	get,
	inputImage,
	pictureOf,
	until,
} from './testRequests.cts';

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
});

beforeEach(() => {
	server.setFaults([]);
	server.setResultFaults([]);
	server.reset();
});

afterAll(() => server.close());

const SMALL = { model: 'step-2x-large', size: '256x256' };

async function post(signal?: AbortSignal): Promise<Response> {
	return await fetch(`${server.url}/images/generations`, {
		method: 'POST',
		headers: { Authorization: 'Bearer local-stepfun-key', 'Content-Type': 'application/json' },
		body: JSON.stringify({ ...SMALL, prompt: 'a fox', response_format: 'b64_json' }),
		redirect: 'manual',
		signal,
	});
}

function act(fault: Fault, when?: FaultRule['when']) {
	server.setFaults([{ fault, when }]);
}

describe('which request', () => {
	const statuses = async (count: number, changes: object = {}) => {
		const seen: number[] = [];
		for (let nth = 0; nth < count; nth++) {
			seen.push((await generate(server, { ...SMALL, ...changes })).status);
		}
		return seen;
	};

	test('nth, nths and times', async () => {
		server.setFaults([
			{ when: { nth: 2 }, fault: { status: 500 } },
			{ when: { nths: [4, 5] }, times: 1, fault: { status: 503 } },
		]);
		expect(await statuses(6)).toEqual([200, 500, 200, 503, 200, 200]);
		server.reset();
		expect(await statuses(2)).toEqual([200, 500]);
	});

	test('the first rule that fits acts, until it is used up', async () => {
		server.setFaults([{ times: 2, fault: { status: 503 } }, { fault: { status: 500 } }]);
		expect(await statuses(3)).toEqual([503, 503, 500]);
	});

	test('the prompt', async () => {
		act({ status: 504 }, { promptIncludes: 'fox' });
		expect(await statuses(1, { prompt: 'a red fox' })).toEqual([504]);
		expect(await statuses(1, { prompt: 'a red cat' })).toEqual([200]);
	});

	test('the path', async () => {
		act({ status: 500 }, { path: 'images/edits' });
		expect(await statuses(1)).toEqual([200]);
		const image = filePart(await inputImage(64, 64));
		expect((await edit(server, { image })).status).toBe(500);
		act({ status: 404 }, { path: '/models' });
		expect((await get(server, 'models')).status).toBe(404);
		expect((await get(server, 'accounts')).status).toBe(200);
	});

	test('a rule without a path passes models and accounts by', async () => {
		act({ status: 500 });
		expect((await get(server, 'models')).status).toBe(200);
	});

	test('a chance, the same for the same seed', async () => {
		act({ status: 500 }, { probability: 0.5 });
		const first = await statuses(20);
		server.reset();
		expect(await statuses(20)).toEqual(first);
		expect(new Set(first)).toEqual(new Set([200, 500]));
	});

	test('invalid requests are refused whatever the plan says', async () => {
		act({ status: 500 });
		expect((await generate(server, { steps: 99 })).status).toBe(400);
	});
});

describe('what happens', () => {
	test('status with the usual error, not charged', async () => {
		act({ status: 503, retryAfter: 7, headers: { 'X-Extra': 'yes' } });
		const response = await post();
		expect(response.status).toBe(503);
		expect(response.headers.get('retry-after')).toBe('7');
		expect(response.headers.get('x-extra')).toBe('yes');
		expect(await response.json()).toMatchObject({ error: { type: 'server_overloaded' } });
		expect(server.billed).toEqual([]);
	});

	test('status with an HTML body or an empty one', async () => {
		act({ status: 502, body: '<h1>Bad gateway</h1>' });
		const html = await post();
		expect([html.status, html.headers.get('content-type')]).toEqual([502, 'text/html']);
		expect(await html.text()).toBe('<h1>Bad gateway</h1>');
		act({ status: 500, body: '' });
		expect(await (await post()).text()).toBe('');
	});

	test('a fault 429 counts among the rejected ones', async () => {
		act({ status: 429 });
		await (await post()).text();
		expect(server.rejected429).toBe(1);
	});

	test('delay', async () => {
		act({ delayMs: 150 });
		const start = performance.now();
		expect((await post()).status).toBe(200);
		expect(performance.now() - start).toBeGreaterThan(140);
	});

	test('drop before the response: no status line, but charged', async () => {
		act({ drop: 'before-response' });
		await expect(post()).rejects.toThrow('fetch failed');
		await until(() => server.requests[0].respondedAt !== undefined);
		expect(server.requests[0].status).toBeUndefined();
		expect(server.requests[0]).toMatchObject({ billed: true, aborted: false });
	});

	test.each<[string, Fault, boolean]>([
		['after the headers', { drop: 'after-headers' }, true],
		['in the middle of the body', { drop: 'mid-body' }, false],
		['with a cut body', { cutBody: true }, true],
	])('drop %s', async (_, fault, hasLength) => {
		act(fault);
		const response = await post();
		expect(response.status).toBe(200);
		expect(response.headers.has('content-length')).toBe(hasLength);
		await expect(response.text()).rejects.toThrow('terminated');
		expect(server.billed).toHaveLength(1);
	});

	test('JSON that ends too early', async () => {
		act({ badJson: true });
		const text = await (await post()).text();
		expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
	});

	test('an HTML page with status 200', async () => {
		act({ html: true });
		const response = await post();
		expect(response.status).toBe(200);
		expect(await response.text()).toMatch(/^<!doctype html>/);
	});

	test('an empty body', async () => {
		act({ emptyBody: true });
		const response = await post();
		expect([response.status, await response.text()]).toEqual([200, '']);
	});

	test.each([
		[true, undefined],
		['null', null],
		['empty', ''],
	] as const)('content filtered with %s: image field %p', async (contentFiltered, field) => {
		act({ contentFiltered });
		const { body } = await generate(server, SMALL);
		expect(body.data?.[0].finish_reason).toBe('content_filtered');
		expect(body.data?.[0].b64_json).toBe(field);
		expect(server.billed).toHaveLength(1);
	});

	test('content filtered with an image', async () => {
		act({ contentFiltered: 'with-image' });
		const reply = await generate(server, SMALL);
		expect(reply.body.data?.[0].finish_reason).toBe('content_filtered');
		expect(await decoded(pictureOf(reply))).toMatchObject({ width: 256 });
	});

	test('no image', async () => {
		act({ noImage: true });
		const { status, body } = await generate(server, SMALL);
		expect([status, body.data]).toEqual([200, []]);
		expect(server.billed).toHaveLength(1);
	});

	test('text instead of an image, in Base64 and behind a URL', async () => {
		act({ notAnImage: true });
		expect(pictureOf(await generate(server, SMALL)).toString()).toMatch(/^This is text/);
		const { body } = await generate(server, { ...SMALL, response_format: 'url' });
		expect(await (await fetch(body.data?.[0].url ?? '')).text()).toMatch(/^This is text/);
	});

	test('hang: nothing comes until the client gives up', async () => {
		act({ hang: true });
		await expect(post(AbortSignal.timeout(150))).rejects.toMatchObject({ name: 'TimeoutError' });
		await until(() => server.requests[0].aborted);
		expect(server.requests[0]).toMatchObject({ billed: true });
	});

	test('redirect', async () => {
		act({ redirectTo: 'http://127.0.0.1:9/elsewhere' });
		const response = await post();
		expect(response.status).toBe(307);
		expect(response.headers.get('location')).toBe('http://127.0.0.1:9/elsewhere');
		expect(server.billed).toEqual([]);
	});

	test('a body that never ends', async () => {
		act({ endlessBody: true });
		const reader = (await post()).body?.getReader();
		let received = 0;
		while (received < 20_000_000) received += (await reader?.read())?.value?.length ?? 0;
		await reader?.cancel();
		await until(() => server.requests[0].aborted);
		expect(received).toBeGreaterThanOrEqual(20_000_000);
	});

	test.each([
		['text', {}],
		['a status', { status: 451 }],
	])('a body that never ends, behind %s', async (_, status) => {
		act({ ...status, endlessBody: true });
		const response = await post();
		expect(response.status).toBe('status' in status ? 451 : 200);
		await response.body?.cancel();
		await until(() => server.requests[0].aborted);
	});

	test('text behind the JSON, within the announced length', async () => {
		act({ behindJson: '<!-- proxy -->' });
		const response = await post();
		const text = await response.text();
		expect(Number(response.headers.get('content-length'))).toBe(text.length);
		const [json, rest] = text.split('<');
		expect(rest).toBe('!-- proxy -->');
		expect(JSON.parse(json)).toMatchObject({ data: [{ finish_reason: 'success' }] });
	});

	test('JSON without its last brace', async () => {
		act({ withoutLastBrace: true });
		const response = await post();
		const text = await response.text();
		expect(Number(response.headers.get('content-length'))).toBe(text.length);
		expect(JSON.parse(`${text}}`)).toMatchObject({ data: [{ finish_reason: 'success' }] });
	});

	test('a member before all others', async () => {
		act({ firstMember: String.raw`"\u0061":1` });
		const text = await (await post()).text();
		expect(text).toMatch(/^\{"\\u0061":1,/);
		expect(JSON.parse(text)).toMatchObject({ a: 1, data: [{ finish_reason: 'success' }] });
	});

	test('a body that comes in small pieces', async () => {
		act({ dripMs: 500 });
		const start = performance.now();
		const reader = (await post()).body?.getReader();
		let pieces = 0;
		while (!(await reader?.read())?.done) pieces++;
		expect(performance.now() - start).toBeGreaterThan(400);
		expect(pieces).toBeGreaterThan(3);
	});

	test('a link that leads nowhere the first time', async () => {
		act({ lateLink: true });
		const { body } = await generate(server, { ...SMALL, response_format: 'url' });
		const url = body.data?.[0].url ?? '';
		expect((await fetch(url)).status).toBe(404);
		expect((await fetch(url)).status).toBe(200);
		expect(server.billed).toHaveLength(1);
	});

	test('billed overrules what a fault costs', async () => {
		act({ status: 500, billed: true });
		await (await post()).text();
		expect(server.billed).toHaveLength(1);
		act({ drop: 'before-response', billed: false });
		await expect(post()).rejects.toThrow();
		expect(server.billed).toHaveLength(1);
	});

	test('alwaysRedirect', async () => {
		const moved = await startStepFunServer({ alwaysRedirect: 'http://127.0.0.1:9' });
		const { status, headers } = await generate(moved);
		await moved.close();
		expect(status).toBe(307);
		expect(headers.get('location')).toBe('http://127.0.0.1:9/v1/images/generations');
	});

	test('close ends hanging and endless responses', async () => {
		const busy = await startStepFunServer({
			drawing: 'once',
			faults: [{ when: { nth: 1 }, fault: { hang: true } }, { fault: { endlessBody: true } }],
		});
		const hanging = generate(busy, SMALL);
		const hangingEnds = expect(hanging).rejects.toThrow();
		await until(() => busy.billed.length === 1);
		const endless = generate(busy, SMALL);
		const endlessEnds = expect(endless).rejects.toThrow();
		await until(() => busy.billed.length === 2);
		await busy.close();
		await Promise.all([hangingEnds, endlessEnds]);
	});
});
