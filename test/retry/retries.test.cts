import { LOCAL_API_KEY, startStepFunServer } from '../stepfun-server/server.cts';
import type { StepFunServer, StepFunServerOptions } from '../stepfun-server/types.cts';
import { linkResponse, startHostileServer } from '../kit/hostileServer.cts';
import { inputImage } from '../kit/images.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';
import { bytesOf, type NodeRun } from '../kit/runNode.cts';
import { waitFor } from '../kit/waitFor.cts';

let server: StepFunServer;
let keys = 0;

/** Each test has its own key, and with it its own account, whose pace no other test has slowed. */
async function start(options: StepFunServerOptions = {}): Promise<string> {
	const key = `${LOCAL_API_KEY}-${++keys}`;
	server = await startStepFunServer({ drawing: 'once', ...options, keys: [key] });
	return key;
}

afterEach(async () => await server?.close());

const generate = async (
	apiKey: string,
	{ parameters, options, credential, ...rest }: Partial<NodeRun> & { options?: object } = {},
) =>
	await runGenerate(
		server,
		{ prompt: '=A photo of {{ $json.product }}', ...parameters, options: { ...options } as never },
		{
			items: Array.from({ length: 3 }, (_, index) => ({ product: `product ${index + 1}` })),
			...rest,
			credential: { apiKey, ...credential },
		},
	);

describe('Retry: retryable failures', () => {
	test.each([408, 425, 429, 500, 502, 503, 504, 520, 522, 529])(
		'Status %i is tried again',
		async (status) => {
			const key = await start({ faults: [{ when: { nth: 2 }, times: 1, fault: { status } }] });
			const { items, error } = await generate(key);
			expect(error).toBeUndefined();
			expect(items.map(({ json }) => json.tries).sort()).toEqual([1, 1, 2]);
			expect(items.map(({ pairedItem }) => pairedItem)).toEqual([
				{ item: 0 },
				{ item: 1 },
				{ item: 2 },
			]);
			expect(server.requests).toHaveLength(4);
			expect(server.billed).toHaveLength(3);
		},
	);

	test.each([
		['a connection dropped before the response', { drop: 'before-response' as const }],
		['a connection dropped after the headers', { drop: 'after-headers' as const }],
		['a connection dropped in the body', { drop: 'mid-body' as const }],
		['a body that is cut', { cutBody: true as const }],
	])('A request that meets %s is tried again', async (_what, fault) => {
		const key = await start({ faults: [{ when: { nth: 1 }, times: 1, fault }] });
		const { items, error } = await generate(key);
		expect(error).toBeUndefined();
		expect(items.map(({ json }) => json.tries)).toEqual([2, 1, 1]);
		for (const item of items) {
			expect((await bytesOf(item.binary?.data)).equals(server.sentImages.at(-1)!)).toBe(true);
		}
	});

	test('A request is tried as often as Max Tries says, and then the error says how often', async () => {
		const key = await start({ faults: [{ fault: { status: 500 } }] });
		const { error } = await generate(key, { items: [{}], options: { maxTries: 2 } });
		expect(server.requests).toHaveLength(2);
		expect(error?.httpCode).toBe('500');
		expect(error?.description).toContain('Tried 2 times.');
	});

	test.each([
		['stepfun', 2],
		['openai', 1],
	])(
		'A 504 comes while the image is made, so a server with the format %s is asked %i times at most',
		async (apiFormat, most) => {
			const key = await start({ faults: [{ fault: { status: 504, billed: true } }] });
			const { error } = await generate(key, {
				items: [{ product: 'x' }],
				credential: { apiFormat },
			});
			expect(error?.description).toContain('the image may have been charged');
			expect(server.requests).toHaveLength(most);
			expect(server.billed).toHaveLength(most);
		},
	);

	test('A request is not retried after Give Up After', async () => {
		const key = await start({ faults: [{ fault: { status: 503, retryAfter: 30 } }] });
		const { error } = await generate(key, { items: [{}], options: { giveUpAfter: 5 } });
		expect(server.requests).toHaveLength(1);
		expect(error?.httpCode).toBe('503');
	});

	test('A 429 does not count as a try', async () => {
		const key = await start({
			faults: [{ times: 3, fault: { status: 429, retryAfter: 0.01 } }],
		});
		const { items, error } = await generate(key, { items: [{}], options: { maxTries: 1 } });
		expect(error).toBeUndefined();
		expect(items[0].json.tries).toBe(4);
	});
});

describe('Retry: Retry-After', () => {
	test.each([
		['in seconds', () => '1', (receivedAt: number) => receivedAt + 1_000],
		[
			'as a date',
			() => new Date(Date.now() + 2_000).toUTCString(),
			(_receivedAt: number, date: string) => Date.parse(date),
		],
	])('Retry-After %s is honoured', async (_form, makeRetryAfter, earliest) => {
		const retryAfter = makeRetryAfter();
		const key = await start({
			faults: [{ when: { nth: 1 }, fault: { status: 503, retryAfter } }],
		});
		const { error } = await generate(key, { items: [{}] });
		expect(error).toBeUndefined();
		const [first, second] = server.requests;
		const tooEarlyBy = earliest(first.receivedAt, retryAfter) - second.receivedAt;
		expect(tooEarlyBy).toBeLessThanOrEqual(20);
	});

	test('Retry-After of the host of an input image is honoured', async () => {
		const key = await start();
		const image = await inputImage(64, 64);
		const askedAt: number[] = [];
		const files = await startHostileServer((_request, response) => {
			askedAt.push(performance.now());
			if (askedAt.length > 1) response.end(image);
			else response.writeHead(429, { 'Retry-After': '2' }).end();
		});
		const { error } = await runEdit(
			server,
			[{ json: {} }],
			{ inputSource: 'url', inputUrl: `${files.origin}/1` },
			{ credential: { apiKey: key } },
		);
		await files.close();
		expect(error).toBeUndefined();
		const [first, second] = askedAt;
		// Without the header, the node would wait for a second at most.
		expect(second - first).toBeGreaterThan(1_950);
	});

	test('Retry-After of a 429 applies to all requests of the key', async () => {
		const key = await start({
			// Both of the first requests, so that no other one starts before the node has read a refusal.
			faults: [{ when: { nths: [1, 2] }, fault: { status: 429, retryAfter: 1 } }],
		});
		const { error } = await generate(key, {
			items: Array.from({ length: 5 }, () => ({})),
			credential: { concurrentRequests: 2 },
		});
		expect(error).toBeUndefined();
		const [{ receivedAt: beforeRefusal }] = server.requests;
		const later = server.requests.slice(2).map(({ receivedAt }) => receivedAt - beforeRefusal);
		expect(later).toHaveLength(5);
		expect(Math.min(...later)).toBeGreaterThanOrEqual(980);
	});
});

describe('Retry: failures that are not retryable', () => {
	test.each([400, 401, 402, 404, 451])('Status %i is never retried', async (status) => {
		const key = await start({ faults: [{ fault: { status } }] });
		const { error } = await generate(key, { items: [{}] });
		expect(error?.httpCode).toBe(String(status));
		expect(server.requests).toHaveLength(1);
	});

	test.each([
		['content_filtered', { contentFiltered: true as const }],
		['a response without an image', { noImage: true as const }],
		['an image that is none', { notAnImage: true as const }],
		['a response that is no JSON', { html: true as const }],
	])('A request that ends in %s is never tried again', async (_what, fault) => {
		const key = await start({ faults: [{ fault }] });
		const { error } = await generate(key, { items: [{}] });
		expect(error).toBeDefined();
		expect(server.requests).toHaveLength(1);
	});
});

describe('Retry: the download of a finished image', () => {
	test.each([
		['a failing server', { status: 503 }],
		['a cut file', { cutBody: true as const }],
		['a broken connection', { drop: 'mid-body' as const }],
	])('An image is downloaded again after %s, and not made again', async (_what, fault) => {
		const key = await start({ resultFaults: [{ times: 1, fault }] });
		const { items, error } = await generate(key, {
			items: [{}],
			parameters: { output: 'fileAndUrl' },
		});
		expect(error).toBeUndefined();
		expect(await bytesOf(items[0].binary?.data)).toEqual(server.sentImages[0]);
		expect(server.requests).toHaveLength(1);
		expect(server.resultRequests).toHaveLength(2);
	});

	test('An image whose download fails for good is named in the error', async () => {
		const key = await start({ resultFaults: [{ fault: { status: 404 } }] });
		const { error } = await generate(key, { items: [{}], parameters: { output: 'fileAndUrl' } });
		expect(error?.message).toContain('could not be downloaded');
		expect(error?.description).toContain(server.resultOrigin);
		expect(server.billed).toHaveLength(1);
	});
});

describe('Retry: the limits of a key', () => {
	test('The limit of a key applies across the runs of several workflows', async () => {
		const key = await start({ latencyMs: 60, concurrency: 3 });
		const credential = { concurrentRequests: 3 };
		const items = Array.from({ length: 6 }, () => ({}));
		const runs = await Promise.all(
			[1, 2, 3].map(async () => await generate(key, { items, credential })),
		);
		expect(runs.flatMap(({ items }) => items)).toHaveLength(18);
		expect(server.maxInFlight).toBe(3);
		expect(server.rejected429).toBe(0);
	});

	test('The requests of a key adapt to a service with a lower limit than in the credential', async () => {
		const key = await start({ latencyMs: 100, concurrency: 2 });
		const { items, error } = await generate(key, {
			items: Array.from({ length: 12 }, () => ({})),
			credential: { concurrentRequests: 5 },
		});
		expect(error).toBeUndefined();
		expect(items).toHaveLength(12);
		expect(server.billed).toHaveLength(12);
		expect(server.rejected429).toBeLessThan(8);
	});
});

describe('Retry: failures that make the rest pointless', () => {
	test.each([401, 402, 404])('A status %i ends the run in continue mode', async (status) => {
		const key = await start({ faults: [{ when: { nth: 2 }, fault: { status } }] });
		const { items } = await generate(key, {
			items: Array.from({ length: 6 }, () => ({})),
			credential: { concurrentRequests: 1 },
			onError: 'continueRegularOutput',
		});
		expect(server.requests).toHaveLength(2);
		expect(items).toHaveLength(6);
		expect(items[0].binary?.data).toBeDefined();
		expect(items[1].json.details).toMatchObject({ httpCode: String(status) });
		for (const [index, item] of items.slice(2).entries()) {
			expect(item.json.error).toMatch(/^Not sent, because an earlier request of this run failed/);
			expect(item.pairedItem).toEqual({ item: index + 2 });
		}
	});

	test('An unknown path or model ends the run only for its own model', async () => {
		const key = await start({
			models: ['step-image-edit-2', 'unknown-model'],
			faults: [{ when: { nth: 1 }, fault: { status: 404 } }],
		});
		const { items } = await generate(key, {
			items: ['unknown-model', 'unknown-model', 'step-image-edit-2'].map((model) => ({ model })),
			parameters: { model: '={{ $json.model }}' },
			credential: { concurrentRequests: 1 },
			onError: 'continueRegularOutput',
		});
		expect(server.requests).toHaveLength(2);
		expect(items.map(({ json }) => json.finishReason)).toEqual([undefined, undefined, 'success']);
	});

	test('A failure that concerns one item only does not end a run in continue mode', async () => {
		const key = await start({ faults: [{ when: { nth: 2 }, fault: { status: 451 } }] });
		const { items } = await generate(key, {
			items: Array.from({ length: 4 }, () => ({})),
			credential: { concurrentRequests: 1 },
			onError: 'continueRegularOutput',
		});
		expect(server.requests).toHaveLength(4);
		expect(items.filter(({ binary }) => binary)).toHaveLength(3);
	});

	test('Any failure ends a run in stop mode, and the error says what was paid for', async () => {
		const key = await start({ faults: [{ when: { nth: 3 }, fault: { status: 451 } }] });
		const { error, items } = await generate(key, {
			items: Array.from({ length: 8 }, () => ({})),
			credential: { concurrentRequests: 1 },
		});
		expect(items).toEqual([]);
		expect(server.requests).toHaveLength(3);
		expect(error?.httpCode).toBe('451');
		expect(error?.context.itemIndex).toBe(2);
		expect(error?.description).toContain('2 other images of this run were made and charged');
		expect(error?.description).toContain("set 'On Error'");
	});

	test('A failure that ends a run is reported with its own item although later items fail in flight, too', async () => {
		const key = await start({
			latencyMs: (nth) => (nth === 1 ? 200 : 20),
			faults: [
				{ when: { nth: 1 }, fault: { status: 400 } },
				{ when: { nth: 2 }, fault: { status: 402 } },
			],
		});
		const { error } = await generate(key, { items: [{}, {}, {}] });
		expect(error?.httpCode).toBe('402');
		expect(error?.context.itemIndex).toBe(1);
	});
});

describe('Retry: time', () => {
	test('The time of one request is limited, also while the body arrives', async () => {
		for (const fault of [{ hang: true as const }, { endlessBody: true as const }]) {
			const key = await start({ faults: [{ fault }] });
			const { error } = await generate(key, {
				items: [{}],
				options: { timeout: 0.3, maxTries: 1 },
			});
			expect(error?.message).toMatch(/within 0.3 seconds|far larger/);
			await server.close();
		}
		await start();
	});

	test('A run ends at once when the execution is canceled', async () => {
		const key = await start({ latencyMs: 10_000 });
		const before = Date.now();
		let cancelledAt = 0;
		const allUnderWay = async () =>
			await waitFor('five requests', () => server.requests.length >= 5, { pollMs: 20 });
		const { status } = await generate(key, {
			items: Array.from({ length: 20 }, () => ({})),
			onStart: (cancel) =>
				void allUnderWay().then(() => {
					cancelledAt = Date.now();
					cancel();
				}),
		});
		expect(cancelledAt).toBeGreaterThan(before);
		expect(Date.now() - cancelledAt).toBeLessThan(5_000);
		expect(status).toBe('canceled');
		const allBroken = () => server.requests.every(({ aborted }) => aborted);
		await waitFor('the end of every request', allBroken, { pollMs: 20 });
		// Five were under way and were broken off; the fifteen that waited were never sent.
		expect(server.requests).toHaveLength(5);
		expect(allBroken()).toBe(true);
	});
});

test.each([
	[503, ''],
	[200, '{"error":{"code":"rate_limit_exceeded"}}'],
])(
	'A date in Retry-After of a %i counts from the date of the response, since the clocks of two machines differ',
	async (status, body) => {
		const hosts = await startHostileServer((_request, response) => {
			const isFirst = hosts.requests.length === 1;
			const now = Date.now() + 3_600_000;
			response.writeHead(isFirst ? status : 200, {
				Date: new Date(now).toUTCString(),
				...(isFirst ? { 'Retry-After': new Date(now + 1_000).toUTCString() } : {}),
			});
			response.end(isFirst ? body : linkResponse('https://res.example/1.png'));
		});
		const { items, error } = await runGenerate(hosts, {
			output: 'url',
			options: { giveUpAfter: 60 },
		});
		await hosts.close();
		expect(error?.message).toBeUndefined();
		expect(items[0].json.tries).toBe(2);
	},
);
