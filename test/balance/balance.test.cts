import type { INodeParameters } from 'n8n-workflow';

import { balanceCurrencyOf } from '../../nodes/StepFunImage/catalogue/services';
import { explainFailure } from '../../nodes/StepFunImage/errors/messages';
import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';
import { inputImage, itemWithFile } from '../kit/images.cts';
import { startHostileServer } from '../kit/hostileServer.cts';
import { runNode, type NodeRun } from '../kit/runNode.cts';
import { waitFor } from '../kit/waitFor.cts';
import { localCredential } from '../kit/stepFunCredential.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';
import type { Fault, FaultRule } from '../stepfun-server/types.cts';

let server: StepFunServer;
afterEach(async () => await server.close());

const getBalance = async (rest: Partial<NodeRun> = {}) =>
	await runNode({
		parameters: { resource: 'account', operation: 'getBalance' },
		credential: localCredential(server),
		...rest,
	});

test('Get Balance returns the balance and how many images of each model it buys', async () => {
	server = await startStepFunServer({
		balance: { type: 'prepaid', cash: 0.5, voucher: 0.1 },
	});
	const { items, error } = await getBalance({ items: [{}, {}] });
	expect(error?.message).toBeUndefined();
	expect(items).toHaveLength(2);
	expect(items[1]).toEqual({
		json: {
			type: 'prepaid',
			balance: 0.6,
			totalCashBalance: 0.5,
			totalVoucherBalance: 0.1,
			currency: null,
			buysImages: { 'step-image-edit-2': 30, 'step-2x-large': 6 },
		},
		pairedItem: { item: 1 },
	});
	expect(server.billed).toEqual([]);
});

test.each([
	[0.015, 0],
	[0.06, 3],
	[0.07, 3],
	[-1, 0],
])('%d yuan buy %d images, never one too many', async (balance, count) => {
	server = await startStepFunServer({ balance });
	const { items } = await getBalance();
	expect(items[0].json.buysImages).toMatchObject({
		'step-image-edit-2': count,
	});
});

describe('Get Balance: requests', () => {
	const rows = Array.from({ length: 20 }, (_, index) => ({ index }));
	const failing = async (fault: Fault, times?: number) => {
		server = await startStepFunServer({
			faults: [{ when: { path: 'accounts' }, times, fault }],
		});
	};

	test('Get Balance asks once for all items of a run', async () => {
		server = await startStepFunServer();
		const { items } = await getBalance({ items: rows });
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual(
			rows.map(({ index }) => ({ item: index })),
		);
		expect(server.requests).toHaveLength(1);
	});

	test('Get Balance asks again in the next run', async () => {
		server = await startStepFunServer();
		await getBalance({ items: rows });
		await getBalance({ items: rows });
		expect(server.requests).toHaveLength(2);
	});

	test("Get Balance asks again with n8n's Retry On Fail", async () => {
		await failing({ status: 401 }, 1);
		const { items, error } = await getBalance({
			items: rows,
			retryOnFail: { maxTries: 2 },
		});
		expect(error?.message).toBeUndefined();
		expect(items).toHaveLength(20);
		expect(server.requests).toHaveLength(2);
	});

	test('Get Balance asks again after a failure that can pass', async () => {
		await failing({ status: 429, retryAfter: 0 }, 1);
		const { items, error } = await getBalance({ items: rows });
		expect(error?.message).toBeUndefined();
		expect(items).toHaveLength(20);
		expect(server.requests).toHaveLength(2);
	});

	test('Get Balance asks once if the request fails for good, and each item reports it', async () => {
		await failing({ status: 401 });
		const { items } = await getBalance({
			items: rows,
			onError: 'continueRegularOutput',
		});
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual(
			rows.map(({ index }) => ({ item: index })),
		);
		expect(items[19].json.error).toContain('The API key was not accepted');
		expect(server.requests).toHaveLength(1);
	});

	test('Get Balance stops asking when the execution is canceled', async () => {
		await failing({ hang: true });
		const asked = async () =>
			await waitFor('the request', () => server.requests.length > 0, { pollMs: 10 });
		const { status, items } = await getBalance({
			items: rows,
			onError: 'continueRegularOutput',
			onStart: (cancel) => void asked().then(cancel),
		});
		expect(status).toBe('canceled');
		expect(new Set(items.map(({ json }) => json.error))).toEqual(
			new Set(['The execution was canceled']),
		);
		expect(server.requests).toHaveLength(1);
	});
});

test.each(['', 'images.example.com/v1', 'https://'])(
	'Get Balance refuses the Base URL %j',
	async (baseUrl) => {
		server = await startStepFunServer();
		const { error } = await getBalance({
			credential: localCredential(server, { baseUrl }),
		});
		expect(error?.message).toBe("The credential's 'Base URL' is not a web address");
		expect(error?.context.itemIndex).toBe(0);
	},
);

describe('Get Balance: errors mention the balance, not an image', () => {
	const redactor = { text: (text: string) => text, link: (link: string) => link };
	const credential = { baseUrl: 'https://images.example/v1', redactor };
	const request = { path: '/accounts', credential };
	const toldOf = (...failure: ConstructorParameters<typeof RequestFailure>) => {
		const { message, description } = explainFailure(request, new RequestFailure(...failure));
		return `${message} ${description}`;
	};

	test.each<ConstructorParameters<typeof RequestFailure>>([
		['connection', { text: 'connect ECONNREFUSED' }],
		['timeout', { limit: '120 seconds' }],
		['truncated', { text: 'The connection broke while the response was arriving' }],
		['invalidJson', { text: '<html>' }],
		['noBalance', { text: '{}' }],
		['status', { status: 408, text: '' }],
		['status', { status: 429, text: '' }],
		['status', { status: 504, text: '' }],
		['status', { status: 400, text: '' }],
	])('An error of Get Balance after %s %j does not mention images', (...failure) => {
		expect(toldOf(...failure)).not.toMatch(/charged|Options|image was|steps|model/i);
	});

	test('A 404 of Get Balance says that not every server reports a balance', () => {
		expect(toldOf('status', { status: 404, text: '' })).toContain(
			'Not every region and server reports the balance.',
		);
	});

	test.each(['{"balance":"12.5"}', '{}', 'null', '[]'])(
		'Get Balance says that %s is JSON without a balance',
		async (body) => {
			const other = await startHostileServer((_request, response) => void response.end(body));
			server = await startStepFunServer();
			const { error } = await getBalance({ credential: localCredential(other) });
			await other.close();
			expect(error?.message).toBe(`The server's response contains no balance: ${body}`);
			expect(error?.description).not.toContain('not JSON');
		},
	);
});

test.each([
	['https://api.stepfun.com/v1', 'cny'],
	['https://api.stepfun.com/step_plan/v1', 'cny'],
	// StepFun's documentation names no currency there, and other servers may count in any.
	['https://api.stepfun.ai/v1', undefined],
	['https://images.example.com/v1', undefined],
	['', undefined],
])('The balance of %s is in %s', (baseUrl, currency) => {
	expect(balanceCurrencyOf(baseUrl)).toBe(currency);
});

describe('Get Balance: Include Input Fields', () => {
	const balanceBeside = async (options: INodeParameters, faults?: FaultRule[]) => {
		server = await startStepFunServer({ balance: 5, faults });
		const items = await Promise.all(
			['A1', 'A2'].map(async (sku) => ({
				...(await itemWithFile(await inputImage(80, 60))),
				json: { sku, balance: 'own' },
			})),
		);
		return await getBalance({
			parameters: { resource: 'account', operation: 'getBalance', options },
			items,
			onError: 'continueRegularOutput',
		});
	};

	test.each([true, '={{ "true" }}'])(
		'Include Input Fields as %s keeps the JSON and the files beside a balance',
		async (includeInputFields) => {
			const { items } = await balanceBeside({ includeInputFields });
			expect(items.map(({ json }) => [json.sku, json.balance])).toEqual([
				['A1', 5],
				['A2', 5],
			]);
			expect(Object.keys(items[1].binary ?? {})).toEqual(['data']);
			expect(items.map(({ pairedItem }) => pairedItem)).toEqual([{ item: 0 }, { item: 1 }]);
		},
	);

	test('Include Input Fields keeps the JSON and the files beside the error of a failed request', async () => {
		const faults = [{ when: { path: 'accounts' }, fault: { status: 401 } }];
		const { items } = await balanceBeside({ includeInputFields: true }, faults);
		expect(items[1].json).toMatchObject({ sku: 'A2', error: expect.any(String) as unknown });
		expect(Object.keys(items[1].binary ?? {})).toEqual(['data']);
	});

	test.each([{}, { includeInputFields: false }])(
		'The options %j keep no input beside a balance',
		async (options) => {
			const { items } = await balanceBeside(options);
			expect(items[0].json).not.toHaveProperty('sku');
			expect(items[0].binary).toBeUndefined();
		},
	);
});

test('Get Balance says so if a server does not report a balance', async () => {
	server = await startStepFunServer({
		faults: [{ when: { path: 'accounts' }, fault: { status: 404 } }],
	});
	const { error } = await getBalance();
	expect(error?.httpCode).toBe('404');
	expect(error?.description).toMatch(/^Not every region and server reports the balance\./);
});

test.each([
	[{ status: 401 }, 'The API key was not accepted'],
	[{ html: true as const }, 'The server responded, but not as an image API'],
	[{ endlessBody: true as const }, 'The response is far too large for an account balance'],
])('A balance request that meets %j fails with a message of its own', async (fault, message) => {
	server = await startStepFunServer({
		faults: [{ when: { path: 'accounts' }, fault }],
	});
	const { error } = await getBalance();
	expect(error?.message).toContain(message);
	const { items } = await getBalance({ onError: 'continueRegularOutput' });
	expect(items[0].json.error).toContain(message);
});
