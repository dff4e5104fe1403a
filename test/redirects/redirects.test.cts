import { SsrfProtectionConfig } from '@n8n/config';
import { Container } from '@n8n/di';
import type { INodeParameters } from 'n8n-workflow';

import { inputImage } from '../kit/images.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { localCredential } from '../kit/stepFunCredential.cts';
import { testCredential } from '../kit/testCredential.cts';
import {
	linkResponse,
	startHostileServer,
	type Attack,
	type HostileServer,
} from '../kit/hostileServer.cts';
import { bytesOf } from '../kit/runNode.cts';

const KEY = 'sk-3fN8qLw1ZbYx6TgRk2Vp';
const HEADER_SECRET = 'gateway-secret-7Hq2mVx0Tz4Lk9Wc';
const STATUSES = [301, 302, 303, 307, 308];

let server: HostileServer;
let other: HostileServer;
let picture: Buffer;

beforeAll(async () => {
	picture = await inputImage(16, 16);
	server = await startHostileServer();
	other = await startHostileServer((_request, response) => void response.end(picture));
});
beforeEach(() => other.attackWith((_request, response) => void response.end(picture)));
afterAll(async () => {
	await server.close();
	await other.close();
});

const credential = () =>
	localCredential(server, {
		apiKey: KEY,
		addCustomHeader: true,
		headerName: 'X-Gateway-Token',
		headerSecret: HEADER_SECRET,
	});

async function run(parameters: INodeParameters = {}, changes: { baseUrl?: string } = {}) {
	return await runGenerate(
		server,
		{ options: { maxTries: 2, timeout: 20 }, ...parameters },
		{ credential: { ...credential(), ...changes } },
	);
}

/** Other places than the credential's: another port, another name of the same host, and TLS. */
const elsewhere = (): Array<[string, string]> => [
	['another port', other.origin],
	['another name', `http://localhost:${server.port}`],
	['TLS', `https://127.0.0.1:${other.port}`],
];

const EDITING = { operation: 'edit', inputSource: 'text' };
const BALANCE = { resource: 'account', operation: 'getBalance' };

describe.each(STATUSES)('Redirects: %d of the API', (status) => {
	test.each<[string, INodeParameters]>([
		['Generate', {}],
		['Edit', EDITING],
		['Get Balance', BALANCE],
	])('A redirect of %s is not followed', async (_operation, parameters) => {
		for (const [, origin] of elsewhere()) {
			server.attackWith((_request, response) => {
				response.writeHead(status, { Location: `${origin}/v1/images/generations` }).end();
			});
			const { error } = await run({ ...parameters, inputText: picture.toString('base64') });
			expect(error?.message).toBe(
				`The server redirects to another address: ${origin}/v1/images/generations`,
			);
			expect(error?.description).toContain('the key stays with the address you entered');
			expect(error?.httpCode).toBe(String(status));
			expect(server.requests).toHaveLength(1);
			expect(other.requests).toEqual([]);
		}
	});

	test('A redirect of the connection test is not followed', async () => {
		server.attackWith((_request, response) => {
			response.writeHead(status, { Location: `${other.origin}/v1/models` }).end();
		});
		expect((await testCredential(credential())).status).toBe('Error');
		expect(server.requests).toHaveLength(1);
		expect(other.requests).toEqual([]);
	});
});

test.each([300, 304])('A %d without an address is not called a redirect', async (status) => {
	server.attackWith((_request, response) => void response.writeHead(status).end());
	const { error } = await run({});
	expect(error?.message).toBe(`The service refused the request with status ${status}`);
	expect(error?.description).toMatch(/^Check Service and Base URL/);
	expect(server.requests).toHaveLength(1);
});

test('The address of a redirect is shown in a length that can be read', async () => {
	const address = `${server.origin}/login?state=${'x'.repeat(10_000)}`;
	server.attackWith((_request, response) => {
		response.writeHead(302, { Location: address }).end();
	});
	const { error } = await run({});
	const start = `The server redirects to another address: ${server.origin}/login?state=xxx`;
	expect(error?.message).toContain(start);
	expect(error?.message.length).toBeLessThan(400);
});

describe.each(STATUSES)('Redirects: %d of a link', (status) => {
	/** Responds with a link, redirects who follows it, and sends the picture to who follows that. */
	const attackWithRedirectTo = (origin: string) =>
		server.attackWith((request, response) => {
			if (request.url === '/redirect') {
				response.writeHead(status, { Location: `${origin}/picture.png` }).end();
			} else if (request.url === '/picture.png') response.end(picture);
			else {
				response.end(linkResponse(`${server.origin}/redirect`));
			}
		});

	test('A redirect of a link is followed without the key', async () => {
		for (const origin of [other.origin, `http://localhost:${server.port}`, server.origin]) {
			attackWithRedirectTo(origin);
			const { items, error } = await run();
			expect(error?.message).toBeUndefined();
			expect(items[0].json).toMatchObject({ width: 16, height: 16 });
		}
		const downloads = [...server.requests.slice(1), ...other.requests];
		expect(other.requests).toHaveLength(1);
		for (const { headers } of downloads) expectNoSecret(headers);
	});

	test('A redirect of the image to edit is followed without the key', async () => {
		server.attackWith((request, response) => {
			if (request.method === 'GET') {
				response.writeHead(status, { Location: `${other.origin}/picture.png` }).end();
			} else response.writeHead(403).end();
		});
		await run({ operation: 'edit', inputSource: 'url', inputUrl: `${server.origin}/shoe.png` });
		expect(other.requests).toHaveLength(1);
		expect(server.requests.map(({ method }) => method)).toEqual(['GET', 'POST']);
		expectNoSecret(server.requests[0].headers);
		expectNoSecret(other.requests[0].headers);
	});
});

function expectNoSecret(headers: object): void {
	expect(Object.keys(headers)).not.toContain('authorization');
	expect(JSON.stringify(headers)).not.toMatch(new RegExp(`${KEY}|${HEADER_SECRET}`));
}

test.each<[string, INodeParameters, RegExp]>([
	[
		'of a link',
		{},
		/^The image was made, but could not be downloaded: .*Maximum number of redirects/,
	],
	[
		'of the image to edit',
		{ operation: 'edit', inputSource: 'url' },
		/^The image at 'Image URL' could not be downloaded: .*Maximum number of redirects/,
	],
])('Circular redirects %s end, and are not retried', async (_what, parameters, message) => {
	server.attackWith((request, response) => {
		if (request.method === 'GET') {
			response.writeHead(302, { Location: `/round/${server.requests.length}` }).end();
			return;
		}
		const url = `${server.origin}/round`;
		response.end(linkResponse(url));
	});
	const { error } = await run({ ...parameters, inputUrl: `${server.origin}/round` });
	expect(error?.message).toMatch(message);
	expect(server.requests.length).toBeLessThan(30);
	await server.untilNobodyIsConnected();
});

test.each([
	'file:///etc/passwd',
	'data:image/png;base64,AAAA',
	'ftp://127.0.0.1/x',
	'javascript:1',
])('A link to %s does not count, and a redirect there is not followed', async (url) => {
	server.attackWith((_request, response) => {
		response.end(linkResponse(url));
	});
	expect((await run()).error?.message).toMatch(
		// A data URI is no link, but may be an image.
		url.startsWith('data:')
			? /^The response contains something that is not/
			: /^The service responded without/,
	);

	server.attackWith((request, response) => {
		if (request.method === 'GET') response.writeHead(302, { Location: url }).end();
		else {
			response.end(linkResponse(`${server.origin}/picture.png`));
		}
	});
	const { error } = await run({ options: { maxTries: 1, timeout: 20 } });
	expect(error?.message).toMatch(/^The image was made, but could not be downloaded/);
});

describe('A server that requires the key for its results, too', () => {
	const guarded: Attack = (request, response) => {
		if (request.method === 'POST') response.end(linkResponse(`${server.origin}/picture.png`));
		else if (!request.headers.authorization) response.writeHead(401).end('No key');
		else if (request.url === '/moved') response.writeHead(302, { Location: other.url }).end();
		else response.end(picture);
	};

	test('gets the key once it has refused the download without it', async () => {
		server.attackWith(guarded);
		const { items, error } = await run();
		expect(error?.message).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(picture)).toBe(true);
		expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
			expect.stringContaining('Bearer'),
			undefined,
			expect.stringContaining('Bearer'),
		]);
	});

	test('gets the key after a login of the gateway in front of it has responded with a page', async () => {
		other.attackWith((_request, response) => {
			response.writeHead(200, { 'Content-Type': 'text/html' }).end('<title>Login</title>');
		});
		server.attackWith((request, response, body) => {
			const isAllowed = request.headers.authorization !== undefined;
			if (isAllowed) guarded(request, response, body);
			else response.writeHead(302, { Location: `${other.origin}/login` }).end();
		});
		const { items, error } = await run();
		expect(error?.message).toBeUndefined();
		expect((await bytesOf(items[0].binary?.data)).equals(picture)).toBe(true);
		expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
	});

	test('gets the key nowhere else', async () => {
		other.attackWith((_request, response) => void response.writeHead(401).end('No key'));
		server.attackWith((_request, response) => {
			response.end(linkResponse(`${other.origin}/picture.png`));
		});
		const { error } = await run();
		expect(error?.message).toMatch(/responded with status 401: No key$/);
		expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
	});

	test('cannot redirect the key to another host', async () => {
		server.attackWith((request, response, body) => {
			if (request.method === 'POST') response.end(linkResponse(`${server.origin}/moved`));
			else guarded(request, response, body);
		});
		const { error } = await run();
		expect(error?.message).toMatch(/responded with status 302/);
		expect(other.requests).toEqual([]);
	});
});

describe("Redirects: n8n's protection of the internal network", () => {
	const config = Container.get(SsrfProtectionConfig);
	beforeAll(() => {
		config.enabled = true;
		// Read when the first request is checked.
		config.allowedHostnames = ['localhost'];
	});
	afterAll(() => void (config.enabled = false));

	const refused =
		/n8n refuses to open \S+: .*The request was blocked because it resolves to a restricted IP address$/;

	test.each<[string, () => INodeParameters]>([
		["the credential's Base URL", () => ({})],
		[
			'the image to edit',
			() => ({ operation: 'edit', inputSource: 'url', inputUrl: other.origin }),
		],
	])("n8n's protection of the internal network refuses %s at once", async (_what, parameters) => {
		server.attackWith((_request, response) => void response.end());
		const { error } = await run(parameters());
		expect(error?.message).toMatch(refused);
		expect(error?.description).toContain('N8N_SSRF_ALLOWED_HOSTNAMES');
		expect(error?.description).not.toContain('Tried');
		expect([...server.requests, ...other.requests]).toEqual([]);
	});

	test.each([
		['a link', () => `${other.origin}/picture.png`],
		['a redirect of a link', () => `http://localhost:${server.port}/redirect`],
	])("n8n's protection of the internal network refuses %s at once", async (_what, url) => {
		server.attackWith((request, response) => {
			if (request.method === 'GET') response.writeHead(302, { Location: other.origin }).end();
			else response.end(linkResponse(url()));
		});
		const { error } = await run({}, { baseUrl: `http://localhost:${server.port}/v1` });
		expect(error?.message).toMatch(refused);
		expect(error?.description).not.toContain('Tried');
		expect(error?.description).not.toContain('HTTP Request node');
		expect(other.requests).toEqual([]);
	});
});
