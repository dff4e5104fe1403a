import { Container } from '@n8n/di';
import { BinaryDataService } from 'n8n-core';
import type { INode } from 'n8n-workflow';

import { startHostileServer } from '../kit/hostileServer.cts';
import { inputImage, itemWithFile, pngOfBytes } from '../kit/images.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';
import { bytesOf, runNode, type NodeRun } from '../kit/runNode.cts';
import { localCredential } from '../kit/stepFunCredential.cts';
import { LOCAL_API_KEY, startStepFunServer } from '../stepfun-server/server.cts';
import type {
	Fault,
	FaultRule,
	ResultFaultRule,
	StepFunServer,
	StepFunServerOptions,
} from '../stepfun-server/types.cts';

// n8n runs a node again with all its items. What an earlier try made is paid for and must not be bought again.

let server: StepFunServer;
let keys = 0;

async function start(options: StepFunServerOptions = {}): Promise<string> {
	const key = `${LOCAL_API_KEY}-retry-on-fail-${++keys}`;
	server = await startStepFunServer({ drawing: 'once', ...options, keys: [key] });
	return key;
}

afterEach(async () => await server.close());

const ITEMS = Array.from({ length: 20 }, (_, index) => ({ prompt: `picture ${index};` }));
const ON_ERROR = [
	'stopWorkflow',
	'continueRegularOutput',
	'continueErrorOutput',
] as const satisfies Array<INode['onError']>;

const generate = async (
	apiKey: string,
	{ parameters, options, ...rest }: Partial<NodeRun> & { options?: object } = {},
) =>
	await runGenerate(
		server,
		{ prompt: '={{ $json.prompt }}', ...parameters, options: { ...options } as never },
		{ items: ITEMS, retryOnFail: { maxTries: 2 }, ...rest, credential: { apiKey } },
	);

const promptsBilled = () => server.billed.map(({ prompt }) => prompt).sort();

describe.each(ON_ERROR)('Retry On Fail with On Error %s', (onError) => {
	test.each<[string, Fault, number]>([
		['the first item is refused once', { status: 400 }, 0],
		['a later item is refused once', { status: 400 }, 7],
		['the last item is refused once', { status: 451 }, 19],
		['the key is refused once', { status: 401 }, 12],
	])('20 items cost 20 images and deliver 20 when %s', async (_what, fault, item) => {
		const key = await start({
			latencyMs: 10,
			faults: [{ when: { promptIncludes: `picture ${item};` }, times: 1, fault }],
		});
		const { items, errorItems, error } = await generate(key, { onError });
		expect(error).toBeUndefined();
		expect(errorItems).toEqual([]);
		expect(items.map(({ json }) => json.error)).toEqual(ITEMS.map(() => undefined));
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual(
			ITEMS.map((_, index) => ({ item: index })),
		);
		expect(promptsBilled()).toEqual(ITEMS.map(({ prompt }) => prompt).sort());
		for (const { json, binary } of items) {
			const image = await bytesOf(binary?.data);
			expect(image.equals(server.images.get(json.id as string)!)).toBe(true);
		}
	});

	test('An item that always fails is sent once per try, and the others only once', async () => {
		const key = await start({
			faults: [{ when: { promptIncludes: 'picture 0;' }, fault: { status: 400 } }],
		});
		const { items, errorItems, error } = await generate(key, {
			onError,
			retryOnFail: { maxTries: 3 },
		});
		const refused = server.requests.filter(({ status }) => status === 400);
		expect(refused).toHaveLength(3);
		if (onError === 'stopWorkflow') {
			expect(error?.message).toBe('The service refused the request: Fault 400');
		} else {
			expect(server.billed).toHaveLength(19);
			const failed = onError === 'continueErrorOutput' ? errorItems : items.slice(0, 1);
			expect(failed.map(({ json }) => json.error)).toEqual([
				'The service refused the request: Fault 400',
			]);
			expect(items.filter(({ binary }) => binary)).toHaveLength(19);
		}
		expect(new Set(promptsBilled()).size).toBe(server.billed.length);
	});

	test('An image that was charged but stopped by moderation is not paid for again', async () => {
		const key = await start({
			faults: [{ when: { promptIncludes: 'picture 0;' }, fault: { contentFiltered: true } }],
		});
		const { items, error } = await generate(key, { onError, items: ITEMS.slice(0, 3) });
		expect(promptsBilled().filter((prompt) => prompt === 'picture 0;')).toHaveLength(1);
		if (onError === 'stopWorkflow') expect(error?.message).toContain('content_filtered');
		else expect(items.filter(({ binary }) => binary)).toHaveLength(2);
	});

	test('An image that could not be downloaded is downloaded again, not paid for again', async () => {
		const key = await start({ resultFaults: [{ times: 1, fault: { status: 404 } }] });
		const { items, error } = await generate(key, {
			onError,
			items: [{ prompt: 'a' }],
			parameters: { output: 'fileAndUrl' },
			options: { maxTries: 1 },
		});
		expect(error).toBeUndefined();
		expect(items[0].json.error).toBeUndefined();
		expect(items[0].binary?.data).toBeDefined();
		expect(server.billed).toHaveLength(1);
	});
});

describe('Retry On Fail', () => {
	test.each([true, false])(
		'A kept image keeps the seed that the node chose for it (the server reports it: %s)',
		async (isReported) => {
			await start();
			const base64 = (await inputImage(40, 30)).toString('base64');
			const seeds: number[] = [];
			const hostile = await startHostileServer((_request, response, body) => {
				const { prompt, seed } = JSON.parse(String(body)) as { prompt: string; seed: number };
				if (prompt === 'bad' && hostile.requests.length < 4) {
					return void setTimeout(() => response.writeHead(400).end(), 300);
				}
				seeds.push(seed);
				const finish = prompt === 'withheld' ? { finish_reason: 'content_filtered' } : {};
				const reported = isReported ? { seed } : {};
				response.end(JSON.stringify({ data: [{ b64_json: base64, ...reported, ...finish }] }));
			});
			const { items } = await runGenerate(
				hostile,
				{ prompt: '={{ $json.prompt }}', options: { whenModerated: 'passOn' } },
				{
					items: [{ prompt: 'good' }, { prompt: 'withheld' }, { prompt: 'bad' }],
					retryOnFail: { maxTries: 2 },
					credential: { apiFormat: 'sglang', concurrentRequests: 3 },
				},
			);
			await hostile.close();
			expect(items.map(({ json }) => json.seed)).toEqual(seeds);
			expect(items.map(({ json }) => json.requestedSeed)).toEqual([
				undefined,
				undefined,
				undefined,
			]);
		},
	);

	test('With Execute Once, the only item is sent again', async () => {
		const key = await start({ faults: [{ when: { nth: 1 }, fault: { status: 400 } }] });
		const { items, error } = await generate(key, { executeOnce: true });
		expect(error).toBeUndefined();
		expect(items).toHaveLength(1);
		expect(server.billed).toHaveLength(1);
	});

	test('With Execute Once and several images for the item, the finished ones are kept', async () => {
		const key = await start({ faults: [{ when: { nth: 3 }, fault: { status: 400 } }] });
		const { items, error } = await generate(key, {
			executeOnce: true,
			options: { numberOfImages: 4 },
		});
		expect(error).toBeUndefined();
		expect(items.map(({ json }) => json.variation)).toEqual([1, 2, 3, 4]);
		expect(server.billed).toHaveLength(4);
	});

	test('Edits keep the finished result of each input image', async () => {
		const key = await start({ faults: [{ when: { nth: 4 }, fault: { status: 400 } }] });
		const items = await Promise.all(
			[10_000, 20_000, 30_000, 40_000, 50_000].map(
				async (bytes) => await itemWithFile(await pngOfBytes(bytes)),
			),
		);
		const result = await runEdit(
			server,
			items,
			{},
			{ retryOnFail: { maxTries: 2 }, credential: { apiKey: key } },
		);
		expect(result.error).toBeUndefined();
		expect(result.items).toHaveLength(5);
		expect(server.billed).toHaveLength(5);
		const edited = server.requests
			.filter(({ billed }) => billed)
			.map(({ file }) => file?.bytes.length);
		expect(edited.sort()).toEqual([10_000, 20_000, 30_000, 40_000, 50_000]);
	});

	test.each(ON_ERROR)(
		'An image is not paid for again if an expression has another value in each try (On Error %s)',
		async (onError) => {
			const key = await start({ faults: [{ when: { nth: 2 }, fault: { status: 400 } }] });
			const { items, errorItems, error } = await generate(key, {
				onError,
				items: [{}, {}, {}],
				parameters: { prompt: '={{ Math.random() }}' },
				options: { seed: '={{ Math.floor(Math.random() * 1e9) }}', numberOfImages: 2 },
			});
			expect(error).toBeUndefined();
			expect(errorItems).toEqual([]);
			expect(server.billed).toHaveLength(6);
			const sent = server.billed.map(({ prompt, seed }) => ({ prompt, seed }));
			const returned = items.map(({ json: { prompt, seed } }) => ({ prompt, seed }));
			expect(returned).toEqual(expect.arrayContaining(sent));
		},
	);

	test.each(ON_ERROR)(
		'A paid image is not lost if its input image cannot be opened any more (On Error %s)',
		async (onError) => {
			const key = await start({
				faults: [
					{ when: { promptIncludes: 'bad' }, times: 1, fault: { status: 400, delayMs: 300 } },
				],
			});
			const { binary } = await itemWithFile(await inputImage(64, 64));
			const service = Container.get(BinaryDataService);
			const original = service.getMetadata.bind(service);
			const spy = jest.spyOn(service, 'getMetadata').mockImplementation(async (id) => {
				if (server.requests.length > 0) throw new Error('gone');
				return await original(id);
			});
			const { items, errorItems, error } = await runEdit(
				server,
				['good', 'bad'].map((prompt) => ({ json: { prompt }, binary })),
				{ prompt: '={{ $json.prompt }}' },
				{ onError, credential: { apiKey: key }, retryOnFail: { maxTries: 2 } },
			);
			spy.mockRestore();
			expect(error).toBeUndefined();
			expect(errorItems).toEqual([]);
			expect(items.map(({ json }) => json.error)).toEqual([undefined, undefined]);
			expect(promptsBilled()).toEqual(['bad', 'good']);
		},
	);

	test.each(ON_ERROR)(
		'A paid image is not lost if its credential cannot be read any more (On Error %s)',
		async (onError) => {
			const key = await start({
				faults: [
					{ when: { promptIncludes: 'bad' }, times: 1, fault: { status: 400, delayMs: 300 } },
				],
			});
			const { items, error } = await runNode({
				parameters: { operation: 'generate', prompt: '={{ $json.prompt }}' },
				items: [{ prompt: 'good' }, { prompt: 'bad' }],
				credential: () => {
					if (server.requests.length > 0) throw new Error('the vault is closed');
					return localCredential(server, { apiKey: key });
				},
				onError,
				retryOnFail: { maxTries: 2 },
			});
			expect(error).toBeUndefined();
			expect(items.map(({ json }) => json.error)).toEqual([undefined, undefined]);
			expect(promptsBilled()).toEqual(['bad', 'good']);
		},
	);

	test.each<[string, FaultRule[], ResultFaultRule[]]>([
		['withheld', [{ when: { nth: 2 }, fault: { contentFiltered: true } }], []],
		['not downloaded', [], [{ fault: { status: 410 } }]],
	])(
		'The charged tries of an image that was %s are not called other images',
		async (_what, faults, resultFaults) => {
			const truncated: FaultRule = { when: { nth: 1 }, fault: { cutBody: true, billed: true } };
			const key = await start({ faults: [truncated, ...faults], resultFaults });
			const { error } = await generate(key, { items: [{ prompt: 'one' }] });
			expect(server.requests).toHaveLength(2);
			expect(error?.description).toContain('has been charged');
			expect(error?.description).toContain('An earlier try was charged.');
			expect(error?.description).not.toContain('of this run');
		},
	);

	describe.each(['stopWorkflow', 'continueRegularOutput'] as const)(
		'What is said of an image whose first try was charged and lost (On Error %s)',
		(onError) => {
			const TRUNCATED: FaultRule = { times: 2, fault: { cutBody: true, billed: true } };

			test.each<[string, Fault]>([
				['a refusal', { status: 451 }],
				['a second loss', { cutBody: true }],
			])('in the error of %s', async (_what, fault) => {
				const key = await start({ faults: [TRUNCATED, { fault }] });
				const { items, error } = await generate(key, { onError, items: [{ prompt: 'one' }] });
				const text = error?.description ?? JSON.stringify(items[0].json);
				expect(text).toContain('An earlier try was charged.');
				expect(text).not.toContain('of this run');
			});

			test('in the error of an input image that is gone', async () => {
				const key = await start({ faults: [TRUNCATED] });
				const picture = await inputImage(64, 64);
				const files = await startHostileServer((_request, response) => {
					if (files.requests.length <= 2) response.end(picture);
					else response.writeHead(404).end();
				});
				const { items, error } = await runEdit(
					server,
					[{ json: {} }],
					{ inputSource: 'url', inputUrl: `${files.origin}/1` },
					{ credential: { apiKey: key }, onError, retryOnFail: { maxTries: 2 } },
				);
				await files.close();
				const text = error?.description ?? JSON.stringify(items[0].json);
				expect(text).toContain('An earlier try was charged.');
				expect(text).not.toMatch(/Nothing was sent|of this run/);
			});

			test('in the item that passes a refusal on', async () => {
				const key = await start({ faults: [TRUNCATED, { fault: { status: 451 } }] });
				const { items } = await generate(key, {
					onError,
					items: [{ prompt: 'one' }],
					options: { whenModerated: 'passOn' },
				});
				expect(items[0].json).toMatchObject({ finishReason: 'refused', charged: true });
			});
		},
	);

	test('A row that is not sent again mentions that its first try was charged', async () => {
		const key = await start({
			faults: [
				{ when: { promptIncludes: 'first' }, times: 1, fault: { status: 400 } },
				{ when: { promptIncludes: 'first' }, fault: { status: 401 } },
				{ fault: { cutBody: true, billed: true } },
			],
		});
		const { items } = await runGenerate(
			server,
			{ prompt: '={{ $json.prompt }}' },
			{
				onError: 'continueRegularOutput',
				items: [{ prompt: 'first' }, { prompt: 'second' }],
				retryOnFail: { maxTries: 2 },
				credential: { apiKey: key, concurrentRequests: 1 },
			},
		);
		expect(items[1].json.error).toContain('Not sent');
		expect(JSON.stringify(items[1].json.details)).toContain('An earlier try was charged.');
	});

	test('The error of the last try counts the images of all tries', async () => {
		const key = await start({
			latencyMs: (nth) => (nth === 3 || nth === 4 ? 150 : 10),
			faults: [{ when: { promptIncludes: 'picture 2;' }, fault: { status: 400 } }],
		});
		const { error } = await generate(key, { items: ITEMS.slice(0, 3) });
		expect(server.billed).toHaveLength(2);
		expect(error?.description).toContain('2 other images of this run were made and charged');
	});

	test('Two runs of a workflow share nothing', async () => {
		const key = await start();
		for (const runs of [1, 2]) {
			const { items } = await generate(key, { items: ITEMS.slice(0, 2) });
			expect(items).toHaveLength(2);
			expect(server.billed).toHaveLength(runs * 2);
		}
	});
});
