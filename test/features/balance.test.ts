import type { INodeParameters } from 'n8n-workflow';

import { balanceCurrencyOf } from '../../nodes/StepFunImage/catalogue/hosts';
import { runNode, type NodeRun } from '../engine/runNode';
import { itemWithFile, localCredential } from '../nodes/local-runs';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server';
import { inputImage } from '../stepfun-server/test-requests';

let server: StepFunServer;
afterEach(async () => await server.close());

const getBalance = async (rest: Partial<NodeRun> = {}) =>
	await runNode({
		parameters: { resource: 'account', operation: 'getBalance' },
		credential: localCredential(server),
		...rest,
	});

test('tells what is left and how many images of each model it buys', async () => {
	server = await startStepFunServer({ balance: { type: 'prepaid', cash: 0.5, voucher: 0.1 } });
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
	expect(items[0].json.buysImages).toMatchObject({ 'step-image-edit-2': count });
});

test.each([
	['https://api.stepfun.com/v1', 'cny'],
	['https://api.stepfun.com/step_plan/v1', 'cny'],
	// StepFun's documentation names no currency there, and other servers may count in any.
	['https://api.stepfun.ai/v1', undefined],
	['https://images.example.com/v1', undefined],
	['', undefined],
])('the balance of %s is in %s', (baseUrl, currency) => {
	expect(balanceCurrencyOf(baseUrl)).toBe(currency);
});

describe('Include Input Fields', () => {
	const balanceBeside = async (options: INodeParameters) => {
		server = await startStepFunServer({ balance: 5 });
		const items = await Promise.all(
			['A1', 'A2'].map(async (sku) => ({
				...(await itemWithFile(await inputImage(80, 60))),
				json: { sku, balance: 'own' },
			})),
		);
		return await getBalance({
			parameters: { resource: 'account', operation: 'getBalance', options },
			items,
		});
	};

	test.each([true, '={{ "true" }}'])('%s keeps JSON and files', async (includeInputFields) => {
		const { items } = await balanceBeside({ includeInputFields });
		expect(items.map(({ json }) => [json.sku, json.balance])).toEqual([
			['A1', 5],
			['A2', 5],
		]);
		expect(Object.keys(items[1].binary ?? {})).toEqual(['data']);
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual([{ item: 0 }, { item: 1 }]);
	});

	test.each([{}, { includeInputFields: false }])('%j keeps nothing', async (options) => {
		const { items } = await balanceBeside(options);
		expect(items[0].json).not.toHaveProperty('sku');
		expect(items[0].binary).toBeUndefined();
	});
});

test('says so where a server does not tell the balance', async () => {
	server = await startStepFunServer({
		faults: [{ when: { path: 'accounts' }, fault: { status: 404 } }],
	});
	const { error } = await getBalance();
	expect(error?.httpCode).toBe('404');
	expect(error?.description).toMatch(/^Not every region and server tells the balance\./);
});

test.each([
	[{ status: 401 }, 'The API key was not accepted'],
	[{ html: true as const }, 'The server answered, but not as an image API'],
	[{ endlessBody: true as const }, 'The answer is far larger than an account is'],
])('%j becomes a message', async (fault, message) => {
	server = await startStepFunServer({ faults: [{ when: { path: 'accounts' }, fault }] });
	const { error } = await getBalance();
	expect(error?.message).toContain(message);
	const { items } = await getBalance({ onError: 'continueRegularOutput' });
	expect(items[0].json.error).toContain(message);
});
