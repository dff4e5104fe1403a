import type { NodeExecutionHint } from 'n8n-workflow';

import { linkResponse, startHostileServer } from '../kit/hostileServer.cts';
import { inputImage } from '../kit/images.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { bytesOf, type NodeRunResult } from '../kit/runNode.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

// Downloads of finished images from their links.

let server: StepFunServer;

beforeEach(async () => {
	server = await startStepFunServer();
});
afterEach(async () => await server.close());

const hintsOf = ({ run }: NodeRunResult): string =>
	(run.data.resultData.runData['StepFun Image'][0].hints ?? [])
		.map(({ message }: NodeExecutionHint) => message)
		.join(' ');

test('A 429 from the host behind the link is a failed try, with a wait, and says nothing about the account', async () => {
	server.setResultFaults([{ fault: { status: 429 } }]);
	const result = await runGenerate(
		server,
		{ output: 'fileAndUrl', options: { maxTries: 2 } },
		{ onError: 'continueRegularOutput' },
	);
	expect(result.items[0].json.error).toContain('429');
	expect(server.resultRequests).toHaveLength(2);
	expect(server.billed).toHaveLength(1);
	expect(hintsOf(result)).toContain('1 image failed');
	expect(hintsOf(result)).not.toContain('slow down');
});

test('A download succeeds after a 429 from the host behind the link', async () => {
	server.setResultFaults([{ times: 1, fault: { status: 429, retryAfter: 0.2 } }]);
	const { items } = await runGenerate(server, { output: 'fileAndUrl' });
	expect(items[0].binary?.data.mimeType).toBe('image/png');
	expect(server.resultRequests).toHaveLength(2);
});

test.each([403, 404])('A link that answers %i for a moment leads to the image', async (status) => {
	server.setResultFaults([{ times: 1, fault: { status } }]);
	const { items, error } = await runGenerate(server, { output: 'fileAndUrl' });
	expect(error).toBeUndefined();
	expect(items[0].binary?.data.mimeType).toBe('image/png');
	expect(server.billed).toHaveLength(1);
});

test.each([200, 204])(
	'A link that answers %i with nothing for a moment leads to the image',
	async (status) => {
		const png = await inputImage(40, 30);
		const hostile = await startHostileServer(({ url }, response) => {
			const files = hostile.requests.filter(({ method }) => method === 'GET').length;
			if (url !== '/image.png') response.end(linkResponse(`${hostile.origin}/image.png`));
			else if (files === 1) response.writeHead(status).end();
			else response.end(png);
		});
		const { items, error } = await runGenerate(hostile, { output: 'fileAndUrl' });
		await hostile.close();
		expect(error).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(png)).toBe(true);
		expect(hostile.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
	},
);

test('Different images behind links are not called identical, and identical ones are', async () => {
	const parameters = { output: 'fileAndUrl', options: { numberOfImages: 3 } };
	const different = await runGenerate(server, parameters);
	expect(different.items).toHaveLength(3);
	expect(hintsOf(different)).not.toContain('identical');

	const once = await startStepFunServer({ drawing: 'once' });
	const identical = await runGenerate(once, parameters);
	await once.close();
	expect(hintsOf(identical)).toContain('2 images turned out identical');
});

test.each([
	['url', null, /^Made 1 image\. 1 image came without a link, so url is empty\./],
	['fileAndUrl', null, /^Made 1 image\. 1 image came without a link, so url is empty\./],
	['file', 'https://shop.example.com/shoe', /^$/],
])(
	'With the output %s, an image without a link has the url %s and leads to the hint %s',
	async (output, url, hint) => {
		const b64_json = (await inputImage(40, 30)).toString('base64');
		const hostile = await startHostileServer((_, response) =>
			response.end(JSON.stringify({ data: [{ b64_json }] })),
		);
		const items = [{ url: 'https://shop.example.com/shoe' }];
		const result = await runGenerate(hostile, { output }, { items });
		await hostile.close();
		expect(result.items[0].json.url).toBe(url);
		expect(result.items[0].binary?.data.mimeType).toBe('image/png');
		expect(hintsOf(result)).toMatch(hint);
	},
);
