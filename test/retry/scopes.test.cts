import { setTimeout as wait } from 'node:timers/promises';

import { startHostileServer } from '../kit/hostileServer.cts';
import { inputImage } from '../kit/images.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { runNode } from '../kit/runNode.cts';
import { waitFor } from '../kit/waitFor.cts';
import { localCredential } from '../kit/stepFunCredential.cts';
import { startStepFunServer } from '../stepfun-server/server.cts';
import type { StepFunServer, StepFunServerOptions } from '../stepfun-server/types.cts';

let server: StepFunServer;
const start = async (options: StepFunServerOptions = {}) =>
	(server = await startStepFunServer({ drawing: 'once', ...options }));
afterEach(async () => await server.close());

/** Runs items whose credential has an expression for its key. */
const runWithKeys = async (keyOf: (item: number) => string, count: number) =>
	await runNode({
		parameters: { operation: 'generate', prompt: '={{ $json.prompt }}' },
		items: Array.from({ length: count }, (_, item) => ({ prompt: `item ${item};` })),
		credential: (item) => localCredential(server, { apiKey: keyOf(item), concurrentRequests: 1 }),
		onError: 'continueRegularOutput',
	});

/** The keys of the requests, in the order of their arrival. */
const keysSent = () =>
	server.requests.map(({ headers }) => headers.authorization?.replace('Bearer ', ''));

const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);
beforeAll(() => process.on('unhandledRejection', note));
afterAll(() => {
	process.off('unhandledRejection', note);
	expect(unhandled).toEqual([]);
});

describe('Requests that a failure makes pointless, and others', () => {
	test('A 402 for an expensive model does not stop the items of a cheap one', async () => {
		const models = ['dear-model', 'step-image-edit-2'];
		await start({ models, balance: 1, prices: { 'dear-model': 5 }, keys: ['scopes-402'] });
		const { items } = await runGenerate(
			server,
			{ model: '={{ $json.model }}' },
			{
				items: [0, 1, 0, 1, 0, 1].map((index) => ({ model: models[index] })),
				credential: { apiKey: 'scopes-402', concurrentRequests: 1 },
				onError: 'continueRegularOutput',
			},
		);
		expect(items.map(({ binary }) => binary !== undefined)).toEqual([
			false,
			true,
			false,
			true,
			false,
			true,
		]);
		// The dear model was asked for once.
		expect(server.requests).toHaveLength(4);
	});

	test('A 401 for the key of one item does not stop the items with other keys', async () => {
		await start({ keys: ['scopes-first', 'scopes-second'] });
		const keys = ['scopes-first', 'scopes-revoked', 'scopes-second'];
		const keyOf = (item: number) => keys[item % keys.length];
		const { items, error } = await runWithKeys(keyOf, 12);
		expect(error).toBeUndefined();
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual(
			Array.from({ length: 12 }, (_, item) => ({ item })),
		);
		for (const [item, { json, binary }] of items.entries()) {
			const isRevoked = keyOf(item) === 'scopes-revoked';
			expect([item, binary === undefined]).toEqual([item, isRevoked]);
			if (isRevoked) expect(json.error).toContain('API key');
			else expect(json.error).toBeUndefined();
		}
		// The refused key was tried once, and each of the others paid for its own items.
		expect(keysSent().filter((key) => key === 'scopes-revoked')).toHaveLength(1);
		expect(keysSent().filter((key) => key === 'scopes-first')).toHaveLength(4);
		expect(keysSent().filter((key) => key === 'scopes-second')).toHaveLength(4);
		expect(server.billed).toHaveLength(8);
	});
});

describe('The rates of several keys in one run', () => {
	test('are separate: the requests of a key do not wait for those of another', async () => {
		const keys = ['scopes-pace-1', 'scopes-pace-2', 'scopes-pace-3'];
		await start({ keys, concurrency: 1, latencyMs: 300 });
		const { items } = await runWithKeys((item) => keys[item % keys.length], 6);
		expect(items.filter(({ binary }) => binary)).toHaveLength(6);
		expect(server.maxInFlight).toBe(3);
		expect(server.rejected429).toBe(0);
	});

	test('slow down only the key that was told to wait', async () => {
		const [slow, quick] = ['scopes-slow', 'scopes-quick'];
		await start({
			keys: [slow, quick],
			faults: [
				{ when: { promptIncludes: 'item 0;' }, times: 1, fault: { status: 429, retryAfter: 3 } },
			],
		});
		const { items } = await runWithKeys((item) => (item % 2 === 0 ? slow : quick), 8);
		expect(items.filter(({ binary }) => binary)).toHaveLength(8);
		// The slow key's first request, all of the quick key's, and then what had to wait.
		expect(keysSent().filter((key) => key === slow)).toHaveLength(5);
		expect(keysSent().slice(-4)).toEqual([slow, slow, slow, slow]);
	});
});

describe('Failures in the same moment', () => {
	test.each(['stopWorkflow', 'continueRegularOutput'] as const)(
		'leave no rejection behind (On Error %s)',
		async (onError) => {
			await start({
				latencyMs: 50,
				keys: [`scopes-${onError}`],
				faults: [{ when: { nths: [1, 2, 3] }, fault: { status: 400 } }],
			});
			const { error, items } = await runGenerate(
				server,
				{},
				{
					items: Array.from({ length: 6 }, () => ({})),
					credential: { apiKey: `scopes-${onError}` },
					onError,
				},
			);
			if (onError === 'stopWorkflow') expect(error?.httpCode).toBe('400');
			else expect(items.filter(({ json }) => json.error)).toHaveLength(3);
			await wait(100);
			expect(unhandled).toEqual([]);
		},
	);
});

describe('Stop', () => {
	test('during the wait for a retry ends the run at once', async () => {
		await start({ keys: ['scopes-retry'], faults: [{ fault: { status: 500 } }] });
		let canceledAt = 0;
		const { status } = await runNode({
			parameters: { operation: 'generate', prompt: 'a' },
			items: [{}, {}, {}],
			credential: { service: 'custom', baseUrl: server.url, apiKey: 'scopes-retry' },
			onStart: (cancel) =>
				void wait(400).then(() => {
					canceledAt = performance.now();
					cancel();
				}),
		});
		expect(status).toBe('canceled');
		// The other tries would take more than 7 seconds.
		expect(performance.now() - canceledAt).toBeLessThan(5_000);
		const sent = server.requests.length;
		await wait(1_500);
		expect(server.requests).toHaveLength(sent);
	});

	test('during a download ends the run at once', async () => {
		await start({ keys: ['scopes-download'], resultFaults: [{ fault: { hang: true } }] });
		let canceledAt = 0;
		const allUnderWay = async () =>
			await waitFor('three downloads', () => server.resultRequests.length === 3, { pollMs: 20 });
		const { status } = await runGenerate(
			server,
			{ output: 'fileAndUrl' },
			{
				items: [{}, {}, {}],
				credential: { apiKey: 'scopes-download' },
				onStart: (cancel) =>
					void allUnderWay().then(() => {
						canceledAt = performance.now();
						cancel();
					}),
			},
		);
		expect(status).toBe('canceled');
		// The download would run into its timeout after two minutes.
		expect(performance.now() - canceledAt).toBeLessThan(20_000);
		expect(server.billed).toHaveLength(3);
	});
});

test.each([
	['A 404 at one address', (url: string) => ({ baseUrl: url.replace(/\/v1$/, '/wrong/v1') })],
	[
		'A 401 with one header',
		(url: string) => ({
			baseUrl: url,
			headers: { values: [{ name: 'X-Gateway-Token', value: 'a wrong token' }] },
		}),
	],
])(
	'%s does not stop the items of other credentials with the same key',
	async (_what, wrongFields) => {
		await start();
		const image = await inputImage(64, 48);
		const gateway = await startHostileServer(({ url, headers }, response) => {
			if (url?.includes('/wrong/')) response.writeHead(404).end();
			else if (headers['x-gateway-token']) response.writeHead(401).end();
			else response.end(JSON.stringify({ data: [{ b64_json: image.toString('base64') }] }));
		});
		const { items } = await runNode({
			parameters: { operation: 'generate', prompt: 'a fox' },
			items: [{}, {}, {}],
			credential: (item) => ({
				...localCredential(gateway, { apiKey: 'scopes-address', concurrentRequests: 1 }),
				...(item === 0 ? wrongFields(gateway.url) : {}),
			}),
			onError: 'continueRegularOutput',
		});
		await gateway.close();
		expect(items.map(({ json }) => 'error' in json)).toEqual([true, false, false]);
	},
);
