import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { inputImage, itemWithFile } from '../kit/images.cts';
import { runNode } from '../kit/runNode.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';
import { localCredential } from '../kit/stepFunCredential.cts';

// The editor offers these fields before a first run, so they must be what a run brings.

interface Schema {
	type: string;
	properties?: Record<string, Schema>;
}

let server: StepFunServer;
beforeAll(async () => (server = await startStepFunServer()));
afterAll(async () => await server.close());

const schemaOf = (path: string) =>
	JSON.parse(
		readFileSync(
			resolve(__dirname, `../../nodes/StepFunImage/__schema__/v1.0.0/${path}.json`),
			'utf8',
		),
	) as Schema;

function typeOf(value: unknown): string {
	return Number.isInteger(value) ? 'integer' : typeof value;
}

/** Fields that only some settings or services bring. */
const OPTIONAL = [
	'url',
	'otherUrls',
	'link',
	'estimatedCost',
	'variation',
	'requestedSize',
	'requestedSeed',
];

test.each([
	['generate', {}],
	['edit', {}],
	['imageToImage', { model: 'step-2x-large' }],
])('The output schema of image/%s has the fields of a run', async (operation, parameters) => {
	const { items, error } = await runNode({
		items: [await itemWithFile(await inputImage(80, 60))],
		parameters: { operation, prompt: 'A chair', ...parameters },
		credential: localCredential(server),
	});
	expect(error?.message).toBeUndefined();
	// The build copies this schema for the other operations.
	const { properties = {} } = schemaOf('image/generate');
	expect([...Object.keys(items[0].json), ...OPTIONAL].sort()).toEqual(
		Object.keys(properties).sort(),
	);
	for (const [name, value] of Object.entries(items[0].json)) {
		expect([name, typeOf(value)]).toEqual([name, properties[name].type]);
	}
});

// n8n asks for Simplify where a node passes on more than 10 fields of an endpoint, to keep data small.
test("An image's JSON is small, and begins with what a table or an agent needs", async () => {
	const { items } = await runNode({
		parameters: { prompt: 'A chair', output: 'fileAndUrl', size: '1360x768' },
		credential: localCredential(server),
	});
	const [{ json }] = items;
	expect(JSON.stringify({ ...json, prompt: '' }).length).toBeLessThan(1_000);
	const names = Object.keys(json);
	expect(names.slice(0, 4)).toEqual(['prompt', 'model', 'seed', 'width']);
	expect(names.indexOf('url')).toBeLessThan(names.indexOf('finishReason'));
	expect(names.slice(-4)).toEqual(['created', 'tries', 'id', 'traceId']);
});

test('The output schema of account/getBalance has the fields that a run brings', async () => {
	const { items } = await runNode({
		parameters: { resource: 'account', operation: 'getBalance' },
		credential: localCredential(server),
	});
	const { properties = {} } = schemaOf('account/getBalance');
	expect(Object.keys(items[0].json)).toEqual(Object.keys(properties));
});
