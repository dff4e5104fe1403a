import { bytesOf } from '../engine/runNode';
import { runGenerate } from '../nodes/local-runs';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server';

let server: StepFunServer;

beforeEach(async () => {
	server = await startStepFunServer({ drawing: 'once' });
});
afterEach(async () => await server.close());

test.each([401, 402])(
	'Continue: a %i of one item does not end the download of an image that was made before',
	async (status) => {
		server.setFaults([{ when: { nth: 2 }, fault: { status } }]);
		server.setResultFaults([{ times: 1, fault: { status: 503, retryAfter: 1 } }]);
		const { items } = await runGenerate(
			server,
			{ output: 'fileAndUrl' },
			{
				items: [{}, {}, {}],
				credential: { concurrentRequests: 1 },
				onError: 'continueRegularOutput',
			},
		);
		expect(items[0].json.error).toBeUndefined();
		const image = await bytesOf(items[0].binary?.data);
		expect(image.equals(server.images.get(server.billed[0].id)!)).toBe(true);
		expect(items[1].json.details).toMatchObject({ httpCode: String(status) });
		expect(items[2].json.error).toMatch(/^Not sent/);
		expect(server.requests).toHaveLength(2);
		expect(server.resultRequests).toHaveLength(2);
	},
);
