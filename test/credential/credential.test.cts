import {
	NodeHelpers,
	type ICredentialDataDecryptedObject,
	type INode,
	type INodeParameters,
} from 'n8n-workflow';

import { StepFunApi } from '../../credentials/StepFunApi.credentials';
import { parseCredential } from '../../nodes/StepFunImage/transport/credential';
import { startHostileServer } from '../kit/hostileServer.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { localCredential } from '../kit/stepFunCredential.cts';
import { testCredential } from '../kit/testCredential.cts';
import {
	LOCAL_API_KEY,
	startStepFunServer,
	type StepFunServer,
} from '../stepfun-server/server.cts';

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer();
});

beforeEach(() => {
	server.setFaults([]);
	server.reset();
});

afterAll(async () => await server.close());

async function testLocal(changes: ICredentialDataDecryptedObject = {}) {
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

	test('The connection test gives up on a response that never ends', async () => {
		const hostile = await startHostileServer();
		hostile.attackWith((_request, response) => {
			const drip = setInterval(() => response.write(' '), 500);
			response.on('close', () => clearInterval(drip));
		});
		const result = await testCredential(localCredential(hostile));
		await hostile.close();
		expect(result).toEqual({
			status: 'Error',
			message: expect.stringMatching(
				/^The service did not finish its response within 20 seconds[.] Try again later[.]/,
			) as unknown,
		});
	});

	test.each([
		['a slash at the end', (url: string) => `${url}/`],
		['slashes at the end', (url: string) => `${url}//`],
		['spaces around it', (url: string) => `  ${url}/\n`],
	])('The connection test accepts a Base URL with %s', async (_, spell) => {
		expect((await testLocal({ baseUrl: spell(server.url) })).status).toBe('OK');
		expect(server.requests.map(({ path }) => path)).toEqual(['/v1/models']);
	});

	test('The connection test accepts a key with stray spaces', async () => {
		expect((await testLocal({ apiKey: ` ${LOCAL_API_KEY}\n` })).status).toBe('OK');
		expect(server.requests[0].headers.authorization).toBe('Bearer local-stepfun-key');
	});

	test.each(['wrong-key', '', '   '])(
		'The connection test says that the key %j was not accepted',
		async (apiKey) => {
			expect(await testLocal({ apiKey })).toEqual({
				status: 'Error',
				message:
					'The API key was not accepted: Incorrect API key provided. Check the API Key and the Headers.',
			});
			expect(server.requests.map(({ status }) => status)).toContain(401);
		},
	);

	test('The connection test says that there is no API at a wrong path', async () => {
		expect(await testLocal({ baseUrl: `${server.origin}/api` })).toEqual({
			status: 'Error',
			message: `There is no /models at ${server.origin}/api: Unknown request: GET /api/models. Check Service and Base URL; the Base URL usually ends in /v1.`,
		});
	});

	test('The connection test says that a key may not use the service if it responds with 403', async () => {
		server.setFaults([{ when: { path: '/models' }, fault: { status: 403 } }]);
		expect(await testLocal()).toEqual({
			status: 'Error',
			message:
				'This key may not use the endpoint: Fault 403. Check what this key may use on the server.',
		});
	});

	test.each([
		['an HTML page', { html: true }],
		['JSON without a list of models', { status: 200, body: '{"hello":"world"}' }],
		['an empty response', { emptyBody: true }],
	] as const)('The connection test refuses %s with status 200', async (_, fault) => {
		server.setFaults([{ when: { path: '/models' }, fault }]);
		expect(await testLocal()).toEqual({
			status: 'Error',
			message:
				'The server responds, but not as an image API: there is no list of models at this address. Check Service and Base URL; the Base URL usually ends in /v1.',
		});
	});

	test.each<
		[
			what: string,
			status: number,
			fault: { body?: string; headers?: Record<string, string> },
			words: string,
		]
	>([
		[
			'as JSON',
			400,
			{
				body: '{"status":"failure","message":"Either x-portkey-config or x-portkey-provider is required"}',
			},
			'The service refused the request: Either x-portkey-config or x-portkey-provider is required.',
		],
		['as a page', 403, { body: '<title>Sign in</title>' }, 'refused the request: Sign in.'],
		['as text', 401, { body: `Unknown key ${LOCAL_API_KEY}` }, 'accepted: Unknown key ***.'],
		[
			'in a code',
			429,
			{ body: '{"code":"insufficient_quota"}' },
			"The account's balance is used up",
		],
		[
			'as a redirect',
			308,
			{ headers: { location: 'https://new.example/v1' } },
			'https://new.example/v1',
		],
		['if there are any', 401, {}, 'was not accepted. Check'],
	])("The connection test shows the server's message %s", async (_what, status, fault, words) => {
		server.setFaults([{ when: { path: '/models' }, fault: { status, body: '', ...fault } }]);
		const { message } = await testLocal();
		expect(message).toContain(words);
	});

	test('The connection test says that a server is out of service', async () => {
		server.setFaults([{ when: { path: '/models' }, fault: { status: 503 } }]);
		expect(await testLocal()).toEqual({
			status: 'Error',
			message: 'The service is overloaded or out of service: Fault 503. Try again later.',
		});
	});

	test('The connection test says that no server listens at an address', async () => {
		const other = await startStepFunServer();
		await other.close();
		expect(await testLocal({ baseUrl: other.url })).toEqual({
			status: 'Error',
			message: `${new URL(other.url).host} refuses the connection. Check that the server is running, and the port in the Base URL. If n8n runs in Docker, localhost is its own container.`,
		});
	});

	test.each([
		['http://no-such-host.invalid/v1', 'n8n cannot find the host no-such-host.invalid.'],
		['images.example.com/v1', 'enter https://images.example.com/v1'],
		['localhost:8000/v1', 'enter http://localhost:8000/v1.'],
		['[::1]:8000/v1', 'enter http://[::1]:8000/v1.'],
		['gpu.local/v1', 'enter http://gpu.local/v1.'],
		['172.20.0.5:8000/v1', 'enter http://172.20.0.5:8000/v1.'],
		['203.0.113.7:8000/v1', 'enter https://203.0.113.7:8000/v1.'],
		['192.168.1.7:8000/v1', 'enter http://192.168.1.7:8000/v1.'],
		['images.example.com:8080/v1', 'enter https://images.example.com:8080/v1'],
		['ftp://images.example.com', 'The Base URL is not a web address.'],
		['http:/images.example.com/v1', 'The Base URL is not a web address.'],
		['http:\\\\images.example.com', 'The Base URL is not a web address.'],
		['//images.example.com/v1', 'The Base URL is not a web address.'],
		['http://', 'The Base URL is not a web address.'],
		['ann:secret@images.example.com', 'The Base URL is not a web address.'],
	])('The connection test says in a sentence what is wrong with %s', async (baseUrl, sentence) => {
		const { status, message } = await testLocal({ baseUrl });
		expect(status).toBe('Error');
		expect(message).toContain(sentence);
		expect(message).not.toMatch(/E[A-Z]{4,}/);
	});

	test('The connection test mentions HTTPS if the server does not support it', async () => {
		const { message } = await testLocal({ baseUrl: server.url.replace('http:', 'https:') });
		expect(message).toContain('does not support HTTPS');
	});

	test('The connection test rejects an address without a version if it has no list of models', async () => {
		expect(await testLocal({ apiFormat: 'openai', baseUrl: server.origin })).toMatchObject({
			status: 'Error',
			message: expect.stringContaining('the Base URL usually ends in /v1'),
		});
	});

	test.each([
		['without an object around it, as Together', '[{"id":"FLUX.1-schnell","type":"image"}]'],
		['that is null, as Ollama without a model', '{"object":"list","data":null}'],
	])('The connection test accepts a list of models %s sends it', async (_, body) => {
		server.setFaults([{ when: { path: '/models' }, fault: { status: 200, body } }]);
		expect(await testLocal()).toEqual({ status: 'OK', message: 'Connection successful!' });
	});

	test('The connection test accepts a version in the query of an address, as Azure requires', async () => {
		const baseUrl = `${server.origin}/openai/deployments/image?api-version=2025-04-01-preview`;
		expect((await testLocal({ apiFormat: 'openai', baseUrl })).status).toBe('OK');
	});

	test('The connection test of a server that may lack a list of models passes without one', async () => {
		server.setFaults([{ when: { path: '/models' }, fault: { status: 404 } }]);
		expect(await testLocal({ apiFormat: 'openai' })).toEqual({
			status: 'OK',
			message: 'The server responds. It has no list of models, so the API key was not tested.',
		});
		expect((await testLocal({ apiFormat: 'vllmOmni' })).status).toBe('Error');
	});

	test.each<[string, ICredentialDataDecryptedObject, string]>([
		['a login in the Base URL', { baseUrl: 'http://user:pass@127.0.0.1:9/v1' }, 'a user name'],
		[
			'a header of the protocol',
			{ headers: { values: [{ name: 'Host', value: 'other' }] } },
			"The header 'Host'",
		],
		['a key that cannot be sent', { apiKey: 'sk-\u94a5' }, "'API Key' contains a character"],
	])(
		'The connection test refuses what the node refuses, without a request: %s',
		async (_what, fields, message) => {
			const result = await testLocal(fields);
			expect(result.status).toBe('Error');
			expect(result.message).toContain(message);
			expect(result.message).not.toContain('user:pass');
			expect(server.requests).toEqual([]);
		},
	);

	test.each(['', 'images.example.com/v1'])(
		'The connection test refuses the Base URL %j without a request',
		async (baseUrl) => {
			expect((await testLocal({ baseUrl })).status).toBe('Error');
			expect(server.requests).toEqual([]);
		},
	);

	test('The connection test names a Service that does not exist', async () => {
		const { status, message } = await testLocal({ service: 'StepFun China' });
		expect(status).toBe('Error');
		expect(message).toContain("'Service' is StepFun China, which does not exist: choose one");
	});
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
		expect(await authenticate({ apiKey: '' }, { url: 'http://127.0.0.1/v1' })).toEqual({
			url: 'http://127.0.0.1/v1',
			headers: {},
		});
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

describe('Credential: the Base URL of a custom server', () => {
	test.each([
		['http://host/v1/images/generations', 'http://host/v1', ''],
		['http://host/v1/images/edits/', 'http://host/v1', ''],
		['http://host/v1/?api-version=2026-01-01', 'http://host/v1', '?api-version=2026-01-01'],
		[
			'http://host/openai/images/generations?api-version=1&x=2',
			'http://host/openai',
			'?api-version=1&x=2',
		],
	])('%s', (entered, baseUrl, query) => {
		expect(parseCredential({ service: 'custom', baseUrl: entered })).toMatchObject({
			baseUrl,
			query,
		});
	});

	test('The query of the Base URL is kept behind the path of each request', async () => {
		const { items, error } = await runGenerate(
			server,
			{},
			{ credential: { baseUrl: `${server.url}?api-version=2026-01-01` } },
		);
		expect(error?.message).toBeUndefined();
		expect(items).toHaveLength(1);
	});

	test('Several headers are sent beside the key', async () => {
		const headers = {
			values: [
				{ name: 'CF-Access-Client-Id', value: 'id-1' },
				{ name: 'X-B', value: 'two' },
			],
		};
		await runGenerate(server, {}, { credential: { headers } });
		expect(server.requests[0].headers).toMatchObject({
			'cf-access-client-id': 'id-1',
			'x-b': 'two',
			authorization: 'Bearer local-stepfun-key',
		});
	});

	test('A key that was copied with the word Bearer or a line break is sent without them', async () => {
		const { error } = await runGenerate(
			server,
			{},
			{ credential: { apiKey: `Bearer ${LOCAL_API_KEY}\n` } },
		);
		expect(error?.message).toBeUndefined();
	});

	test('Servers that draw one picture at a time get one request at a time, unless the credential says otherwise', () => {
		const concurrencyOf = (apiFormat: string, concurrentRequests: number) =>
			parseCredential({ service: 'custom', apiFormat, concurrentRequests }).limits
				.concurrentRequests;
		expect(concurrencyOf('stableDiffusionCpp', 5)).toBe(1);
		expect(concurrencyOf('stableDiffusionCpp', 3)).toBe(3);
		expect(concurrencyOf('stepfun', 5)).toBe(5);
	});
});
