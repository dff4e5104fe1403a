import { findLogger } from '../kit/n8nDifferences.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { LOCAL_API_KEY, startStepFunServer } from '../stepfun-server/server.cts';

let lines: unknown[][];
let debug: jest.SpyInstance;
beforeEach(async () => {
	lines = [];
	debug = jest
		.spyOn(await findLogger(), 'debug')
		.mockImplementation((...line) => void lines.push(line));
});
afterEach(() => debug.mockRestore());

const linesAbout = (message: string) =>
	lines.filter(([text]) => text === `StepFun Image: ${message}`).map(([, details]) => details);

test("n8n's debug log shows retries, waits and pace, but neither keys nor pictures", async () => {
	const server = await startStepFunServer({
		faults: [
			{ when: { nth: 1 }, fault: { status: 503, retryAfter: 0.01 } },
			{ when: { nth: 2 }, fault: { status: 429, retryAfter: 0.01 } },
		],
	});
	const { items } = await runGenerate(server, {}, { credential: { concurrentRequests: 3 } });
	await server.close();

	expect(items[0].json.tries).toBe(3);
	const ours = lines.filter(([message]) => String(message).startsWith('StepFun Image'));
	expect(linesAbout('a request failed')).toEqual([
		expect.objectContaining({ status: 503, tries: 1, nextTryInMs: 10, concurrentRequests: 3 }),
		expect.objectContaining({ status: 429, tries: 2, nextTryInMs: 10, concurrentRequests: 3 }),
	]);
	expect(JSON.stringify(lines)).not.toContain(LOCAL_API_KEY);
	expect(JSON.stringify(ours).length).toBeLessThan(1000);
});

test("n8n's debug log shows when each image is done, so that a long run can be followed", async () => {
	const server = await startStepFunServer({
		faults: [{ when: { nth: 2 }, fault: { status: 400 } }],
	});
	const { items } = await runGenerate(
		server,
		{ options: { numberOfImages: 2 } },
		{
			items: [{}, {}],
			credential: { concurrentRequests: 1 },
			onError: 'continueRegularOutput',
		},
	);
	await server.close();

	expect(items).toHaveLength(4);
	expect(linesAbout('an image is done')).toEqual([
		{ itemIndex: 0, variation: 1, tries: 1, imagesOfThisRun: 1 },
		{ itemIndex: 1, variation: 1, tries: 1, imagesOfThisRun: 2 },
		{ itemIndex: 1, variation: 2, tries: 1, imagesOfThisRun: 3 },
	]);
});

test("A broken response counts among the charged images in n8n's debug log", async () => {
	const server = await startStepFunServer({
		faults: [{ when: { nth: 1 }, fault: { cutBody: true } }],
	});
	await runGenerate(
		server,
		{ options: { maxTries: 1 } },
		{ items: [{}, {}], credential: { concurrentRequests: 1 }, onError: 'continueRegularOutput' },
	);
	const billed = server.billed.length;
	await server.close();

	expect(billed).toBe(2);
	expect(linesAbout('an image is done')).toMatchObject([{ itemIndex: 1, imagesOfThisRun: billed }]);
});
