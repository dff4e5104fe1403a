import { runGenerate } from '../kit/localRuns.cts';
import { startStepFunServer } from '../stepfun-server/server.cts';
import type { StepFunServer, StepFunServerOptions } from '../stepfun-server/types.cts';

let server: StepFunServer;
let apiKey: string;
const start = async (options: StepFunServerOptions) => {
	apiKey = `paid-tries-${Math.random()}`;
	server = await startStepFunServer({ drawing: 'once', ...options, keys: [apiKey] });
};
afterEach(async () => await server.close());

/** The response to the prompt "one" breaks off once; the prompt "two" fails. */
const startWithFaults = async (fault: { status: number; delayMs: number }) =>
	await start({
		faults: [
			{ when: { promptIncludes: 'one' }, times: 1, fault: { cutBody: true } },
			{ when: { promptIncludes: 'two' }, fault },
		],
	});

const prompts = (...texts: string[]) => texts.map((prompt) => ({ prompt }));
const PROMPT = { prompt: '={{ $json.prompt }}' };

test('A try that was charged is not called "Not sent" when another item ends its retry', async () => {
	await startWithFaults({ status: 402, delayMs: 300 });
	const { items } = await runGenerate(server, PROMPT, {
		items: prompts('one', 'two'),
		onError: 'continueRegularOutput',
		credential: { apiKey },
	});
	expect(server.billed).toHaveLength(1);
	expect(items[0].json.error).toMatch(/^The image was made, but did not arrive completely/);
});

describe('A charged try, and a 429 after it', () => {
	const one = { when: { promptIncludes: 'one' }, times: 1 };
	const twice = [
		{ ...one, fault: { cutBody: true as const } },
		{ ...one, fault: { status: 429, retryAfter: 3 } },
	];
	const runBoth = async () =>
		await runGenerate(server, PROMPT, {
			items: prompts('one', 'two'),
			onError: 'continueRegularOutput',
			credential: { apiKey },
		});

	test('stay charged when another item ends the retry', async () => {
		const two = { when: { promptIncludes: 'two' }, fault: { status: 402, delayMs: 3_000 } };
		await start({ faults: [...twice, two] });
		const { items } = await runBoth();
		expect(items[0].json.error).toMatch(/^The image was made, but did not arrive completely/);
	});

	test('mention the charge if the 429 is final', async () => {
		await start({
			faults: [twice[0], { ...twice[1], fault: { status: 429, retryAfter: 60 } }],
		});
		const { error } = await runGenerate(
			server,
			{ prompt: 'one', options: { giveUpAfter: 30 } },
			{ credential: { apiKey } },
		);
		expect(error?.message).toContain('Too many requests');
		expect(error?.description).toContain('Tried 2 times. An earlier try was charged.');
	});

	test('lead to a request for a link', async () => {
		await start({ faults: twice });
		const { items } = await runBoth();
		expect(items[0].json.error).toBeUndefined();
		expect(server.requests.at(-1)?.json).toMatchObject({ prompt: 'one', response_format: 'url' });
	});
});

test('Each charged try counts among the images that were made before the run stopped', async () => {
	await startWithFaults({ status: 400, delayMs: 3_000 });
	const { error } = await runGenerate(server, PROMPT, {
		items: prompts('one', 'two'),
		credential: { apiKey },
	});
	expect(server.billed).toHaveLength(2);
	expect(error?.description).toContain('2 other images of this run were made and charged');
});

test.each(['stopWorkflow', 'continueRegularOutput'] as const)(
	'Retry On Fail keeps paid images if only an option that is not sent changes (%s)',
	async (onError) => {
		await start({
			faults: [{ when: { promptIncludes: 'picture 4;' }, times: 1, fault: { status: 400 } }],
		});
		const { items } = await runGenerate(
			server,
			{ ...PROMPT, options: { fileName: '=shoe {{ $now.toMillis() }}' } },
			{
				items: prompts(...[0, 1, 2, 3, 4].map((index) => `picture ${index};`)),
				onError,
				retryOnFail: { maxTries: 2 },
				credential: { apiKey },
			},
		);
		expect(items).toHaveLength(5);
		expect(server.billed).toHaveLength(5);
	},
);

test.each([0, 1])(
	'Retry On Fail keeps the hint that sums up the run if item %d fails',
	async (failing) => {
		await start({
			faults: [{ when: { promptIncludes: `picture ${failing};` }, fault: { status: 400 } }],
		});
		const { run } = await runGenerate(server, PROMPT, {
			items: prompts('picture 0;', 'picture 1;', 'picture 2;'),
			onError: 'continueRegularOutput',
			retryOnFail: { maxTries: 2 },
			credential: { apiKey },
		});
		const [task] = run.data.resultData.runData['StepFun Image'].slice(-1);
		expect(task.hints?.[0].message).toBe('Made 2 images. 1 image failed.');
	},
);

test('A run that has stopped downloads no further images', async () => {
	await start({
		resultFaults: [{ fault: { delayMs: 500 } }],
		faults: [{ when: { promptIncludes: 'picture 19;' }, fault: { status: 400 } }],
	});
	const { error } = await runGenerate(
		server,
		{ ...PROMPT, output: 'fileAndUrl' },
		{
			items: prompts(...Array.from({ length: 20 }, (_, index) => `picture ${index};`)),
			credential: { apiKey },
		},
	);
	expect(error?.httpCode).toBe('400');
	expect(server.billed).toHaveLength(19);
	expect(server.resultRequests.length).toBeLessThan(19);
});
