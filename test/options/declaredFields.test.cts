import type { INodeProperties, INodePropertyOptions } from 'n8n-workflow';

import { SERVER_FORMATS } from '../../nodes/StepFunImage/catalogue/serverFormats';
import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { runGenerate, sentJson } from '../kit/localRuns.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

const { properties } = new StepFunImage().description;
const restore: Array<() => void> = [];

let server: StepFunServer;

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
});

beforeEach(() => server.reset());

afterEach(() => {
	for (const step of restore.splice(0)) step();
});

afterAll(async () => await server.close());

/** Adds a field to the panel, or to a collection in it, for one test. */
function declare(fields: INodeProperties[], field: Partial<INodeProperties>): void {
	fields.push({ displayName: 'Style', type: 'string', default: '', name: 'style', ...field });
	restore.push(() => fields.pop());
}

function optionsOfGenerate(): INodeProperties[] {
	const isOptions = ({ name, type, displayOptions }: INodeProperties) =>
		name === 'options' &&
		type === 'collection' &&
		displayOptions?.show?.operation?.includes('generate') === true;
	const options = properties.filter(isOptions);
	expect(options).toHaveLength(1);
	return options[0].options as INodeProperties[];
}

/** Changes what the Generate operation declares of its request, for one test. */
function declareRequest(changes: { method?: 'PUT'; url?: string }): void {
	const operations = properties
		.filter(({ name }) => name === 'operation')
		.flatMap(({ options }) => options as INodePropertyOptions[]);
	const generate = operations.find(({ value }) => value === 'generate') as INodePropertyOptions;
	const { routing } = generate;
	generate.routing = { request: { ...routing?.request, ...changes } };
	restore.push(() => {
		generate.routing = routing;
	});
}

const ROUTING = { send: { type: 'body', property: 'style' } } as const;

test('A new field needs only its declaration to be sent', async () => {
	declare(properties, { routing: ROUTING });
	await runGenerate(server, { style: 'watercolour' });

	expect(sentJson(server)).toEqual([expect.objectContaining({ style: 'watercolour' })]);
});

test('A new field in Options needs only its declaration to be sent', async () => {
	declare(optionsOfGenerate(), { routing: ROUTING });
	await runGenerate(
		server,
		{ options: { style: '={{ $json.style }}', seed: 7 } },
		{ items: [{ style: 'ink' }, { style: '' }] },
	);

	expect(sentJson(server)).toEqual([
		expect.objectContaining({ style: 'ink', seed: 7 }),
		expect.not.objectContaining({ style: expect.anything() as unknown }),
	]);
});

test('A server that is not known to read a new field does not get it: the node refuses it', async () => {
	declare(optionsOfGenerate(), { routing: ROUTING });
	for (const { value, hasStepFunModels } of SERVER_FORMATS) {
		const { error } = await runGenerate(
			server,
			{ model: 'm', options: { style: 'ink' } },
			{ credential: { apiFormat: value } },
		);
		if (hasStepFunModels) continue;
		expect(error?.message).toMatch(/^'Style' cannot be sent to servers of the format /);
	}
	expect(server.requests).toHaveLength(1);
});

test('A field that declares a number is sent as a number, and one that declares nothing is not sent', async () => {
	declare(properties, { type: 'number', routing: ROUTING });
	declare(properties, { name: 'note' });
	await runGenerate(server, { style: '={{ "4" }}', note: 'for nobody' });

	expect(sentJson(server)).toEqual([expect.objectContaining({ style: 4 })]);
	expect(sentJson(server)).toEqual([
		expect.not.objectContaining({ note: expect.anything() as unknown }),
	]);
});

test('A request goes to the path that its operation declares', async () => {
	declareRequest({ url: '/images/drawings' });
	await runGenerate(server);

	expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
		'POST /v1/images/drawings',
	]);
});

test('A request has the method that its operation declares', async () => {
	declareRequest({ method: 'PUT' });
	await runGenerate(server);

	expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
		'PUT /v1/images/generations',
	]);
});
