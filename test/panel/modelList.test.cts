import '../kit/userFolder.cts';

import { LoadOptionsContext } from 'n8n-core';
import type {
	ICredentialDataDecryptedObject,
	INodeListSearchResult,
	INodeParameters,
	IWorkflowExecuteAdditionalData,
	NodeApiError,
} from 'n8n-workflow';

import { modelsFor, OPERATIONS } from '../../nodes/StepFunImage/catalogue/models';
import { SERVICES } from '../../nodes/StepFunImage/catalogue/services';
import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { editorWorkflow } from '../kit/editorWorkflow.cts';
import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';
import { runGenerate, sentJson } from '../kit/localRuns.cts';
import { NAMES_EMPTY_FIELDS } from '../kit/n8nDifferences.cts';
import { credentialsHelper } from '../kit/runNode.cts';
import {
	LOCAL_API_KEY,
	startStepFunServer,
	type StepFunServer,
} from '../stepfun-server/server.cts';

let server: StepFunServer;
let hostile: HostileServer;

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
	hostile = await startHostileServer();
});
beforeEach(() => server.reset());
afterAll(async () => {
	await server.close();
	await hostile.close();
});

const custom = (baseUrl: string, apiKey = LOCAL_API_KEY): ICredentialDataDecryptedObject => ({
	apiKey,
	service: 'custom',
	baseUrl,
});

/** What the Model field's list gets, in the context that n8n makes for it. */
async function list(
	credential: ICredentialDataDecryptedObject,
	{ operation = 'generate', filter }: { operation?: string; filter?: string } = {},
): Promise<INodeListSearchResult> {
	const parameters: INodeParameters = { resource: 'image', operation };
	const { workflow, node } = editorWorkflow(parameters);
	node.credentials = { stepFunApi: { id: '1', name: 'StepFun account' } };
	const context = new LoadOptionsContext(
		workflow,
		node,
		{
			credentialsHelper: credentialsHelper(credential),
			currentNodeParameters: parameters,
		} as unknown as IWorkflowExecuteAdditionalData,
		'parameters.model',
	);
	return await new StepFunImage().methods.listSearch.searchModels.call(context, filter);
}

const names = async (...settings: Parameters<typeof list>) =>
	(await list(...settings)).results.map(({ name }) => name);

describe('Model list: StepFun', () => {
	test.each(OPERATIONS)(
		'The list of %s comes from the catalogue, without a request',
		async (operation) => {
			for (const { baseUrl } of SERVICES) {
				const { results } = await list({ apiKey: 'x', service: baseUrl }, { operation });
				expect(results.map(({ value }) => value)).toEqual(modelsFor(operation).map(({ id }) => id));
			}
		},
	);

	test('The list shows the price in the currency of the service', async () => {
		const [china, international, plan] = SERVICES.map(({ baseUrl }) => ({
			apiKey: 'x',
			service: baseUrl,
		}));
		expect(await names(china)).toEqual([
			'step-image-edit-2 (¥0.02 per image)',
			'step-2x-large (¥0.1 per image)',
		]);
		expect(await names(international)).toContain('step-2x-large ($0.02 per image)');
		// A subscription does not charge by the image, and the old model is no longer sold.
		expect(await names(plan)).toEqual(['step-image-edit-2', 'step-2x-large']);
		expect(await names(china, { operation: 'edit' })).toContain('step-1x-edit');
		const { results } = await list(china);
		for (const { description } of results) expect(description).toMatch(/\w\. ¥0\.\d+ per image\.$/);
	});

	test('A search in the list matches all words, in any case', async () => {
		const [{ baseUrl: service }] = SERVICES;
		expect(await names({ apiKey: 'x', service }, { filter: 'LARGE step' })).toEqual([
			'step-2x-large (¥0.1 per image)',
		]);
	});
});

describe('Model list: a custom server', () => {
	test('The list comes from GET /models of the Base URL, sent with the key', async () => {
		const listed = await list(custom(`${server.url}/`));
		// The server lists step-1x-edit too, which does not offer Generate.
		expect(listed.results.map(({ value }) => value)).toEqual([
			'step-2x-large',
			'step-image-edit-2',
		]);
		expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
			'GET /v1/models',
		]);
		expect(server.requests[0].headers.authorization).toBe(`Bearer ${LOCAL_API_KEY}`);
	});

	const respond = (status: number, body: string) =>
		hostile.attackWith((_request, response) => void response.writeHead(status).end(body));

	test.each([
		[
			'{ "data": [{ "id": "b" }, { "id": "a" }, { "id": "b" }, { "id": 5 }, null, {}] }',
			['a', 'b'],
		],
		['[{ "id": "flux" }]', ['flux']],
		['\ufeff{ "data": [{ "id": "a" }] }', ['a']],
		// n8n would evaluate the first one.
		['[{ "id": "={{ 1 + 1 }}" }, { "id": "flux=2" }]', ['flux=2']],
	])('The response %s lists the models %j', async (body, expected) => {
		respond(200, body);
		expect(await names(custom(hostile.url))).toEqual(expected);
	});

	/** What the editor shows: of a NodeApiError the status, the message without its dashes, and the description. */
	const shown = (reason: string, httpCode: string | null) => ({
		name: 'NodeApiError',
		message: 'The list of models is not available',
		description: expect.stringMatching(
			`^${reason}\\. Check the credential, or set Model to 'By ID' and enter the ID of the model\\.$`,
		) as string,
		httpCode,
	});

	test.each([
		[404, 'Not here', 'There is no /models at http.*: Not here', '404'],
		[401, '', 'The API key was not accepted', '401'],
		[200, '<html>Login</html>', 'The server responded, but not as an image API: Login', null],
		[200, '{}', 'http.*/models lists no models for this operation', null],
		[500, '', 'The service failed with status 500', '500'],
	])('The response %i %s explains why there is no list', async (status, body, reason, httpCode) => {
		respond(status, body);
		await expect(list(custom(hostile.url))).rejects.toMatchObject(shown(reason, httpCode));
	});

	test('A page of megabytes in place of the list is not searched for the key in full', async () => {
		hostile.attackWith((_request, response) => void response.end('<p>sign in</p>'.repeat(250_000)));
		// The lowest of three, because the other work of the process counts too.
		let lowestMs = Infinity;
		for (let run = 0; run < 3; run++) {
			const before = process.cpuUsage();
			await expect(list(custom(hostile.url))).rejects.toMatchObject(
				shown('The server responded, but not as an image API: .*', null),
			);
			const { user, system } = process.cpuUsage(before);
			lowestMs = Math.min(lowestMs, (user + system) / 1000);
		}
		expect(lowestMs).toBeLessThan(200);
	});

	test('No message contains the key', async () => {
		const key = 'sk-a-secret-that-is-long-enough';
		respond(403, `no ${key} here`);
		const error = await list(custom(hostile.url, key)).catch((thrown: unknown) => thrown);
		// n8n sends all fields of the error to the browser.
		const sent = JSON.stringify({ ...(error as NodeApiError) });
		expect(sent).toContain('no *** here');
		expect(sent).not.toContain(key);
	});

	test.each([
		['nonsense', "The credential's 'Base URL' is not a web address"],
		['http://127.0.0.1:9', 'The connection to 127\\.0\\.0\\.1:9 failed.*'],
		['http://no-such-host.invalid', 'The connection to no-such-host\\.invalid failed.*'],
	])('The address %s explains why there is no list', async (baseUrl, reason) => {
		await expect(list(custom(baseUrl))).rejects.toMatchObject(shown(reason, null));
	});

	test.each([
		['Content-Length', "The header 'Content-Length' of the credential cannot be sent"],
		['X-Team:', "The header 'X-Team:' of the credential cannot be sent"],
		['Trailer', "The header 'Trailer' of the credential cannot be sent"],
	])('A credential with the header %s is not used, as in a run', async (name, reason) => {
		respond(200, '{ "data": [{ "id": "a" }] }');
		const headers = { values: [{ name, value: '5' }] };
		await expect(list({ ...custom(hostile.url), headers })).rejects.toMatchObject(
			shown(reason, null),
		);
		expect(hostile.requests).toEqual([]);
	});
});

test.each([
	['a text, as before', 'our-own-model'],
	['chosen from the list', { __rl: true, mode: 'list', value: 'our-own-model' }],
	['an ID', { __rl: true, mode: 'id', value: ' our-own-model ' }],
	['an expression', '={{ $json.model }}'],
	['an expression as the ID', { __rl: true, mode: 'id', value: '={{ $json.model }}' }],
])('The model is sent when it is %s', async (_what, model) => {
	await runGenerate(server, { model }, { items: [{ model: 'our-own-model' }] });
	expect(sentJson(server)).toMatchObject([{ model: 'our-own-model' }]);
});

test.each(['', { __rl: true, mode: 'list', value: '' }])(
	'The model %j counts as an empty required field, which n8n itself refuses',
	async (model) => {
		await expect(runGenerate(server, { model })).rejects.toThrow(
			NAMES_EMPTY_FIELDS ? 'Parameter "Model" is required' : 'The workflow has issues',
		);
	},
);

test('An expression that returns no model is refused before anything is sent', async () => {
	const { error } = await runGenerate(server, {
		model: { __rl: true, mode: 'id', value: '={{ $json.no }}' },
	});
	expect(error?.message).toBe("'Model' is empty");
	expect(server.requests).toEqual([]);
});

test('A model that the operation does not have is refused before anything is sent', async () => {
	const { error } = await runGenerate(server, {
		model: { __rl: true, mode: 'list', value: 'step-1x-edit', cachedResultName: 'step-1x-edit' },
	});
	expect(error?.message).toContain('The model step-1x-edit does not offer Generate');
	expect(server.requests).toEqual([]);
});
