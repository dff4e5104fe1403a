import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NodeApiError, type INode } from 'n8n-workflow';

import { SERVICES } from '../../nodes/StepFunImage/catalogue/services';
import { explainFailure } from '../../nodes/StepFunImage/errors/messages';
import { requestError } from '../../nodes/StepFunImage/errors/nodeErrors';
import {
	RequestFailure,
	type FailureDetails,
	type FailureKind,
} from '../../nodes/StepFunImage/errors/requestFailure';
import { heif } from '../kit/craftedImages.cts';
import { startHostileServer } from '../kit/hostileServer.cts';
import { inputImage, itemWithFile } from '../kit/images.cts';
import { localCredential } from '../kit/stepFunCredential.cts';
import { testCredential } from '../kit/testCredential.cts';
import { userFolder } from '../kit/userFolder.cts';
import { startStepFunServer, type Fault, type StepFunServer } from '../stepfun-server/server.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';

/** The failure is wanted at once: no retries, no waiting. */
const AT_ONCE = { options: { maxTries: 1, giveUpAfter: 0 } };

const NO_REDACTOR = { text: (text: string) => text, link: (link: string) => link };

let server: StepFunServer;

// An account that is told to slow down stays slow, so every test has its own server, and with it its
// own account.
beforeEach(async () => {
	server = await startStepFunServer({ drawing: 'once' });
});

afterEach(async () => await server.close());

describe('Failures: error statuses', () => {
	test.each<[number, string, string]>([
		[400, 'The service refused the request: Fault 400', 'Correct the field that the message names'],
		[401, 'The API key was not accepted: Fault 401', 'Check the API Key and the Headers'],
		[402, "The account's balance is used up: Fault 402", 'Top up the account'],
		[
			403,
			'This key may not use the model or the endpoint: Fault 403',
			'Check what this key may use on the server.',
		],
		[
			407,
			'The proxy that n8n uses requires a login: Fault 407',
			"n8n's HTTP_PROXY and HTTPS_PROXY",
		],
		[408, 'The service took too long and gave up: Fault 408', 'Try again later'],
		[
			429,
			'Too many requests: the account is at its limit: Fault 429',
			"Lower 'Concurrent Requests'",
		],
		[451, 'Moderation refused the request: Fault 451', 'Change the prompt.'],
		[500, 'The service failed with status 500: Fault 500', 'Try again later.'],
		[502, 'The service failed with status 502: Fault 502', 'Try again later.'],
		[503, 'The service is overloaded or out of service: Fault 503', 'Try again later.'],
		[504, 'The service took too long and gave up: Fault 504', 'or use fewer steps'],
		[
			418,
			'The service refused the request with status 418: Fault 418',
			'Check Service and Base URL',
		],
	])('Status %i fails with its message, advice and trace ID', async (status, message, advice) => {
		server.setFaults([{ fault: { status } }]);
		const result = await runGenerate(server, AT_ONCE);
		const { error } = result;

		expect(error?.name).toBe('NodeApiError');
		expect(error?.message).toBe(message);
		expect(error?.description).toContain(advice);
		expect(error?.description).toContain(`Trace ID: ${server.requests[0].traceId}.`);
		expect(error?.description).not.toContain('StepFun announced');
		expect(error?.httpCode).toBe(String(status));
		expect(error?.context.itemIndex).toBe(0);
		expect([result.status, result.items]).toEqual(['error', []]);
		expect(server.requests).toHaveLength(1);
	});

	test('A 404 names the address that does not exist', async () => {
		const baseUrl = `${server.origin}/v2`;
		const { error } = await runGenerate(server, AT_ONCE, { credential: { baseUrl } });
		expect(error?.message).toBe(
			`There is no /images/generations at ${baseUrl}: Unknown request: POST /v2/images/generations`,
		);
		expect(error?.description).toContain('the Base URL usually ends in /v1');
		expect(error?.description).not.toContain('StepFun announced');
		expect(error?.httpCode).toBe('404');
	});

	test('A wrong key fails with the message that it was not accepted', async () => {
		const { error } = await runGenerate(server, AT_ONCE, { credential: { apiKey: 'wrong-key' } });
		expect(error?.message).toBe('The API key was not accepted: Incorrect API key provided');
		expect(error?.httpCode).toBe('401');
		expect(server.requests).toHaveLength(1);
	});

	test.each([
		[429, 'Too many requests: the account is at its limit: Fault 429'],
		[503, 'The service is overloaded or out of service: Fault 503'],
	])('A %i says how long the service asks to wait if that is too long', async (status, message) => {
		server.setFaults([{ fault: { status, retryAfter: 3_600 } }]);
		const { items } = await runGenerate(
			server,
			{},
			{
				items: [{}, {}],
				credential: { concurrentRequests: 1 },
				onError: 'continueRegularOutput',
			},
		);
		expect(items[0].json).toMatchObject({
			error: message,
			details: { description: expect.stringContaining('The service asks to wait 60 minutes.') },
		});
	});

	test.each([
		[401, '<html><head><title>401 Authorization Required</title></head></html>'],
		[403, '<html><head><title>Blocked by the content filter of Example</title></head></html>'],
		[403, '\n<!DOCTYPE html><title>Just a moment...</title>'],
	])('A page with status %i is said to come from in front of the server', async (status, body) => {
		server.setFaults([{ fault: { status, body } }]);
		const { error } = await runGenerate(server, AT_ONCE);
		expect(error?.message).toMatch(
			/^Something in front of the server refused the request: (401 Authorization|Blocked by|Just a moment)/,
		);
		expect(error?.description).toContain('blocks requests from this n8n');
		expect(error?.httpCode).toBe(String(status));
	});

	test('An image that the server cannot read should be saved in another format', async () => {
		const item = await itemWithFile(heif(3024, 4032), 'photo.HEIC', 'image/heic');
		const { error } = await runEdit(server, [item], AT_ONCE);
		expect(error?.message).toBe('The service refused the request: image could not be read');
		expect(error?.description).toContain('If it names the image, save it as PNG or JPEG');
	});

	test('消息获取失败 on an edit is explained: the image is too large', async () => {
		const body = JSON.stringify({ error: { message: '消息获取失败', type: 'x' } });
		server.setFaults([{ fault: { status: 400, body } }]);
		const item = await itemWithFile(await inputImage(64, 64));
		const { error } = await runEdit(server, [item], AT_ONCE);
		expect(error?.message).toBe(
			'The service could not process the input image, most likely because it is too large: 消息获取失败',
		);
		expect(error?.description).toContain('or save it as PNG or JPEG');
		expect(error?.description).toContain('step-image-edit-2 takes at most 4096 × 4096 pixels');
		expect(error?.httpCode).toBe('400');
	});

	test('消息获取失败 on a generation does not mention an input image, since there is none', async () => {
		const body = JSON.stringify({ error: { message: '消息获取失败', type: 'x' } });
		server.setFaults([{ fault: { status: 400, body } }]);
		const { error } = await runGenerate(server, AT_ONCE);
		expect(error?.message).toBe('The service refused the request: 消息获取失败');
	});

	test('A content_filtered image is neither returned nor requested again', async () => {
		server.setFaults([{ fault: { contentFiltered: true } }]);
		const { error, items } = await runGenerate(server);
		expect(error?.message).toBe('The image was made, but stopped by moderation (content_filtered)');
		expect(error?.description).toContain('The image has been charged');
		expect(error?.description).toContain(`Trace ID: ${server.requests[0].traceId}.`);
		expect(error?.description).toContain(`Request ID: ${server.billed[0].id}.`);
		expect(error?.httpCode).toBe('200');
		expect(items).toEqual([]);
		expect(server.requests).toHaveLength(1);
	});

	test.each(['null', 'empty', 'with-image'] as const)(
		'A content_filtered image is not returned with %s in the image field',
		async (contentFiltered) => {
			server.setFaults([{ fault: { contentFiltered } }]);
			const { error, items } = await runGenerate(server);
			expect(error?.message).toContain('stopped by moderation (content_filtered)');
			expect(items).toEqual([]);
		},
	);

	test.each(['file', 'url', 'fileAndUrl'])(
		'A content_filtered image is not returned with output %s',
		async (output) => {
			server.setFaults([{ fault: { contentFiltered: 'with-image' } }]);
			const { error } = await runGenerate(server, { output });
			expect(error?.message).toContain('stopped by moderation (content_filtered)');
			expect(server.resultRequests).toEqual([]);
		},
	);
});

test('A failure of the only item does not mention other lost images', async () => {
	server.setFaults([{ fault: { contentFiltered: true } }]);
	const { error } = await runGenerate(server);
	expect(error?.description).toContain('The image has been charged');
	expect(error?.description).not.toContain('n8n discards');
});

describe('Failures: bodies of errors', () => {
	test.each([
		[
			'HTML',
			'<!doctype html><html><head><title>502 Bad Gateway</title></head></html>',
			': 502 Bad Gateway',
		],
		['HTML without a title', '<h1>Bad</h1>\n<style>a{}</style><p>gateway</p>', ': Bad gateway'],
		['nothing', '', ''],
		['plain text', 'upstream\n  gone', ': upstream gone'],
		['error as text', '{"error":"no capacity"}', ': no capacity'],
		['message at the top', '{"message":"no capacity"}', ': no capacity'],
		['detail', '{"detail":"no capacity"}', ': no capacity'],
		['JSON null', 'null', ': null'],
		['null as the message', '{"error":{"message":null},"message":"really"}', ': really'],
		[
			'a status text beside the message',
			'{"error":"Bad Gateway","message":"no capacity"}',
			': no capacity',
		],
		[
			'a code beside its description',
			'{"error":"invalid_token","error_description":"no room"}',
			': no room',
		],
		['a list of messages', '{"message":["no capacity","try later"]}', ': no capacity; try later'],
		['a list of errors', '{"errors":[{"message":"no capacity"}]}', ': no capacity'],
		['msg, as Chinese services call it', '{"code":1002,"msg":"服务繁忙"}', ': 服务繁忙'],
		[
			'description, as Infomaniak calls it',
			'{"result":"error","error":{"code":"busy","description":"no room"}}',
			': no room',
		],
		[
			'messages, as IONOS calls them',
			'{"httpStatus":502,"messages":[{"errorCode":"7","message":"no room"}]}',
			': no room',
		],
		[
			'a problem of RFC 9457',
			'{"type":"about:blank","title":"Bad","detail":"no room"}',
			': no room',
		],
		['a message within a message', '{"detail":{"error":{"message":"no room"}}}', ': no room'],
		['JSON that ends too early', '{"error":{"message":"no \\"room\\"","trace":[1,2', ': no "room"'],
		['JSON that ends in its message', '{"error":{"message":"no ro', ': no ro'],
		['JSON behind a byte order mark', '\uFEFF{"error":"no room"}', ': no room'],
		['an error without a message', '{"error":{"code":7}}', ': {"error":{"code":7}}'],
	])('The message of an error is found in a body with %s', async (_, body, said) => {
		server.setFaults([{ fault: { status: 502, body } }]);
		const { error } = await runGenerate(server, AT_ONCE);
		expect(error?.message).toBe(`The service failed with status 502${said}`);
		expect(error?.httpCode).toBe('502');
	});

	test.each(['connect ECONNREFUSED 10.0.0.5:443', 'read ETIMEDOUT', 'the entry preexists'])(
		"The service's message is kept even if n8n has a standard text for it: %s",
		async (words) => {
			server.setFaults([{ fault: { status: 502, body: JSON.stringify({ error: words }) } }]);
			const { error } = await runGenerate(server, AT_ONCE);
			expect(error?.message).toBe(`The service failed with status 502: ${words}`);
		},
	);

	test('The long text of an error is shortened', async () => {
		server.setFaults([{ fault: { status: 500, body: 'word '.repeat(100_000) } }]);
		const { error } = await runGenerate(server, AT_ONCE);
		expect(error?.message).toMatch(/^The service failed with status 500: word word .*…$/);
		expect(error?.message.length).toBeLessThan(400);
	});
});

describe('Failures: responses with status 200 but no image', () => {
	test.each<[string, Fault, string, string]>([
		['no image', { noImage: true }, 'The service responded without an image', '200'],
		[
			'text as the image',
			{ notAnImage: true },
			'The response contains something that is not an image: This is text where an image should be.',
			'200',
		],
		[
			'an HTML page',
			{ html: true },
			'The server responded, but not as an image API: Sign in Please sign in',
			'200',
		],
		[
			'JSON that never ends',
			{ badJson: true },
			'The image was made, but did not arrive completely: The response ended early',
			'200',
		],
		['nothing at all', { emptyBody: true }, 'The server responded, but not as an image API', '200'],
	])('Status 200 with %s fails with its own message', async (_, fault, message, httpCode) => {
		server.setFaults([{ fault }]);
		const { error, items } = await runGenerate(server, AT_ONCE);
		expect(error?.name).toBe('NodeApiError');
		expect(error?.message).toBe(message);
		expect(error?.description).toContain(`Trace ID: ${server.requests[0].traceId}.`);
		expect(error?.httpCode).toBe(httpCode);
		expect(error?.context.itemIndex).toBe(0);
		expect(items).toEqual([]);
	});

	test('Status 200 with an empty body is described as such', async () => {
		server.setFaults([{ fault: { emptyBody: true } }]);
		const { error } = await runGenerate(server, AT_ONCE);
		expect(error?.description).toMatch(/^The response is empty[.] Check Service and Base URL/);
	});

	test.each(['no image', 'text as the image', 'filtered'])(
		'A failure by %s includes the ID of the response, which support asks for',
		async (kind) => {
			const faults: Record<string, Fault> = {
				'no image': { noImage: true },
				'text as the image': { notAnImage: true },
				filtered: { contentFiltered: true },
			};
			server.setFaults([{ fault: faults[kind] }]);
			const { error } = await runGenerate(server, AT_ONCE);
			expect(error?.description).toContain(`Request ID: ${server.billed[0].id}.`);
		},
	);

	test('A body that never ends is not read forever', async () => {
		server.setFaults([{ fault: { endlessBody: true } }]);
		const { error } = await runGenerate(server, AT_ONCE);
		expect(error?.message).toBe('The response is far larger than any valid response of this API');
	});
});

describe("Failures: a server's own words", () => {
	test.each([
		['{"error":{"message":"bad size"}}', 'bad size'],
		['{"error":"bad size"}', 'bad size'],
		['{"error":{"error":{"message":"bad size"}}}', 'bad size'],
		['{"error":["bad","size"]}', 'bad; size'],
		['{"errors":[{"message":"bad"},{"message":"size"}]}', 'bad; size'],
		['{"errors":["bad size"]}', 'bad size'],
		['{"errors":"bad size"}', 'bad size'],
		['{"errors":{"message":"bad size","code":"E7"}}', 'bad size'],
		['{"message":"bad size","code":{"toString":1,"valueOf":1}}', 'bad size'],
		['{"statusCode":400,"message":["bad","size"],"error":"Bad Request"}', 'bad; size'],
		['{"code":7,"msg":"bad size"}', 'bad size'],
		['{"error":"invalid_request","error_description":"x","detail":"bad size"}', 'bad size'],
		['{"detail":["bad","size"]}', 'bad; size'],
		['{"detail":{"message":"bad size"}}', 'bad size'],
		[
			'{"detail":[{"loc":["body","size"],"msg":"bad"},{"loc":null,"msg":"worse"}]}',
			'size: bad; worse',
		],
		['{"title":"Bad Request","detail":"bad size"}', 'bad size'],
		['{"base_resp":{"status_msg":"bad size"}}', 'bad size'],
		['[{"error":{"message":"bad size"}}]', 'bad size'],
		['\ufeff{"error":{"message":"bad size"}}', 'bad size'],
		['"bad size"', 'bad size'],
		['bad\u0000\u001b[31m \u202esize', 'bad [31m size'],
		['{"error":{"code":7}}', '{"error":{"code":7}}'],
	])('%s says: %s', async (body, words) => {
		server.setFaults([{ fault: { status: 400, body } }]);
		const { error } = await runGenerate(server, AT_ONCE);
		expect(error?.message).toBe(`The service refused the request: ${words}`);
	});
});

describe('Failures: connections', () => {
	test.each<[string, Fault, RegExp]>([
		[
			'dropped before the response',
			{ drop: 'before-response' },
			/^The connection to 127\.0\.0\.1:\d+ failed: /,
		],
		[
			'dropped after the headers',
			{ drop: 'after-headers' },
			/^The image was made, but did not arrive completely: /,
		],
		[
			'dropped in the middle of the image',
			{ drop: 'mid-body' },
			/^The image was made, but did not arrive completely: /,
		],
		['cut body', { cutBody: true }, /^The image was made, but did not arrive completely: /],
	])('A broken connection mentions the charge: %s', async (_, fault, message) => {
		server.setFaults([{ fault }]);
		const { error, items } = await runGenerate(server, AT_ONCE);
		expect(error?.name).toBe('NodeApiError');
		expect(error?.message).toMatch(message);
		expect(error?.description).toMatch(/charged/);
		expect(error?.context.itemIndex).toBe(0);
		expect(items).toEqual([]);
	});

	test('A server that closes the connection instead of answering is said to do so', async () => {
		server.setFaults([{ fault: { drop: 'before-response' } }]);
		const { error } = await runGenerate(server, AT_ONCE);
		expect(error?.message).toMatch(/^The connection to 127\.0\.0\.1:\d+ failed: socket hang up$/);
		expect(error?.description).toMatch(
			/^127\.0\.0\.1:\d+ closed the connection without a response\. The server may have crashed .+ the image may have been charged\.$/,
		);
	});

	test.each([
		['SSH', 'SSH-2.0-OpenSSH_9.6\r\n', 'Expected HTTP/'],
		['a long head', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 'Header overflow'],
	])('A server that responds with %s is said not to send HTTP', async (_what, text, reason) => {
		const hostile = await startHostileServer(({ socket }) => void socket.end(text));
		const { error } = await runGenerate(hostile, AT_ONCE);
		const { message } = await testCredential(localCredential(hostile));
		await hostile.close();
		expect(error?.message).toContain(`failed: Parse Error: ${reason}`);
		const advice = /^127\.0\.0\.1:\d+ responds, but not with valid HTTP\. Check Service/;
		expect(error?.description).toMatch(advice);
		expect(message).toMatch(advice);
	});

	test('An address without a server fails with the host and the advice to check it', async () => {
		const { port } = new URL(server.url);
		await server.close();
		const { error } = await runGenerate(server, AT_ONCE);
		expect(error?.message).toMatch(
			new RegExp(`^The connection to 127\\.0\\.0\\.1:${port} failed: .*ECONNREFUSED`),
		);
		expect(error?.description).toContain(
			`127.0.0.1:${port} refuses the connection. Check that the server is running, and the port in the Base URL`,
		);
		expect(error?.httpCode ?? null).toBeNull();
		server = await startStepFunServer();
	});

	test('A host that does not exist fails with its name', async () => {
		const { error } = await runGenerate(server, AT_ONCE, {
			credential: { baseUrl: 'http://no-such-host.invalid/v1' },
		});
		expect(error?.message).toMatch(/^The connection to no-such-host\.invalid failed: /);
		expect(error?.description).toMatch(/^n8n cannot find the host no-such-host\.invalid\. Check/);
	});

	test('A name server that does not answer says nothing of whether the host exists', () => {
		const failure = new RequestFailure('connection', {
			code: 'EAI_AGAIN',
			text: 'getaddrinfo EAI_AGAIN images.example.com',
		});
		const credential = { baseUrl: 'https://images.example.com/v1', redactor: NO_REDACTOR };
		const request = { credential, path: '/images/generations' };
		expect(explainFailure(request, failure).description).toMatch(
			/^n8n cannot find the host images\.example\.com\. .* connection to the network\.$/,
		);
	});

	test.each<[FailureKind, FailureDetails]>([
		['connection', { code: 'ENOTFOUND' }],
		['connection', { code: 'ETIMEDOUT' }],
		['invalidJson', {}],
		['tooLarge', {}],
		['status', { status: 418 }],
	])(
		"With StepFun's services, whose credential shows no Base URL, the advice names Service: %s %j",
		(kind, details) => {
			const credential = { baseUrl: SERVICES[0].baseUrl, redactor: NO_REDACTOR };
			const request = { credential, path: '/images/generations' };
			const { description } = explainFailure(request, new RequestFailure(kind, details));
			expect(description).toContain('Check Service and Base URL');
		},
	);

	test.each<[string, Fault]>([
		['never responds', { hang: true }],
		['responds and then never ends', { endlessBody: true, delayMs: 60_000 }],
		['is slower than the timeout', { delayMs: 60_000 }],
	])('A server that %s runs into the timeout', async (_, fault) => {
		server.setFaults([{ fault }]);
		const started = Date.now();
		const { error } = await runGenerate(server, {
			options: { maxTries: 1, timeout: 0.3 },
		});
		expect(error?.message).toBe('The service did not finish its response within 0.3 seconds');
		expect(error?.description).toContain("Raise 'Timeout (Seconds)' under Options");
		expect(error?.context.itemIndex).toBe(0);
		expect(Date.now() - started).toBeLessThan(30_000);
	});
});

describe('Failures: n8n cannot store the image', () => {
	const folder = join(userFolder, 'storage', 'workflows');

	// A file stands where the store wants to make its folders.
	beforeEach(async () => {
		await rm(folder, { recursive: true, force: true });
		await mkdir(dirname(folder), { recursive: true });
		await writeFile(folder, '');
	});

	afterEach(async () => await rm(folder, { force: true }));

	test.each(['file', 'fileAndUrl'])(
		'An image with output %s that n8n cannot store is not requested and paid for again',
		async (output) => {
			const { status } = await runGenerate(server, { output, options: { maxTries: 2 } });
			expect(status).toBe('error');
			expect(server.billed).toHaveLength(1);
		},
	);

	test.each(['file', 'fileAndUrl'])("A failure of %s names n8n's store", async (output) => {
		const { error } = await runGenerate(server, { output, ...AT_ONCE });
		expect(error?.message).toMatch(/^The image [a-z ,]*but n8n could not store it: /);
		expect(error?.description).toContain("settings of n8n's binary data storage");
	});
});

describe('Failures: On Error', () => {
	const prompts = ['one', 'two', 'three', 'four'].map((prompt) => ({ prompt }));
	const parameters = { prompt: '={{ $json.prompt }}', ...AT_ONCE };

	beforeEach(() =>
		server.setFaults([{ when: { promptIncludes: 'three' }, fault: { status: 451 } }]),
	);

	test('Stop Workflow reports the error of the failed item, and the cost of the run so far', async () => {
		const { error, items, status } = await runGenerate(server, parameters, {
			items: prompts,
			onError: 'stopWorkflow',
			credential: { concurrentRequests: 1 },
		});
		expect([status, items]).toEqual(['error', []]);
		expect(error?.message).toBe('Moderation refused the request: Fault 451');
		expect(error?.httpCode).toBe('451');
		expect(error?.context.itemIndex).toBe(2);
		expect(error?.description).toContain(
			"2 other images of this run were made and charged before the run stopped, and n8n discards them. To keep successful images, set 'On Error' in this node's Settings to 'Continue'",
		);
		// With one request at a time the fourth was not sent any more.
		expect(server.requests).toHaveLength(3);
	});

	test('Continue keeps order and links, and the failed item says why it failed', async () => {
		const { error, items, status } = await runGenerate(server, parameters, {
			items: prompts,
			onError: 'continueRegularOutput',
		});
		expect([status, error]).toEqual(['success', undefined]);
		expect(items.map(({ json }) => json.fileName ?? json.error)).toEqual([
			'one-1.png',
			'two-2.png',
			'Moderation refused the request: Fault 451',
			'four-4.png',
		]);
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual(
			[0, 1, 2, 3].map((item) => ({ item })),
		);
		expect(items[2].binary).toBeUndefined();
	});

	test('Continue (using error output) separates the images from the failure', async () => {
		const { items, errorItems, status } = await runGenerate(server, parameters, {
			items: prompts,
			onError: 'continueErrorOutput',
		});
		expect(status).toBe('success');
		expect(items.map(({ json }) => json.fileName)).toEqual([
			'one-1.png',
			'two-2.png',
			'four-4.png',
		]);
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual([
			{ item: 0 },
			{ item: 1 },
			{ item: 3 },
		]);
		expect(errorItems.map(({ json }) => json.error)).toEqual([
			'Moderation refused the request: Fault 451',
		]);
		expect(errorItems[0].pairedItem).toEqual({ item: 2 });
	});

	test.each(['continueRegularOutput', 'continueErrorOutput'] as const)(
		'With On Error %s the JSON of the failed item says how to go on, and has the status and the trace ID',
		async (onError) => {
			const { items, errorItems } = await runGenerate(server, parameters, {
				items: prompts,
				onError,
			});
			const json = JSON.stringify(
				onError === 'continueErrorOutput' ? errorItems[0].json : items[2].json,
			);
			const { traceId } = server.requests.find(({ status }) => status === 451)!;
			expect(json).toContain('Moderation refused the request: Fault 451');
			expect(json).toContain('The same request would be refused again');
			expect(json).toContain('"451"');
			expect(json).toContain(traceId);
		},
	);

	test('The error output recognizes a failed item by error and message alone, as n8n before 2.37 does', async () => {
		const { errorItems } = await runGenerate(server, parameters, {
			items: prompts,
			onError: 'continueErrorOutput',
		});
		expect(errorItems).toHaveLength(1);
		expect(Object.keys(errorItems[0].json).sort()).toEqual(['error', 'message', 'prompt']);
		expect(errorItems[0].json.message).toMatchObject({ httpCode: '451' });
	});

	test('With On Error set to Continue, a failed item keeps the fields of its input item', async () => {
		const { items } = await runGenerate(server, parameters, {
			items: prompts.map((item, index) => ({
				...item,
				row: index + 1,
				error: 'of an earlier node',
			})),
			onError: 'continueRegularOutput',
		});
		expect(items[2].json).toEqual({
			...prompts[2],
			row: 3,
			inputError: 'of an earlier node',
			error: 'Moderation refused the request: Fault 451',
			details: expect.objectContaining({ httpCode: '451' }) as unknown,
		});
	});

	test('With Include Input Fields turned off by an expression, a failed item keeps nothing of its input item', async () => {
		const { items } = await runGenerate(
			server,
			{ ...parameters, options: { includeInputFields: '={{ false }}' } },
			{ items: prompts, onError: 'continueRegularOutput' },
		);
		expect(Object.keys(items[2].json)).toEqual(['error', 'details']);
	});

	test('A refused item keeps nothing of its input item either', async () => {
		const { items } = await runGenerate(
			server,
			{ ...parameters, options: { includeInputFields: false } },
			{ items: [{ prompt: '', sku: 'A1' }], onError: 'continueRegularOutput' },
		);
		expect(items[0].json).toEqual({
			error: "'Prompt' is empty",
			details: expect.any(Object) as unknown,
		});
	});

	test.each(['continueRegularOutput', 'continueErrorOutput'] as const)(
		'With Include Input Fields turned on, failed and refused items keep their files, with On Error %s',
		async (onError) => {
			const photo = await itemWithFile(await inputImage(64, 64));
			const input = ['three', ''].map((prompt) => ({ ...photo, json: { prompt } }));
			const { items, errorItems } = await runEdit(
				server,
				input,
				{ ...parameters, options: { includeInputFields: true } },
				{ onError },
			);
			const failed = onError === 'continueErrorOutput' ? errorItems : items;
			expect(failed.map(({ binary, json }) => [binary, json.prompt])).toEqual([
				[photo.binary, 'three'],
				[photo.binary, ''],
			]);
		},
	);

	test('The error output keeps the fields of the input item, so that it can be tried again', async () => {
		const { errorItems } = await runGenerate(server, parameters, {
			items: prompts.map((item, index) => ({ ...item, row: index + 1 })),
			onError: 'continueErrorOutput',
		});
		expect(errorItems[0].json).toMatchObject({ prompt: 'three', row: 3 });
	});

	test.each([401, 402])('Continue does not send waiting items after a %i', async (status) => {
		server.setFaults([{ when: { nth: 2 }, fault: { status } }]);
		const { items } = await runGenerate(server, parameters, {
			items: prompts,
			onError: 'continueRegularOutput',
			credential: { concurrentRequests: 1 },
		});
		expect(server.requests).toHaveLength(2);
		expect(items.map(({ json }) => typeof json.error)).toEqual([
			'undefined',
			'string',
			'string',
			'string',
		]);
		expect(items[1].json.error).toMatch(new RegExp(`Fault ${status}$`));
		expect(items[2].json.error).toMatch(/^Not sent, because an earlier request of this run failed/);
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual(
			[0, 1, 2, 3].map((item) => ({ item })),
		);
	});

	test('Continue lets each item fail on its own if the failure concerns only that item', async () => {
		server.setFaults([{ fault: { status: 400 } }]);
		const { items } = await runGenerate(server, parameters, {
			items: prompts,
			onError: 'continueRegularOutput',
		});
		expect(server.requests).toHaveLength(4);
		expect(items.map(({ json }) => json.error)).toEqual(
			Array(4).fill('The service refused the request: Fault 400'),
		);
	});
});

describe('Failures: the API key stays secret', () => {
	const apiKey = 'sk-very-secret-0123456789';

	async function everythingThatLeaves(
		fault: Fault,
		onError: 'stopWorkflow' | 'continueErrorOutput',
	) {
		const strict = await startStepFunServer({
			keys: [apiKey],
			drawing: 'once',
			faults: [{ fault }],
		});
		const result = await runGenerate(strict, AT_ONCE, { onError, credential: { apiKey } });
		const status = strict.requests[0].status;
		await strict.close();
		const { error } = result;
		const texts = [
			JSON.stringify(result.run),
			JSON.stringify(result.items),
			JSON.stringify(result.errorItems),
			String(error?.message),
			String(error?.description),
			String(error?.stack),
			JSON.stringify(error),
		];
		return { all: texts.join('\n'), status, error };
	}

	const echo = (text: string) => JSON.stringify({ error: { message: text } });

	describe.each(['stopWorkflow', 'continueErrorOutput'] as const)('On Error %s', (onError) => {
		test.each<[string, Fault]>([
			['a response', { delayMs: 1 }],
			['an error that echoes the key', { status: 401, body: echo(`Bad key ${apiKey}!`) }],
			['an error that echoes the header', { status: 400, body: echo(`Bearer ${apiKey}`) }],
			['an HTML page that echoes the key', { status: 500, body: `<title>${apiKey}</title>` }],
			['a long text that ends in the key', { status: 500, body: `${'x'.repeat(290)}${apiKey}` }],
			['a redirect that carries the key', { redirectTo: `http://elsewhere.invalid/?k=${apiKey}` }],
			['a dropped connection', { drop: 'before-response' }],
			['a cut response', { cutBody: true }],
		])('No item and no error contains the API key after %s', async (_, fault) => {
			const { all, status } = await everythingThatLeaves(fault, onError);
			if (!('drop' in fault)) expect(status).toBe('status' in fault ? fault.status : status);
			expect(all).not.toContain(apiKey);
			expect(all).not.toContain('very-secret');
		});
	});

	test('An API key that an error repeats is redacted in the message', async () => {
		const fault = { status: 401, body: echo(`Incorrect API key ${apiKey} provided`) };
		const { error } = await everythingThatLeaves(fault, 'stopWorkflow');
		expect(error?.message).toBe('The API key was not accepted: Incorrect API key *** provided');
	});
});

describe('Failures: the announcement of StepFun', () => {
	const node = { id: '1', name: 'StepFun Image', type: 'x', typeVersion: 1 } as unknown as INode;
	const failing = (baseUrl: string, failure: RequestFailure) =>
		requestError(
			{ node, itemIndex: 4, isTool: false },
			{
				credential: { baseUrl, redactor: NO_REDACTOR },
				path: '/images/generations',
				image: { operation: 'generate', model: 'step-image-edit-2', hasInputImage: false },
			},
			failure,
		);
	const withStatus = (status: number, text = '') => new RequestFailure('status', { status, text });

	test.each([
		'https://api.stepfun.com/v1',
		'https://api.stepfun.ai/v1',
		'https://api.stepfun.com/step_plan/v1',
		'https://api.stepfun.ai/step_plan/v1',
	])("StepFun's announcement is in a 404 and a 503 of %s, in no other failure", (baseURL) => {
		for (const status of [404, 503]) {
			const error = failing(baseURL, withStatus(status));
			expect(error).toBeInstanceOf(NodeApiError);
			expect(error.description).toContain('from 2026-10-10');
			expect(error.description).toContain('choose Custom as Service');
			expect(error.httpCode).toBe(String(status));
			expect(error.context.itemIndex).toBe(4);
		}
		for (const status of [400, 401, 402, 429, 451, 500]) {
			const error = failing(baseURL, withStatus(status));
			expect(error.description).not.toContain('2026-10-10');
		}
	});

	test("StepFun's announcement also appears in a 404 that names the model, since the models are out of service", () => {
		const text = 'The model step-image-edit-2 does not exist';
		const error = failing('https://api.stepfun.com/v1', withStatus(404, text));
		expect(error.message).toContain('The server does not have the model');
		expect(error.description).toContain('from 2026-10-10');
	});

	test.each(['https://images.example.com/v1', 'https://api.stepfun.com.example.com/v1'])(
		"StepFun's announcement does not appear in a failure of %s",
		(baseURL) => {
			const error = failing(baseURL, withStatus(404, 'gone'));
			expect(error.message).toBe(`There is no /images/generations at ${baseURL}: gone`);
			expect(error.description).not.toContain('2026-10-10');
		},
	);

	test('Tries, trace ID and request ID end a description, and the IDs are also listed separately', () => {
		const error = failing(
			'https://images.example.com/v1',
			new RequestFailure('contentFiltered', { traceId: 'trace-1', id: 'request-1', tries: 3 }),
		);
		expect(error.description).toMatch(
			/Tried 3 times\. Trace ID: trace-1\. Request ID: request-1\.$/,
		);
		expect(error.messages).toEqual(['Trace ID: trace-1', 'Request ID: request-1']);
	});
});
