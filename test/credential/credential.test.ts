import { NodeHelpers, type INode, type INodeParameters } from 'n8n-workflow';

import { StepFunApi } from '../../credentials/StepFunApi.credentials';
import { localCredential } from '../kit/stepFunCredential';
import { testCredential } from '../kit/testCredential';
import { LOCAL_API_KEY, startStepFunServer, type StepFunServer } from '../stepfun-server/server';

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer();
});

beforeEach(() => {
	server.setFaults([]);
	server.reset();
});

afterAll(async () => await server.close());

async function testLocal(changes: Record<string, string> = {}) {
	return await testCredential(localCredential(server, changes));
}

describe('Credential: the connection test', () => {
	test('The connection test of a right key and address is one free GET /models', async () => {
		expect(await testLocal()).toEqual({ status: 'OK', message: 'Connection successful!' });
		expect(server.requests).toHaveLength(1);
		const [request] = server.requests;
		expect([request.method, request.path, request.status]).toEqual(['GET', '/v1/models', 200]);
		expect(request.headers.authorization).toBe('Bearer local-stepfun-key');
		expect(server.billed).toEqual([]);
	});

	test('The connection test works with the Step Plan address', async () => {
		expect((await testLocal({ baseUrl: server.stepPlanUrl })).status).toBe('OK');
		expect(server.requests.map(({ path }) => path)).toEqual(['/step_plan/v1/models']);
	});

	test.each([
		['a slash at the end', (url: string) => `${url}/`],
		['slashes at the end', (url: string) => `${url}//`],
		['spaces around it', (url: string) => `  ${url}/\n`],
	])('The connection test takes a Base URL with %s', async (_, spell) => {
		expect((await testLocal({ baseUrl: spell(server.url) })).status).toBe('OK');
		expect(server.requests.map(({ path }) => path)).toEqual(['/v1/models']);
	});

	test('The connection test takes a key with stray spaces', async () => {
		expect((await testLocal({ apiKey: ` ${LOCAL_API_KEY}\n` })).status).toBe('OK');
		expect(server.requests[0].headers.authorization).toBe('Bearer local-stepfun-key');
	});

	test.each(['wrong-key', '', '   '])(
		'The connection test says that the key %j was not accepted',
		async (apiKey) => {
			expect(await testLocal({ apiKey })).toEqual({
				status: 'Error',
				message:
					'The API key was not accepted. Copy it again, and check that Service is the platform that issued it: keys of platform.stepfun.com and platform.stepfun.ai are not interchangeable.',
			});
			expect(server.requests.map(({ status }) => status)).toContain(401);
		},
	);

	test('The connection test says that there is no API at a wrong path', async () => {
		expect(await testLocal({ baseUrl: `${server.origin}/api` })).toEqual({
			status: 'Error',
			message:
				'The server answers, but not at this address: it has no /models. Check Service and Base URL; the Base URL usually ends in /v1.',
		});
	});

	test('The connection test says that a key may not use the service when it answers 403', async () => {
		server.setFaults([{ when: { path: '/models' }, fault: { status: 403 } }]);
		expect(await testLocal()).toEqual({
			status: 'Error',
			message: 'The API key is known, but it may not use this service.',
		});
	});

	test.each([
		['an HTML page', { html: true }],
		['JSON without a list of models', { status: 200, body: '{"hello":"world"}' }],
		['an empty answer', { emptyBody: true }],
	] as const)('The connection test refuses %s with status 200', async (_, fault) => {
		server.setFaults([{ when: { path: '/models' }, fault }]);
		expect(await testLocal()).toEqual({
			status: 'Error',
			message:
				'The server answers, but not as an image API: there is no list of models at this address. Check the Base URL; it usually ends in /v1.',
		});
	});

	test('The connection test shows the status of a server that fails', async () => {
		server.setFaults([{ when: { path: '/models' }, fault: { status: 503 } }]);
		expect(await testLocal()).toEqual({ status: 'Error', message: 'Service Unavailable' });
	});

	test('The connection test says that nobody listens at an address', async () => {
		const other = await startStepFunServer();
		await other.close();
		expect(await testLocal({ baseUrl: other.url })).toEqual({
			status: 'Error',
			message: 'ECONNREFUSED',
		});
	});

	test.each(['', 'images.example.com/v1'])(
		'The connection test refuses the Base URL %j without a request',
		async (baseUrl) => {
			expect((await testLocal({ baseUrl })).status).toBe('Error');
			expect(server.requests).toEqual([]);
		},
	);
});

describe('Credential: the fields', () => {
	const { properties, authenticate } = new StepFunApi();
	const field = (name: string) => properties.find((property) => property.name === name);

	test('Service offers the four addresses of StepFun and Custom', () => {
		const services = field('service')?.options as Array<{ name: string; value: string }>;
		expect(services.map(({ name, value }) => [name, value])).toEqual([
			['StepFun China', 'https://api.stepfun.com/v1'],
			['StepFun International', 'https://api.stepfun.ai/v1'],
			['Step Plan China', 'https://api.stepfun.com/step_plan/v1'],
			['Step Plan International', 'https://api.stepfun.ai/step_plan/v1'],
			['Custom', 'custom'],
		]);
		expect(field('service')?.default).toBe('https://api.stepfun.com/v1');
	});

	test.each([
		['https://api.stepfun.com/v1', false],
		['https://api.stepfun.ai/step_plan/v1', false],
		['custom', true],
	])('With the service %s, Base URL is shown: %s', (service, shown) => {
		const values: INodeParameters = { service };
		const node: Pick<INode, 'typeVersion'> = { typeVersion: 1 };
		expect(NodeHelpers.displayParameter(values, field('baseUrl')!, node, null)).toBe(shown);
	});

	test('The API key is a password field, and goes into the Authorization header only', async () => {
		expect(field('apiKey')?.typeOptions).toEqual({ password: true });
		const request = { url: 'https://api.stepfun.com/v1/models', headers: { Accept: 'text/plain' } };
		expect(await authenticate({ apiKey: ' the-key\n' }, request)).toEqual({
			url: 'https://api.stepfun.com/v1/models',
			headers: { Accept: 'text/plain', Authorization: 'Bearer the-key' },
		});
	});

	test("The limits of the credential start with what StepFun's lowest tier allows", () => {
		expect([field('concurrentRequests')?.default, field('requestsPerMinute')?.default]).toEqual([
			5, 0,
		]);
	});
});
