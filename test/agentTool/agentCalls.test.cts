import { SupplyDataContext } from 'n8n-core';
import type { IDataObject } from 'n8n-workflow';

import { KNOWS_TOOLS } from '../kit/n8nDifferences.cts';
import { runAgent, type AgentRun, type ToolResult } from '../kit/runAgent.cts';
import { localCredential } from '../kit/stepFunCredential.cts';
import { sentJson } from '../kit/localRuns.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
});

beforeEach(() => server.reset());

afterAll(async () => await server.close());

const THREE_ITEMS = ['shoes', 'hats', 'coats'].map((topic) => ({ topic }));
const PROMPT = "={{ $fromAI('prompt', 'What to draw', 'string') }}";

/** An agent with three input items, whose model calls the tool once for each of these prompts. */
async function runTool(prompts: string[], changes: Partial<AgentRun> = {}): Promise<ToolResult[]> {
	return await runAgent({
		items: THREE_ITEMS,
		credential: localCredential(server),
		calls: prompts.map((prompt) => ({ prompt })),
		...changes,
		parameters: { operation: 'generate', prompt: PROMPT, output: 'url', ...changes.parameters },
	});
}

const sentPrompts = () => (sentJson(server) as IDataObject[]).map(({ prompt }) => prompt);

describe.each([
	['stops on errors', undefined],
	['continues on errors', 'continueRegularOutput'],
] as const)('Agent tool that %s, of an agent with 3 input items', (_, onError) => {
	test('One call sends one request and gives the agent the image', async () => {
		const results = await runTool(['A red shoe'], { onError });

		expect(sentPrompts()).toEqual(['A red shoe']);
		expect(results).toEqual([
			{
				returned: [
					expect.objectContaining({
						model: 'step-image-edit-2',
						url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\//) as string,
					}),
				],
			},
		]);
	});

	test('Two calls of one run are two requests, each with its own prompt', async () => {
		const results = await runTool(['A red shoe', 'A blue hat'], { onError });

		expect(sentPrompts()).toEqual(['A red shoe', 'A blue hat']);
		const urls = results.map((result) =>
			'returned' in result ? (result.returned as IDataObject[])[0].url : undefined,
		);
		expect(new Set(urls).size).toBe(2);
		expect(urls).not.toContain(undefined);
	});
});

const EMPTY_PROMPT =
	"'Prompt' is empty. Write what the image should show. If the prompt comes from an expression, check that this item has the field.";

/** n8n 1.x gives the agent a text of its own instead of the error. */
const testOfErrors = KNOWS_TOOLS ? test : test.skip;

describe('Agent tool: an error reaches the agent as a message that says how to go on', () => {
	testOfErrors(
		'A tool that stops on errors throws the error, and the next call still runs',
		async () => {
			const [refused, made] = await runTool([' ', 'A red shoe']);

			expect(refused).toEqual({ thrown: expect.stringMatching(`^${EMPTY_PROMPT}`) as string });
			expect(made).toEqual({
				returned: [expect.objectContaining({ model: 'step-image-edit-2' })],
			});
			expect(sentPrompts()).toEqual(['A red shoe']);
		},
	);

	test('A tool that continues on errors returns the error', async () => {
		const [refused] = await runTool([' '], { onError: 'continueRegularOutput' });

		expect(refused).toEqual({ returned: [expect.objectContaining({ error: EMPTY_PROMPT })] });
		expect(server.requests).toHaveLength(0);
	});

	test('A tool that continues on errors returns the status with the error', async () => {
		const [refused] = await runTool(['A red shoe'], {
			onError: 'continueRegularOutput',
			credential: localCredential(server, { apiKey: 'not-the-key' }),
		});

		const details = expect.objectContaining({ httpCode: '401' }) as object;
		expect(refused).toEqual({ returned: [expect.objectContaining({ details })] });
	});

	testOfErrors('What the service refuses is explained to the agent, too', async () => {
		const [refused] = await runTool(['A red shoe'], {
			credential: localCredential(server, { apiKey: 'not-the-key' }),
		});

		expect(server.requests).toHaveLength(1);
		expect(refused).toEqual({
			thrown: expect.stringMatching(
				/^The API key was not accepted: .+ Check the API Key and the Headers in the StepFun API credential\./,
			) as string,
		});
	});

	testOfErrors.each([
		[
			'the address of an input image',
			{ operation: 'edit', inputSource: 'url', inputUrl: 'http://127.0.0.1:9/shoe.png' },
			{},
			"The image at 'Image URL' could not be downloaded: the connection to 127.0.0.1:9 failed",
		],
		[
			'the address of the service',
			{},
			{ baseUrl: 'http://127.0.0.1:9/v1' },
			'The connection to 127.0.0.1:9 failed: connect ECONNREFUSED',
		],
	])(
		'%s that cannot be reached is named, although n8n has a text of its own for the error code',
		async (_what, parameters, changes, message) => {
			const [refused] = await runTool(['A red shoe'], {
				credential: localCredential(server, changes),
				parameters: { ...parameters, options: { maxTries: 1 } },
			});

			expect(refused).toEqual({ thrown: expect.stringContaining(message) as string });
		},
	);
});

describe('Agent tool: the node knows that it is a tool', () => {
	const { isToolExecution } = SupplyDataContext.prototype;

	afterEach(() => {
		SupplyDataContext.prototype.isToolExecution = isToolExecution;
	});

	/** What the agent reads of an error; only as a tool the node writes its advice into it. */
	const errorOf = async (typeName: string) => {
		const [result] = await runTool([' '], { typeName, onError: 'continueRegularOutput' });
		return 'returned' in result ? (result.returned as IDataObject[])[0].error : undefined;
	};

	(KNOWS_TOOLS ? test : test.skip)('by what n8n says, whatever its type is called', async () => {
		expect(await errorOf('stepFunImage')).toBe(EMPTY_PROMPT);
	});

	test('by the name of its type if n8n does not say so', async () => {
		Reflect.deleteProperty(SupplyDataContext.prototype, 'isToolExecution');

		expect(await errorOf('stepFunImageTool')).toBe(EMPTY_PROMPT);
		expect(await errorOf('stepFunImage')).toBe("'Prompt' is empty");
	});
});
