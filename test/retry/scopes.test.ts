import { setTimeout as wait } from 'node:timers/promises';

import { runGenerate } from '../kit/localRuns';
import { runNode } from '../kit/runNode';
import { startStepFunServer } from '../stepfun-server/server';
import type { StepFunServer, StepFunServerOptions } from '../stepfun-server/types';

let server: StepFunServer;
const start = async (options: StepFunServerOptions = {}) =>
	(server = await startStepFunServer({ drawing: 'once', ...options }));
afterEach(async () => await server.close());

const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);
beforeAll(() => process.on('unhandledRejection', note));
afterAll(() => {
	process.off('unhandledRejection', note);
	expect(unhandled).toEqual([]);
});

describe('What a failure makes pointless, and what not', () => {
	test('A 402 for a dear model does not stop the items of a cheap one', async () => {
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
		const before = performance.now();
		const { status } = await runNode({
			parameters: { operation: 'generate', prompt: 'a' },
			items: [{}, {}, {}],
			credential: { service: 'custom', baseUrl: server.url, apiKey: 'scopes-retry' },
			onStart: (cancel) => void wait(400).then(cancel),
		});
		expect(status).toBe('canceled');
		expect(performance.now() - before).toBeLessThan(2_000);
		const sent = server.requests.length;
		await wait(1_500);
		expect(server.requests).toHaveLength(sent);
	});

	test('during a download ends the run at once', async () => {
		await start({ keys: ['scopes-download'], resultFaults: [{ fault: { hang: true } }] });
		const before = performance.now();
		const { status } = await runGenerate(
			server,
			{ output: 'fileAndUrl' },
			{
				items: [{}, {}, {}],
				credential: { apiKey: 'scopes-download' },
				onStart: (cancel) => void wait(400).then(cancel),
			},
		);
		expect(status).toBe('canceled');
		expect(performance.now() - before).toBeLessThan(2_000);
		expect(server.billed).toHaveLength(3);
	});
});
