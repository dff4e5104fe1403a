import sharp from 'sharp';

import { bytesOf } from '../kit/runNode.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';
import { runGenerate, sentJson } from '../kit/localRuns.cts';

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
});

beforeEach(() => server.reset());

afterAll(async () => await server.close());

test('Generate needs only a prompt: one POST to /images/generations, one item with one picture', async () => {
	const { items, error } = await runGenerate(server, { prompt: 'A red shoe on white marble' });

	expect(error).toBeUndefined();
	expect(server.requests).toHaveLength(1);
	const [request] = server.requests;
	expect([request.method, request.path, request.status]).toEqual([
		'POST',
		'/v1/images/generations',
		200,
	]);
	expect(request.headers.authorization).toBe('Bearer local-stepfun-key');
	expect(request.headers['content-type']).toMatch(/^application\/json/);
	expect(request.headers.accept).toBe('application/json');
	expect(request.json).toEqual({
		model: 'step-image-edit-2',
		prompt: 'A red shoe on white marble',
		response_format: 'b64_json',
	});

	expect(items).toHaveLength(1);
	expect(Object.keys(items[0].binary ?? {})).toEqual(['data']);
	const picture = await bytesOf(items[0].binary?.data);
	expect(picture.equals(server.sentImages[0])).toBe(true);
	const { format, width, height } = await sharp(picture).metadata();
	expect({ format, width, height }).toEqual({ format: 'png', width: 1024, height: 1024 });
});

test('Generate sends one request and returns one item for each input item, in order and linked to it', async () => {
	const slowFirst = await startStepFunServer({
		drawing: 'once',
		latencyMs: (nth) => [120, 60, 0][nth - 1],
	});
	const items = ['shoe', 'hat', 'coat'].map((thing, index) => ({ thing, seed: index + 1 }));
	const result = await runGenerate(
		slowFirst,
		{ prompt: '=A red {{ $json.thing }}', options: { seed: '={{ $json.seed }}' } },
		{ items },
	);
	const sent = sentJson(slowFirst) as Array<{ prompt: string; seed: number }>;
	await slowFirst.close();

	expect(sent.map(({ prompt }) => prompt).sort()).toEqual([
		'A red coat',
		'A red hat',
		'A red shoe',
	]);
	expect(result.items.map(({ json }) => json.seed)).toEqual([1, 2, 3]);
	expect(result.items.map(({ json }) => json.fileName)).toEqual([
		'a-red-shoe-1.png',
		'a-red-hat-2.png',
		'a-red-coat-3.png',
	]);
	expect(result.items.map(({ pairedItem }) => pairedItem)).toEqual([
		{ item: 0 },
		{ item: 1 },
		{ item: 2 },
	]);
});

test('Generate with Execute Once sends a request for the first item only', async () => {
	const { items } = await runGenerate(
		server,
		{ prompt: '={{ $json.prompt }}' },
		{ items: [{ prompt: 'first' }, { prompt: 'second' }], executeOnce: true },
	);
	expect(sentJson(server)).toEqual([
		{ model: 'step-image-edit-2', prompt: 'first', response_format: 'b64_json' },
	]);
	expect(items).toHaveLength(1);
});

test('Generate without items sends no request and returns no item', async () => {
	const { items, error } = await runGenerate(server, {}, { items: [] });
	expect(error).toBeUndefined();
	expect(server.requests).toEqual([]);
	expect(items).toEqual([]);
});

test('Generate works with the Step Plan address', async () => {
	const { items } = await runGenerate(server, {}, { credential: { baseUrl: server.stepPlanUrl } });
	expect(server.requests[0].path).toBe('/step_plan/v1/images/generations');
	expect(items[0].json.finishReason).toBe('success');
});

test.each([
	['a slash at the end', (url: string) => `${url}/`],
	['slashes at the end', (url: string) => `${url}///`],
	['spaces around it', (url: string) => `  ${url}/ `],
])('Generate accepts a Base URL with %s', async (_, spell) => {
	await runGenerate(server, {}, { credential: { baseUrl: spell(server.url) } });
	expect(server.requests.map(({ path }) => path)).toEqual(['/v1/images/generations']);
});

test('Generate sends an API key without the spaces around it', async () => {
	await runGenerate(server, {}, { credential: { apiKey: '  local-stepfun-key\n' } });
	expect(server.requests[0].headers.authorization).toBe('Bearer local-stepfun-key');
	expect(server.requests[0].status).toBe(200);
});

test('Generate sends a prompt as it was written: line breaks, quotes, Chinese, emoji', async () => {
	const prompt = ' 一只红色的鞋\n"SALE" \\ {{ 1 }} = 👟 ';
	await runGenerate(server, { prompt: '={{ $json.prompt }}' }, { items: [{ prompt }] });
	expect(sentJson(server)).toEqual([
		{ model: 'step-image-edit-2', prompt, response_format: 'b64_json' },
	]);
});

test('Generate sends the prompt as text if an expression returns a number or a boolean', async () => {
	await runGenerate(
		server,
		{ prompt: '={{ $json.prompt }}' },
		{ items: [{ prompt: 42 }, { prompt: true }] },
	);
	expect((sentJson(server) as Array<{ prompt: string }>).map(({ prompt }) => prompt)).toEqual([
		'42',
		'true',
	]);
});
