import type { ServerResponse } from 'node:http';
import { Container } from '@n8n/di';
import { BinaryDataService } from 'n8n-core';
import type { INodeParameters } from 'n8n-workflow';

import { imageResponse, startHostileServer, type HostileServer } from '../kit/hostileServer.cts';
import { inputImage, itemWithFile, pngOfBytes } from '../kit/images.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';
import type { NodeRun } from '../kit/runNode.cts';
import { waitFor } from '../kit/waitFor.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';
import type { StepFunServerOptions } from '../stepfun-server/types.cts';

// What an error, an item and the hint say about charges is what the server billed.

let server: StepFunServer;
let apiKey: string;
let keys = 0;
const start = async (options: StepFunServerOptions) => {
	apiKey = `charges-${++keys}`;
	server = await startStepFunServer({ drawing: 'once', ...options, keys: [apiKey] });
};
afterEach(async () => await server?.close());
const prompts = (...texts: string[]) => texts.map((prompt) => ({ prompt }));
const PROMPT = { prompt: '={{ $json.prompt }}' };
const CONTINUE = 'continueRegularOutput' as const;
const textOf = ({ json }: { json: Record<string, unknown> }) =>
	`${String(json.error)} ${String((json.details as { description?: string })?.description)}`;

test.each([
	['cut', { cutBody: true as const, delayMs: 1_200 }, 120],
	['hanging', { hang: true as const }, 1],
])(
	'Rows that were never sent do not mention a charge (%s responses)',
	async (_what, fault, timeout) => {
		await start({ faults: [{ fault }] });
		const { items } = await runGenerate(
			server,
			{ ...PROMPT, options: { giveUpAfter: 1, maxTries: 1, timeout } },
			{
				items: prompts('one', 'two', 'three'),
				onError: CONTINUE,
				credential: { apiKey, concurrentRequests: 1 },
			},
		);
		expect(server.requests).toHaveLength(1);
		for (const item of items.slice(1)) expect(textOf(item)).not.toMatch(/(has|have) been charged/);
	},
);

test.each([
	['504', { status: 504, billed: true }, { hang: true as const }, /An earlier try may have been/],
	[
		'cut',
		{ cutBody: true as const },
		{ cutBody: true as const, delayMs: 2_500 },
		/An earlier try was/,
	],
])(
	'A row whose retry was not sent mentions its charged try (%s)',
	async (_what, first, others, earlier) => {
		await start({
			faults: [{ when: { promptIncludes: 'one' }, times: 1, fault: first }, { fault: others }],
		});
		const { items } = await runGenerate(
			server,
			{ ...PROMPT, options: { giveUpAfter: 2, timeout: 3 } },
			{
				items: prompts('one', 'two'),
				onError: CONTINUE,
				credential: { apiKey, concurrentRequests: 1 },
			},
		);
		expect(server.requests).toHaveLength(2);
		expect(textOf(items[0])).toMatch(earlier);
		expect(textOf(items[0])).toContain('The request was not sent again.');
		expect(textOf(items[0])).not.toMatch(/Not sent,|nothing was charged/);
	},
);

test('Retry On Fail buys nothing more once a row has failed for good', async () => {
	await start({
		faults: [
			{ when: { promptIncludes: 'bad' }, fault: { contentFiltered: true } },
			{ when: { nths: [1, 2] }, fault: { status: 503, retryAfter: 1 } },
		],
	});
	await runGenerate(server, PROMPT, {
		items: prompts('a', 'b', 'bad', 'c', 'd'),
		credential: { apiKey, concurrentRequests: 3 },
		retryOnFail: { maxTries: 5 },
	});
	expect(server.billed.map(({ prompt }) => prompt).sort()).toEqual(['bad', 'c', 'd']);
});

test('Retry On Fail buys no other image for an item if one has failed for good', async () => {
	await start({
		faults: [
			{ when: { nths: [1] }, fault: { status: 500, delayMs: 300 } },
			{ when: { nths: [2] }, fault: { contentFiltered: true } },
		],
	});
	await runGenerate(
		server,
		{ options: { numberOfImages: 2, maxTries: 1 } },
		{ credential: { apiKey }, retryOnFail: { maxTries: 3 } },
	);
	expect(server.requests).toHaveLength(2);
});

const CUT_ONCE = { faults: [{ times: 1, fault: { cutBody: true as const } }] };

/** Edits an image from a URL, whose host sends it once and something else afterwards. */
async function editFromUrl(
	afterwards: (response: ServerResponse) => void,
	options: INodeParameters = {},
	onError: NodeRun['onError'] = CONTINUE,
) {
	const picture = await inputImage(64, 64);
	let downloads = 0;
	const files = await startHostileServer((_request, response) => {
		if (downloads++ === 0) response.end(picture);
		else afterwards(response);
	});
	const { items, error } = await runEdit(
		server,
		[{ json: {} }],
		{ inputSource: 'url', inputUrl: `${files.origin}/1`, options },
		{ credential: { apiKey }, onError },
	);
	await files.close();
	expect(server.billed).toHaveLength(1);
	return { items, description: error?.description };
}

test('Input image gone (404) after a charged try', async () => {
	await start(CUT_ONCE);
	const { items } = await editFromUrl((response) => response.writeHead(404).end());
	expect(textOf(items[0])).toContain('An earlier try was charged.');
	expect(textOf(items[0])).not.toContain('Nothing was sent');
});

test.each([CONTINUE, 'stopWorkflow'] as const)(
	'Input image is a page after a charged try (%s)',
	async (onError) => {
		await start(CUT_ONCE);
		const page = (response: ServerResponse) => response.end('login');
		const { items, description } = await editFromUrl(page, {}, onError);
		expect(description ?? textOf(items[0])).toContain('An earlier try was charged.');
	},
);

test('Input image is a page after a try that may have been charged', async () => {
	await start({ faults: [{ times: 1, fault: { status: 504, billed: true } }] });
	const { items } = await editFromUrl((response) => response.end('login'));
	expect(textOf(items[0])).toContain('An earlier try may have been charged.');
});

test('Stored input image cannot be read after a charged try', async () => {
	await start(CUT_ONCE);
	const item = await itemWithFile(await pngOfBytes(300_000));
	const service = Container.get(BinaryDataService);
	const original = service.getAsStream.bind(service);
	let n = 0;
	// The first reads its header, the second is the upload.
	const spy = jest.spyOn(service, 'getAsStream').mockImplementation((async (
		...given: [string, number]
	) => {
		if (++n === 3) throw new Error('gone');
		return await original(...given);
	}) as never);
	const { items } = await runEdit(
		server,
		[item],
		{},
		{ credential: { apiKey }, onError: CONTINUE },
	);
	spy.mockRestore();
	expect(server.billed).toHaveLength(1);
	expect(textOf(items[0])).toContain('An earlier try was charged.');
});

test.each(['continueRegularOutput', 'stopWorkflow'] as const)(
	'The image of the try after a charged one cannot be downloaded (%s)',
	async (onError) => {
		await start(CUT_ONCE);
		server.setResultFaults([{ fault: { status: 403 } }]);
		const { items, error } = await runGenerate(server, {}, { onError, credential: { apiKey } });
		expect(server.billed).toHaveLength(2);
		const text = error?.description ?? textOf(items[0]);
		expect(text).toContain('The image has been charged and is still at');
		expect(text).toContain('An earlier try was charged.');
	},
);

test('The server is gone after a charged try', async () => {
	const png = await inputImage(40, 30, 'png');
	const hostile: HostileServer = await startHostileServer((_request, response) => {
		const text = imageResponse(png.toString('base64'));
		response.writeHead(200, { 'Content-Length': text.length, Connection: 'close' });
		response.write(text.slice(0, text.length >> 1), () => void hostile.close());
	});
	const { error } = await runGenerate(
		hostile,
		{ options: { maxTries: 2 } },
		{ credential: { apiKey: `gone-${Math.random()}` } },
	);
	expect(error?.description).toContain('An earlier try was charged');
	expect(error?.description).not.toContain('nothing was charged');
});

test('The input image of the second of two images fails', async () => {
	await start({});
	const { items } = await editFromUrl((response) => response.writeHead(404).end(), {
		numberOfImages: 2,
	});
	const [made, failed] = items;
	expect(made.json.finishReason).toBe('success');
	expect(textOf(failed)).toContain('Nothing was sent to the image service for this image.');
});

test.each([
	['504', { status: 504 }],
	['no JSON', { emptyBody: true as const, billed: false }],
	['cut again', { cutBody: true as const }],
])('A charged try is mentioned if the last one may be charged, too (%s)', async (_what, fault) => {
	await start({ faults: [...CUT_ONCE.faults, { fault }] });
	const { error } = await runGenerate(server, {}, { credential: { apiKey } });
	expect(error?.description).toContain('An earlier try was charged');
});

test('A moderated item that is passed on mentions its charged try', async () => {
	await start({ faults: [...CUT_ONCE.faults, { fault: { status: 451 } }] });
	const { items } = await runGenerate(
		server,
		{ options: { whenModerated: 'passOn' } },
		{ credential: { apiKey } },
	);
	expect(server.billed).toHaveLength(1);
	expect(items[0].json.charged).not.toBe(false);
});

test('A row that was not sent does not repeat the charge and the tries of its cause', async () => {
	const one = { when: { promptIncludes: 'one' } };
	await start({
		faults: [
			{ ...one, times: 1, fault: { cutBody: true } },
			{ ...one, fault: { status: 402 } },
			{ fault: { delayMs: 2_000 } },
		],
	});
	const { items } = await runGenerate(server, PROMPT, {
		// The second try of the first row comes before most of the others.
		items: prompts('one', ...Array<string>(20).fill('another')),
		onError: CONTINUE,
		credential: { apiKey, concurrentRequests: 2 },
	});
	expect(textOf(items[20])).toMatch(/^Not sent/);
	expect(textOf(items[20])).not.toMatch(/charged|Tried|Trace ID/);
});

test('The hint counts the 429s that the service sent', async () => {
	await start({ faults: [{ fault: { status: 429, retryAfter: 5 } }] });
	const { run } = await runGenerate(
		server,
		{ ...PROMPT, options: { giveUpAfter: 1 } },
		{
			items: prompts('a', 'b', 'c', 'd', 'e', 'f'),
			onError: CONTINUE,
			credential: { apiKey, concurrentRequests: 1 },
		},
	);
	expect(server.requests).toHaveLength(1);
	expect(run.data.resultData.runData['StepFun Image'].at(-1)?.hints?.[0].message).toContain(
		'asked to slow down once',
	);
});

test('A charged failure is not hidden by a later cancellation', async () => {
	await start({
		faults: [
			{ when: { promptIncludes: 'one' }, fault: { contentFiltered: true } },
			{ fault: { delayMs: 6_000 } },
		],
	});
	const cancelAfterCharge = async (cancel: () => void) => {
		await waitFor('the charge', () => server.billed.length > 0);
		setTimeout(cancel, 1_500);
	};
	const { items } = await runGenerate(server, PROMPT, {
		items: prompts('one', 'two'),
		onError: CONTINUE,
		credential: { apiKey },
		onStart: (cancel) => void cancelAfterCharge(cancel),
	});
	expect(textOf(items[0])).toContain('content_filtered');
});

test('A request that a cancellation ends while it is under way may have been charged', async () => {
	await start({ faults: [{ fault: { delayMs: 6_000 } }] });
	const cancelInFlight = async (cancel: () => void) => {
		await waitFor('the request', () => server.requests.length > 0);
		cancel();
	};
	const { items } = await runGenerate(server, PROMPT, {
		items: prompts('one', 'two'),
		onError: CONTINUE,
		credential: { apiKey, concurrentRequests: 1 },
		onStart: (cancel) => void cancelInFlight(cancel),
	});
	expect(items.map(({ json }) => json.error)).toEqual(Array(2).fill('The execution was canceled'));
	expect(textOf(items[0])).toBe('The execution was canceled The image may have been charged.');
	expect(textOf(items[1])).not.toContain('charged');
});
