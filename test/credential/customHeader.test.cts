import type { ICredentialDataDecryptedObject } from 'n8n-workflow';

import { inputImage } from '../kit/images.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { bytesOf } from '../kit/runNode.cts';
import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';

// The value of a custom header need not be a secret: gateways ask for the address of the caller, or for
// the name of an organisation, and both stand in links to images as well.

const ORGANIZATION = 'org-3fN8qLw1ZbYx6TgRk2Vp';

let server: HostileServer;
let picture: Buffer;

beforeAll(async () => {
	picture = await inputImage(8, 8);
	server = await startHostileServer();
});
afterAll(async () => await server.close());

const link = () => `${server.origin}/${ORGANIZATION}/1.png`;

const run = async (
	credential: ICredentialDataDecryptedObject,
	output = 'file',
	status: number = 200,
) => {
	server.attackWith((request, response) => {
		if (request.method === 'GET') response.writeHead(status).end(picture);
		else response.end(JSON.stringify({ id: link(), data: [{ url: link() }] }));
	});
	return await runGenerate(
		server,
		{ output, options: { maxTries: 1 } },
		{ credential: { addCustomHeader: true, headerName: 'HTTP-Referer', ...credential } },
	);
};

test.each([
	['an address', () => server.origin],
	['an organisation', () => ORGANIZATION],
])('An image with %s from a custom header in its link is kept', async (_what, value) => {
	const { items, error } = await run({ headerSecret: value() });
	expect(error?.message).toBeUndefined();
	expect((await bytesOf(items[0].binary?.data)).equals(picture)).toBe(true);
	expect(items[0].json.url).toBe(link());
	expect(String(items[0].json.id)).toContain('***');
});

test.each([() => server.origin, () => ORGANIZATION])(
	'A link that contains the value of a custom header is shown in full if its image cannot be downloaded',
	async (value) => {
		const { error } = await run({ headerSecret: value() }, 'file', 404);
		expect(error?.description).toContain(`is still at ${link()} for`);
	},
);

test('Image URL returns a link that contains the value of a custom header unchanged', async () => {
	const { items } = await run({ headerSecret: ORGANIZATION }, 'url');
	expect(items[0].json.url).toBe(link());
});

test.each<ICredentialDataDecryptedObject>([{ addCustomHeader: false }, { headerName: '' }])(
	'The value of a custom header that is not sent (%j) is not a secret',
	async (changes) => {
		const { items } = await run({ headerSecret: ORGANIZATION, ...changes }, 'url');
		expect(items[0].json).toMatchObject({ url: link(), id: link() });
	},
);

test('a custom header is sent beside the API key', async () => {
	const credential = { headerName: 'X-Gateway-Token', headerSecret: 'gateway secret' };
	await run(credential, 'url');
	expect(server.requests[0].headers).toMatchObject({
		'x-gateway-token': 'gateway secret',
		authorization: 'Bearer local-stepfun-key',
	});
	await run({ ...credential, addCustomHeader: false }, 'url');
	expect(server.requests[0].headers).not.toHaveProperty('x-gateway-token');
	expect(server.requests[0].headers.authorization).toBe('Bearer local-stepfun-key');
});

test('a header of the list replaces the custom header of the same name, which the form hides', async () => {
	const headers = { values: [{ name: 'x-gateway-token', value: 'new secret' }] };
	const { error } = await run(
		{ headerName: 'X-Gateway-Token', headerSecret: 'old secret', headers },
		'url',
	);
	expect(error?.message).toBeUndefined();
	expect(server.requests[0].headers['x-gateway-token']).toBe('new secret');
});
