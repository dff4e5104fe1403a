import { runNode, type NodeRun } from '../engine/runNode';
import { localCredential } from '../nodes/local-runs';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server';

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
			cashBalance: 0.5,
			voucherBalance: 0.1,
			currency: 'CNY',
			buysImages: { 'step-image-edit-2': 30, 'step-2x-large': 6 },
		},
		pairedItem: { item: 1 },
	});
	expect(server.billed).toEqual([]);
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
