import { startHostileServer } from '../kit/hostileServer.cts';
import { loadEngine, runGenerate } from '../kit/localRuns.cts';
import { LOCAL_API_KEY, startStepFunServer } from '../stepfun-server/server.cts';
import type { StepFunServer } from '../stepfun-server/types.cts';

jest.setTimeout(60_000);

const prompts = (count: number) => Array.from({ length: count }, (_, index) => ({ index }));

describe('A service that is down for a while', () => {
	const AWAY_MS = 4_000;
	let server: StepFunServer | undefined;
	afterEach(async () => await server?.close());

	test.each([502, 503])('with %i for everything loses no item', async (status) => {
		const key = `${LOCAL_API_KEY}-away-${status}`;
		server = await startStepFunServer({
			drawing: 'once',
			keys: [key],
			faults: [{ fault: { status } }],
		});
		setTimeout(() => server?.setFaults([]), AWAY_MS);
		const { items } = await runGenerate(
			server,
			{},
			{ items: prompts(30), credential: { apiKey: key }, onError: 'continueRegularOutput' },
		);
		expect(items.filter(({ binary }) => binary)).toHaveLength(30);
		expect(server.billed).toHaveLength(30);
	});

	test('that refuses connections loses no item', async () => {
		const key = `${LOCAL_API_KEY}-refused`;
		server = await startStepFunServer({ drawing: 'once', keys: [key] });
		const port = Number(new URL(server.url).port);
		const { url } = server;
		await server.close();
		server = undefined;
		const reopened = new Promise<void>((resolve, reject) => {
			setTimeout(() => {
				startStepFunServer({ drawing: 'once', keys: [key], port }).then((again) => {
					server = again;
					resolve();
				}, reject);
			}, AWAY_MS);
		});
		const { items } = await runGenerate(
			{ url },
			{},
			{ items: prompts(30), credential: { apiKey: key }, onError: 'continueRegularOutput' },
		);
		await reopened;
		expect(items.filter(({ binary }) => binary)).toHaveLength(30);
	});
});

beforeAll(loadEngine);

const closers: Array<() => Promise<void>> = [];
afterEach(async () => {
	for (const close of closers.splice(0)) await close();
});

describe('An account without a success ends all its requests within Give Up After', () => {
	const GIVE_UP_AFTER = 3;
	const options = { giveUpAfter: GIVE_UP_AFTER, timeout: 1 };

	test.each(['continueRegularOutput', 'stopWorkflow'] as const)(
		'when all it gets is 429 (On Error %s)',
		async (onError) => {
			const key = `${LOCAL_API_KEY}-429-${onError}`;
			const server = await startStepFunServer({
				keys: [key],
				faults: [{ fault: { status: 429 } }],
			});
			closers.push(async () => await server.close());
			const before = performance.now();
			const { items, error } = await runGenerate(
				server,
				{ options },
				{ items: prompts(40), credential: { apiKey: key }, onError },
			);
			expect(performance.now() - before).toBeLessThan((GIVE_UP_AFTER + 10) * 1000);
			const texts =
				onError === 'stopWorkflow' ? [error?.message] : items.map(({ json }) => json.error);
			expect(texts).toEqual(
				Array(onError === 'stopWorkflow' ? 1 : 40).fill(
					'Too many requests: the account is at its limit: Fault 429',
				),
			);
			expect(server.requests.length).toBeLessThan(40);
		},
	);

	test('when its host swallows connections', async () => {
		const host = await startHostileServer(() => undefined);
		closers.push(async () => await host.close());
		const before = performance.now();
		const { items } = await runGenerate(
			host,
			{ options },
			{ items: prompts(40), onError: 'continueRegularOutput' },
		);
		expect(performance.now() - before).toBeLessThan((GIVE_UP_AFTER + 1 + 10) * 1000);
		expect(items.map(({ json }) => json.error)).toEqual(
			Array(40).fill('The service did not finish its response within 1 second'),
		);
	});
});
