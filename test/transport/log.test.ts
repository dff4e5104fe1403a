import { findLogger } from '../engine/differences';
import { runGenerate } from '../nodes/local-runs';
import { LOCAL_API_KEY, startStepFunServer } from '../stepfun-server/server';

test("n8n's debug log tells retries, waits and pace, and neither keys nor pictures", async () => {
	const lines: unknown[][] = [];
	const debug = jest
		.spyOn(await findLogger(), 'debug')
		.mockImplementation((...line) => void lines.push(line));
	const server = await startStepFunServer({
		faults: [
			{ when: { nth: 1 }, fault: { status: 503, retryAfter: 0 } },
			{ when: { nth: 2 }, fault: { status: 429, retryAfter: 0 } },
		],
	});
	const { items } = await runGenerate(server, {}, { credential: { concurrentRequests: 3 } });
	await server.close();
	debug.mockRestore();

	expect(items[0].json.tries).toBe(3);
	const ours = lines.filter(([message]) => String(message).startsWith('StepFun Image'));
	expect(ours.map(([, details]) => details)).toEqual([
		expect.objectContaining({ status: 503, tries: 1, nextTryInMs: 0, concurrentRequests: 3 }),
		expect.objectContaining({ status: 429, tries: 2, nextTryInMs: 0, concurrentRequests: 3 }),
	]);
	expect(JSON.stringify(lines)).not.toContain(LOCAL_API_KEY);
	expect(JSON.stringify(ours).length).toBeLessThan(1000);
});
