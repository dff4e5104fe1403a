import { Container } from '@n8n/di';
import { BinaryDataService } from 'n8n-core';

import { inputImage } from '../kit/images.cts';
import { bytesOf } from '../kit/runNode.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';
import { startHostileServer } from '../kit/hostileServer.cts';
import { waitFor } from '../kit/waitFor.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

let server: StepFunServer;

beforeEach(async () => {
	server = await startStepFunServer({ drawing: 'once' });
});
afterEach(async () => await server.close());

test.each([401, 402])(
	'A %i of one item does not end the download of an image that was made before',
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

test('Stop Workflow reports the cost of the run so far if an input image is not an image', async () => {
	const picture = await inputImage(64, 64);
	const files = await startHostileServer((request, response) => {
		response.end(request.url === '/3' ? 'no image' : picture);
	});
	const { error } = await runEdit(
		server,
		[1, 2, 3].map((number) => ({ json: { url: `${files.origin}/${number}` } })),
		{ inputSource: 'url', inputUrl: '={{ $json.url }}' },
		{ credential: { concurrentRequests: 1 } },
	);
	await files.close();
	expect(error?.message).toMatch(/^The file at 'Image URL' is not an image/);
	expect(error?.description).toContain('Enter the address of the file itself');
	// How many were made by then depends on which of the hosts is quicker.
	const made = server.billed.length;
	const [, told] =
		/ (\d+|Another) (?:other )?images? of this run/.exec(error?.description ?? '') ?? [];
	expect(told ?? '0').toBe(made === 1 ? 'Another' : String(made));
});

test('An error says where all images of a response are if n8n cannot store the first', async () => {
	const picture = await inputImage(64, 64);
	const service = Container.get(BinaryDataService);
	const spy = jest.spyOn(service, 'store').mockRejectedValue(new Error('disk full'));
	const hostile = await startHostileServer((request, response) => {
		const data = [{ url: '/1.png' }, { url: '/2.png' }, { url: '/3.png' }];
		response.end(request.method === 'GET' ? picture : JSON.stringify({ data }));
	});
	const { error } = await runGenerate(hostile);
	spy.mockRestore();
	await hostile.close();
	expect(error?.message).toMatch(/could not store it: .*disk full/);
	for (const name of ['1', '2', '3']) {
		expect(error?.description).toContain(`${hostile.origin}/${name}.png`);
	}
});

test('The error of a download says where the other images of the response are', async () => {
	const hostile = await startHostileServer((request, response) => {
		const data = [{ url: '/1.png' }, { url: '/2.png' }];
		if (request.method === 'GET') response.writeHead(403).end();
		else response.end(JSON.stringify({ data }));
	});
	const { error } = await runGenerate(hostile);
	await hostile.close();
	expect(error?.description).toContain(`still at ${hostile.origin}/1.png`);
	expect(error?.description).toContain(`${hostile.origin}/2.png`);
});

test('The error of a download repeats a limited number of links, because each is searched for secrets', async () => {
	const hostile = await startHostileServer((request, response) => {
		const data = Array.from({ length: 60 }, (_, n) => ({
			url: `/${n}.png?${'s%2F'.repeat(4_000)}`,
		}));
		if (request.method === 'GET') response.writeHead(403).end();
		else response.end(JSON.stringify({ data }));
	});
	const { error } = await runGenerate(hostile);
	await hostile.close();
	expect(error?.description).toContain(`${hostile.origin}/1.png`);
	// The links of the response are a megabyte, for which the search took seconds.
	expect(error?.description?.length).toBeLessThan(30_000);
});

test.each(['stopWorkflow', 'continueRegularOutput'] as const)(
	'An execution that is canceled during a download says where the image is (%s)',
	async (onError) => {
		server.setResultFaults([{ times: 1, fault: { delayMs: 300, status: 503, retryAfter: 20 } }]);
		const cancelLater = async (cancel: () => void) => {
			await waitFor('the download', () => server.resultRequests.length > 0);
			setTimeout(cancel, 1_000);
		};
		const { items, error, status } = await runGenerate(
			server,
			{ output: 'fileAndUrl' },
			{ onError, onStart: (cancel) => void cancelLater(cancel) },
		);
		expect(server.billed).toHaveLength(1);
		expect(status).toBe('canceled');
		const failed = items.map(({ json }) => ({ message: json.error, ...(json.details as object) }));
		expect(failed[0] ?? error).toMatchObject({
			message: expect.stringContaining('the execution was canceled'),
			description: expect.stringContaining(`still at ${server.resultOrigin}/`),
		});
	},
);

test('Stop Workflow says how many images were paid for before the execution was canceled', async () => {
	server.setFaults([{ when: { nth: 3 }, fault: { delayMs: 10_000 } }]);
	const cancelLater = async (cancel: () => void) => {
		await waitFor('two images', () => server.billed.length === 2);
		setTimeout(cancel, 500);
	};
	const { error, status } = await runGenerate(
		server,
		{},
		{ items: [{}, {}, {}], onStart: (cancel) => void cancelLater(cancel) },
	);
	expect(status).toBe('canceled');
	expect(error?.message).toBe('The execution was canceled');
	expect(error?.description).toContain('2 other images of this run were made and charged');
});
