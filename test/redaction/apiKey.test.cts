import { Logger } from '@n8n/backend-common';
import { Container } from '@n8n/di';
import type { ICredentialDataDecryptedObject, IDataObject, INodeParameters } from 'n8n-workflow';
import { inspect } from 'node:util';

import { inputImage } from '../kit/images.cts';
import { runGenerate } from '../kit/localRuns.cts';
import type { NodeRunResult } from '../kit/runNode.cts';
import { base64SpellingsOf } from '../kit/secrets.cts';
import {
	imageResponse,
	linkResponse,
	startHostileServer,
	type Attack,
	type HostileServer,
} from '../kit/hostileServer.cts';

const HEADER_SECRET = 'gateway-secret-7Hq2mVx0Tz4Lk9Wc';

/** Keys of the shapes that could slip through a search for them. */
const KEYS: Array<[string, string]> = [
	['a plain key', 'sk-3fN8qLw1ZbYx6TgRk2Vp'],
	['a key of characters that regular expressions read', 'sk-$&.*+?(^){2}[a-z]|\\d-x1'],
	[
		'a key of characters that JSON, HTML and addresses spell differently',
		'sk-<b>"&%/+=\'\\</b>-x1',
	],
	['a key with spaces inside', 'sk-3fN8  qLw1\tZbYx 6TgRk2Vp'],
	['a key with spaces and a line break around it', '  sk-3fN8qLw1ZbYx6TgRk2Vp \r\n'],
	['a key of 4,000 characters', `sk-${'0123456789abcdefghij'.repeat(200)}`],
];

let server: HostileServer;
let picture: string;

beforeAll(async () => {
	picture = (await inputImage(8, 8)).toString('base64');
	server = await startHostileServer();
});
afterAll(() => server.close());

/** Everything that anybody could see of a run: items, errors with all that hangs on them, and the log. */
async function everythingOf(
	apiKey: string,
	attack: Attack,
	changes: {
		parameters?: INodeParameters;
		items?: IDataObject[];
		onError?: 'continueRegularOutput';
		credential?: ICredentialDataDecryptedObject;
	} = {},
): Promise<{ text: string; result: NodeRunResult }> {
	server.attackWith(attack);
	const lines: unknown[] = [];
	const logger = Container.get(Logger);
	const spies = (['debug', 'info', 'warn', 'error'] as const).map((level) =>
		jest.spyOn(logger, level).mockImplementation((...line) => void lines.push(line)),
	);
	const result = await runGenerate(
		server,
		{ options: { maxTries: 2, timeout: 20, giveUpAfter: 10 }, ...changes.parameters },
		{
			items: changes.items,
			onError: changes.onError,
			credential: {
				apiKey,
				concurrentRequests: 20,
				addCustomHeader: true,
				headerName: 'X-Gateway-Token',
				headerSecret: HEADER_SECRET,
				...changes.credential,
			},
		},
	);
	spies.forEach((spy) => spy.mockRestore());
	const { error } = result;
	const parts = [result.run.data, result.items, error, error?.context, error?.cause, lines];
	const text = [
		...parts.map((part) => inspect(part, { depth: 20, showHidden: true, maxStringLength: null })),
		...parts.map((part) => JSON.stringify(part, withErrors())),
		error?.stack,
		String(error),
	].join('\n');
	return { text, result };
}

/** JSON of errors too, whose fields it otherwise leaves out, and without going in circles. */
function withErrors() {
	const seen = new Set<unknown>();
	return (_name: string, value: unknown): unknown => {
		if (typeof value !== 'object' || value === null) return value;
		if (seen.has(value)) return undefined;
		seen.add(value);
		if (!(value instanceof Error)) return value;
		return Object.fromEntries(
			Object.getOwnPropertyNames(value).map((name) => [name, value[name as keyof Error]]),
		);
	};
}

/** The spellings in which a secret could stand somewhere, and parts of it that are too long to give away. */
function spellingsOf(secret: string): string[] {
	const bare = secret.trim();
	const inJson = JSON.stringify(bare).slice(1, -1);
	const parts = bare.length < 40 ? [] : [bare.slice(0, 20), bare.slice(-20)];
	return [
		bare,
		inJson,
		encodeURIComponent(bare),
		bare.replace(/\s+/g, ' '),
		...base64SpellingsOf(bare),
		...parts,
	];
}

function expectSecretsAreNowhere(text: string, secrets: string[]): void {
	for (const spelling of secrets.flatMap(spellingsOf)) {
		const at = text.indexOf(spelling);
		// The text around it, so that a failure tells where it was.
		expect(at === -1 ? '' : text.slice(Math.max(0, at - 200), at + 40)).toBe('');
	}
}

/** What the request carried, as a server would say it back. */
function secretsIn(headers: Record<string, unknown>): string {
	return `${String(headers.authorization)} / ${String(headers['x-gateway-token'])}`;
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Attack => {
	return (_request, response) => {
		response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
		response.end(JSON.stringify(body));
	};
};

/** Servers that say the key back, each in another place. */
const ECHOES: Array<[string, (said: string) => Attack]> = [
	['in the message of a refusal', (said) => json(400, { error: { message: `Bad key ${said}` } })],
	[
		'in an error page',
		(said) => (_request, response) => {
			response.writeHead(403, { 'Content-Type': 'text/html' });
			response.end(`<html><title>No ${said}</title><p>${said}</p></html>`);
		},
	],
	[
		'beyond the length to which an error is cut',
		(said) => json(400, { error: { message: `${'x'.repeat(280)}${said}` } }),
	],
	[
		'beyond the length to which an error is read',
		(said) => (_request, response) => {
			response.writeHead(400).end(`${' '.repeat(16_384 - 40)}${said}`);
		},
	],
	['in a refusal of moderation', (said) => json(451, { error: { message: `No: ${said}` } })],
	[
		'in the address of a redirect',
		(said) => (_request, response) => {
			response.writeHead(307, { Location: `/login?for=${encodeURIComponent(said)}` }).end();
		},
	],
	[
		'in the trace ID of an overload',
		(said) =>
			json(
				503,
				{},
				{ 'X-Trace-Id': Buffer.from(said).toString('base64').slice(0, 9000), 'Retry-After': '0' },
			),
	],
	[
		'in text where JSON should be',
		(said) => (_request, response) => void response.end(`You sent ${said}`),
	],
	[
		'in text where an image should be',
		(said) => (_request, response) => {
			response.end(imageResponse(Buffer.from(`no image but ${said}`).toString('base64')));
		},
	],
	[
		'in a broken escape',
		(said) => (_request, response) => void response.end(`{"data":[{"\\q${said}":"x"}]}`),
	],
	[
		'in a response without an image',
		(said) => json(200, { error: { message: said }, id: said, data: [] }),
	],
	[
		'in the fields of a success',
		(said) => (_request, response) => {
			response.setHeader('X-Trace-Id', encodeURIComponent(said).slice(0, 9000));
			response.end(
				JSON.stringify({
					created: 1,
					id: said,
					data: [{ finish_reason: said, b64_json: picture }],
				}),
			);
		},
	],
	[
		'in the reason and the ID of a filtered image',
		(said) => json(200, { id: said, data: [{ finish_reason: 'content_filtered' }] }),
	],
];

test.each(KEYS)('The key stands in no item and no log: %s said back', async (_name, key) => {
	const { text, result } = await everythingOf(
		key,
		(request, response, body) => {
			const place = Number(/place (\d+)/.exec(body.toString())?.[1]);
			ECHOES[place][1](secretsIn(request.headers))(request, response, body);
		},
		{
			items: ECHOES.map((_echo, place) => ({ prompt: `place ${place}` })),
			parameters: { prompt: '={{ $json.prompt }}' },
			onError: 'continueRegularOutput',
		},
	);
	expect(result.items).toHaveLength(ECHOES.length);
	expect(server.requests.length).toBeGreaterThanOrEqual(ECHOES.length);
	for (const { headers, url } of server.requests) {
		expect(headers.authorization).toBe(`Bearer ${key.trim()}`);
		expect(url).toBe('/v1/images/generations');
	}
	expectSecretsAreNowhere(text, [key, HEADER_SECRET]);
});

test.each(ECHOES)('A key said back %s stands nowhere in the error', async (_place, echo) => {
	const [, key] = KEYS[2];
	const { text } = await everythingOf(key, (request, response, body) =>
		echo(secretsIn(request.headers))(request, response, body),
	);
	expect(server.requests.length).toBeGreaterThan(0);
	expectSecretsAreNowhere(text, [key, HEADER_SECRET]);
});

const [, PLAIN_KEY] = KEYS[0];

test('A key that moderation repeats appears nowhere when the item is passed on', async () => {
	const { text, result } = await everythingOf(
		PLAIN_KEY,
		(request, response, body) =>
			json(451, { error: { message: secretsIn(request.headers) } })(request, response, body),
		{ parameters: { options: { whenModerated: 'passOn' } } },
	);
	expect(result.items[0].json).toMatchObject({
		finishReason: 'refused',
		moderation: expect.any(String),
	});
	expectSecretsAreNowhere(text, [PLAIN_KEY, HEADER_SECRET]);
});

test.each<[string, (said: string) => Attack]>([
	['as the type of the account', (said) => json(200, { balance: 1, type: said })],
	[
		'as an amount',
		(said) => json(200, { balance: 1, total_cash_balance: said, total_voucher_balance: [said] }),
	],
	['in a refusal', (said) => json(403, { error: { message: said } })],
	['instead of an account', (said) => json(200, said)],
])('A key that a response to Get Balance repeats %s appears nowhere', async (_place, echo) => {
	const key = `${PLAIN_KEY}\n`;
	const { text } = await everythingOf(
		key,
		(request, response, body) => echo(secretsIn(request.headers))(request, response, body),
		{ parameters: { resource: 'account', operation: 'getBalance' } },
	);
	expect(server.requests).toHaveLength(1);
	expectSecretsAreNowhere(text, [key, HEADER_SECRET]);
});

test('A link that contains the key is opened as the server sent it, and shown without the key', async () => {
	const { text, result } = await everythingOf(PLAIN_KEY, (request, response) => {
		if (request.method === 'GET') return void response.writeHead(404).end();
		response.end(linkResponse(`${server.origin}/picture?key=${PLAIN_KEY}`));
	});
	expect(result.error?.message).toContain('could not be downloaded');
	expect(server.requests.map(({ url }) => url)).toEqual([
		'/v1/images/generations',
		// A link may lead to its image a moment later, so it is tried once more.
		`/picture?key=${PLAIN_KEY}`,
		`/picture?key=${PLAIN_KEY}`,
	]);
	expectSecretsAreNowhere(text, [PLAIN_KEY, HEADER_SECRET]);
});

test.each([
	['nobody listens', 'http://127.0.0.1:1/v1'],
	['there is no such name', 'http://stepfun.invalid/v1'],
	['the other side speaks no TLS', () => server.url.replace('http:', 'https:')],
])('The key appears nowhere when %s', async (_case, baseUrl) => {
	const { text, result } = await everythingOf(
		PLAIN_KEY,
		(_request, response) => response.destroy(),
		{
			credential: { baseUrl: typeof baseUrl === 'string' ? baseUrl : baseUrl() },
			parameters: { options: { maxTries: 1 } },
		},
	);
	expect(result.error?.message).toMatch(/^The connection to .* failed/);
	expectSecretsAreNowhere(text, [PLAIN_KEY, HEADER_SECRET]);
});

test('The password of a Base URL appears nowhere', async () => {
	const password = 'p4ss-9Wd3Qk7Zr1Xm';
	const { text, result } = await everythingOf(PLAIN_KEY, json(404, {}), {
		credential: { baseUrl: server.url.replace('//', `//user:${password}@`) },
	});
	expect(result.error?.message).toContain('contains a user name or a password');
	expect(server.requests).toEqual([]);
	expectSecretsAreNowhere(text, [PLAIN_KEY, HEADER_SECRET, password]);
});

test.each([['a line break', 'sk-3fN8qLw1\r\nX-Injected: ZbYx6TgRk2Vp']])(
	'A key with %s inside adds no header, and appears nowhere',
	async (_what, key) => {
		const { text } = await everythingOf(key, (request, response, body) =>
			json(403, { error: { message: secretsIn(request.headers) } })(request, response, body),
		);
		expect(server.requests).toHaveLength(1);
		const { headers } = server.requests[0];
		const sent = key.replace(/[^\x20-\x7e]/g, '');
		expect(headers.authorization).toBe(`Bearer ${sent}`);
		expect(headers['x-injected']).toBeUndefined();
		expectSecretsAreNowhere(text, [key, sent, HEADER_SECRET]);
	},
);

test.each([
	['a character beyond Latin', 'sk-3fN8qLw1钥ZbYx6TgRk2Vp'],
	['a NUL', 'sk-3fN8qLw1\0ZbYx6TgRk2Vp'],
])(
	'A key with %s inside is refused before anything is sent, and appears nowhere',
	async (_what, key) => {
		const { text, result } = await everythingOf(key, json(200, {}));
		expect(result.error?.message).toBe(
			"The credential's 'API Key' contains a character that cannot be sent",
		);
		expect(server.requests).toEqual([]);
		expectSecretsAreNowhere(text, [key, HEADER_SECRET]);
	},
);

test('A short word in place of a key is not a secret, and changes no message and no link', async () => {
	const { result } = await everythingOf('EMPTY', (request, response) => {
		if (request.method === 'GET') return void response.end(Buffer.from(picture, 'base64'));
		response.end(linkResponse(`${server.origin}/EMPTY/picture.png`));
	});
	expect(result.error?.message).toBeUndefined();
	expect(result.items[0].json).toMatchObject({
		url: `${server.origin}/EMPTY/picture.png`,
		width: 8,
	});
});
