import { deepStrictEqual, match, ok, strictEqual } from 'node:assert';
import { join } from 'node:path';
import {
	LOCAL_API_KEY,
	startStepFunServer,
	type StepFunServer,
} from '../stepfun-server/server.cts';
import { inputImage, until } from '../stepfun-server/testRequests.cts';
import { checkNode } from './gateway/nodeChecks.cts';
import { startNginx, type NginxServer } from './gateway/nginxServer.cts';
import {
	installPortkeyGateway,
	startPortkeyGateway,
	type PortkeyGateway,
} from './gateway/portkeyGateway.cts';
import type { Suite, TestContext } from './suite.cts';

/** Long enough for any response of the gateway, and shorter than the slow response below. */
const READ_TIMEOUT_S = 1;
const SLOW_RESPONSE_MS = 2_500;
const MEGABYTE = 1024 * 1024;

const GENERATION = {
	model: 'step-image-edit-2',
	prompt: 'a red fox in the snow',
	size: '768x1360',
	response_format: 'b64_json',
};
const SETTINGS = {
	steps: 9,
	cfg_scale: 2,
	seed: 7,
	negative_prompt: 'blurry',
	text_mode: true,
};

/** nginx in front of the gateway, and the gateway in front of the StepFun test server. */
interface Chain {
	server: StepFunServer;
	gateway: PortkeyGateway;
	nginx: NginxServer;
	/** The headers with which the gateway passes requests to the local server with its key. */
	headers: Record<string, string>;
}

interface Reply {
	status: number;
	headers: Headers;
	text: string;
	/** The parsed body, if it is JSON. */
	body?: {
		data?: Array<{ seed: number; id?: string }>;
		error?: { message: string };
		message?: string;
	};
}

async function ask(
	url: string,
	headers: Record<string, string>,
	body?: object | FormData,
): Promise<Reply> {
	const isForm = body instanceof FormData;
	const response = await fetch(url, {
		method: body === undefined ? 'GET' : 'POST',
		headers:
			isForm || body === undefined ? headers : { ...headers, 'Content-Type': 'application/json' },
		body: isForm ? body : body && JSON.stringify(body),
	});
	const text = await response.text();
	const isJson = response.headers.get('content-type')?.startsWith('application/json');
	return {
		status: response.status,
		headers: response.headers,
		text,
		body: isJson ? (JSON.parse(text) as Reply['body']) : undefined,
	};
}

async function editForm(extraBytes = 0): Promise<FormData> {
	const form = new FormData();
	for (const [name, value] of Object.entries({ ...GENERATION, ...SETTINGS })) {
		form.append(name, String(value));
	}
	const image = Buffer.concat([await inputImage(120, 80), Buffer.alloc(extraBytes)]);
	form.append('image', new Blob([new Uint8Array(image)], { type: 'image/png' }), 'input.png');
	return form;
}

/**
 * What each check of the chain proves, and the check. All speak plain HTTP: what the gateway and nginx do by
 * themselves.
 */
const CHECKS: Record<string, (chain: Chain) => Promise<void>> = {
	async 'the gateway listens only on the loopback interface'({ gateway }) {
		deepStrictEqual(await gateway.listeningOn(), ['0100007F']);
	},

	async '/v1 silently drops the five settings of a generation, including the seed'(chain) {
		const { server, gateway, headers } = chain;
		const url = `${gateway.origin}/v1/images/generations`;
		const { status, body } = await ask(url, headers, { ...GENERATION, ...SETTINGS });
		strictEqual(status, 200);
		deepStrictEqual(server.requests[0].json, GENERATION);
		ok(body?.data?.[0].seed !== SETTINGS.seed);
	},

	async '/v1/proxy passes a generation as it is'({ server, gateway, headers }) {
		const url = `${gateway.origin}/v1/proxy/images/generations`;
		const { status, body } = await ask(url, headers, { ...GENERATION, ...SETTINGS });
		strictEqual(status, 200);
		deepStrictEqual(server.requests[0].json, { ...GENERATION, ...SETTINGS });
		strictEqual(body?.data?.[0].seed, SETTINGS.seed);
	},

	async 'both paths pass an edit as it is'({ server, gateway, headers }) {
		for (const path of ['/v1', '/v1/proxy']) {
			server.reset();
			const url = `${gateway.origin}${path}/images/edits`;
			const { status, body } = await ask(url, headers, await editForm());
			strictEqual(status, 200);
			strictEqual(server.requests[0].fields?.steps, '9');
			strictEqual(server.requests[0].file?.name, 'input.png');
			strictEqual(body?.data?.[0].seed, SETTINGS.seed);
		}
	},

	async 'both paths list models, and say what is missing without their headers'(chain) {
		const { gateway, headers } = chain;
		for (const path of ['/v1', '/v1/proxy']) {
			strictEqual((await ask(`${gateway.origin}${path}/models`, headers)).status, 200);
		}
		const { Authorization } = headers;
		const { status, body } = await ask(`${gateway.origin}/v1/models`, { Authorization });
		strictEqual(status, 400);
		strictEqual(body?.message, 'Either x-portkey-config or x-portkey-provider header is required');
	},

	async 'one x-portkey-config header replaces all others, including the key'(chain) {
		const { server, gateway } = chain;
		const config = { provider: 'openai', api_key: LOCAL_API_KEY, custom_host: server.url };
		const headers = { 'x-portkey-config': JSON.stringify(config) };
		for (const path of ['/v1', '/v1/proxy']) {
			const url = `${gateway.origin}${path}/images/generations`;
			strictEqual((await ask(url, headers, GENERATION)).status, 200);
		}
	},

	async 'the server gets the key, and none of the gateway headers'({ server, gateway, headers }) {
		await ask(`${gateway.origin}/v1/proxy/images/generations`, headers, GENERATION);
		const received = server.requests[0].headers;
		strictEqual(received.authorization, headers.Authorization);
		deepStrictEqual(
			Object.keys(received).filter((name) => name.startsWith('x-portkey')),
			[],
		);
	},

	async 'errors come with the status and the trace ID, on /v1 behind "openai error:"'(chain) {
		const { server, gateway, headers } = chain;
		const refused = { ...GENERATION, prompt: 'forbidden-451' };
		for (const [path, message] of [
			['/v1', /^openai error: The prompt did not pass moderation$/],
			['/v1/proxy', /^The prompt did not pass moderation$/],
		] as const) {
			server.reset();
			const reply = await ask(`${gateway.origin}${path}/images/generations`, headers, refused);
			strictEqual(reply.status, 451);
			match(reply.body?.error?.message ?? '', message);
			strictEqual(reply.headers.get('x-trace-id'), server.requests[0].traceId);
		}
		const wrongKey = { ...headers, Authorization: 'Bearer a-wrong-key' };
		const url = `${gateway.origin}/v1/images/generations`;
		strictEqual((await ask(url, wrongKey, GENERATION)).status, 401);
	},

	async 'a 429 comes with Retry-After, on both paths'({ server, gateway, headers }) {
		for (const path of ['/v1', '/v1/proxy']) {
			server.setFaults([{ fault: { status: 429, retryAfter: 3 } }]);
			const url = `${gateway.origin}${path}/images/generations`;
			const reply = await ask(url, headers, GENERATION);
			deepStrictEqual([reply.status, reply.headers.get('retry-after')], [429, '3']);
		}
		server.setFaults([]);
	},

	async 'nginx passes on small and quick requests'({ nginx, headers }) {
		const url = `${nginx.origin}/v1/proxy/images/edits`;
		strictEqual((await ask(url, headers, await editForm())).status, 200);
	},

	async 'nginx responds with 413, as HTML, to more than 1 MB, and passes nothing on'(chain) {
		const { server, nginx, headers } = chain;
		const url = `${nginx.origin}/v1/proxy/images/edits`;
		const { status, text } = await ask(url, headers, await editForm(MEGABYTE));
		strictEqual(status, 413);
		match(text, /<title>413 Request Entity Too Large<\/title>/);
		strictEqual(server.requests.length, 0);
	},

	async 'nginx responds with 504, as HTML, while the image is made and charged'(chain) {
		const { server, nginx, headers } = chain;
		server.setFaults([{ fault: { delayMs: SLOW_RESPONSE_MS } }]);
		const url = `${nginx.origin}/v1/proxy/images/generations`;
		const { status, text } = await ask(url, headers, GENERATION);
		strictEqual(status, 504);
		match(text, /<title>504 Gateway Time-out<\/title>/);
		strictEqual(server.billed.length, 0);
		await until(() => server.billed.length === 1);
		server.setFaults([]);
	},
};

async function setUp(testContext: TestContext): Promise<Chain> {
	const { folder, installation, cleanUp, log } = testContext;
	await installPortkeyGateway(log);
	const server = await startStepFunServer();
	cleanUp(() => server.close());
	const gateway = await startPortkeyGateway(folder, installation);
	cleanUp(() => gateway.stop());
	const nginx = await startNginx(join(folder, 'nginx'), {
		upstream: gateway.origin,
		readTimeout: READ_TIMEOUT_S,
	});
	cleanUp(() => nginx.stop());
	const headers = {
		Authorization: `Bearer ${LOCAL_API_KEY}`,
		'x-portkey-provider': 'openai',
		'x-portkey-custom-host': server.url,
	};
	return { server, gateway, nginx, headers };
}

export const gatewaySuite: Suite = {
	title: 'a real Portkey gateway, nginx in front of it, and the node in n8n through both',
	async run(testContext) {
		const chain = await setUp(testContext);
		for (const [title, check] of Object.entries(CHECKS)) {
			chain.server.reset();
			await check(chain);
			testContext.log(title);
		}
		const { server, gateway, nginx, headers } = chain;
		const gatewayHeaders = { ...headers };
		delete gatewayHeaders.Authorization;
		await checkNode(
			{
				server,
				gateway: gateway.origin,
				nginx: nginx.origin,
				headers: gatewayHeaders,
				slowResponseMs: SLOW_RESPONSE_MS,
			},
			testContext,
		);
	},
};
