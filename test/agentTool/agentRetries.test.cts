import { KNOWS_TOOLS, SIGNS_LINKS } from '../kit/n8nDifferences.cts';
import { startHostileServer } from '../kit/hostileServer.cts';
import { pngOfBytes } from '../kit/images.cts';
import { runAgent } from '../kit/runAgent.cts';
import { localCredential } from '../kit/stepFunCredential.cts';
import { startStepFunServer } from '../stepfun-server/server.cts';
import type { StepFunServer, StepFunServerOptions } from '../stepfun-server/types.cts';

let server: StepFunServer;
afterEach(async () => await server?.close());

async function callTool(options: StepFunServerOptions, parameters: Record<string, unknown>) {
	const keys = [`tool-${Math.random()}`];
	server = await startStepFunServer({ drawing: 'once', ...options, keys });
	return await runAgent({
		items: [{}],
		calls: [{}],
		retryOnFail: true,
		parameters: { operation: 'generate', prompt: 'a fox', output: 'url', ...parameters },
		credential: localCredential(server, { apiKey: keys[0] }),
	});
}

(KNOWS_TOOLS ? describe : describe.skip)("A tool with n8n's Retry On Fail", () => {
	test('pays once for an image whose download fails', async () => {
		await callTool({ resultFaults: [{ fault: { status: 403 } }] }, { output: 'fileAndUrl' });
		expect(server.billed).toHaveLength(1);
	});

	test('pays only for the image that failed, not for the others of the call', async () => {
		const faults = [{ when: { nth: 4 }, times: 1, fault: { status: 400 } }];
		await callTool({ faults }, { options: { numberOfImages: 4 } });
		expect(server.billed).toHaveLength(4);
	});

	test('pays once for an image that moderation withholds', async () => {
		await callTool({ faults: [{ fault: { contentFiltered: true } }] }, {});
		expect(server.billed).toHaveLength(1);
	});
});

(KNOWS_TOOLS && SIGNS_LINKS ? test : test.skip)(
	'An agent gets a link from n8n if the server responds with the image, whatever Output says',
	async () => {
		const image = await pngOfBytes(5_000);
		const hostile = await startHostileServer((_request, response) => {
			response.setHeader('content-type', 'application/json');
			response.end(JSON.stringify({ data: [{ b64_json: image.toString('base64') }] }));
		});
		const [result] = await runAgent({
			items: [{}],
			calls: [{}],
			parameters: { operation: 'generate', prompt: 'a fox', model: 'gpt-image-1', output: 'url' },
			credential: {
				service: 'custom',
				apiFormat: 'openai',
				apiKey: 'sk-of-the-agent',
				baseUrl: hostile.url,
			},
		});
		await hostile.close();
		expect(JSON.stringify(result)).toMatch(/"link":"http[^"]+"/);
	},
);
