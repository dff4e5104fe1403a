import { deepStrictEqual, match, ok, strictEqual } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ICredentialDataDecryptedObject, INodeParameters } from 'n8n-workflow';
import { inputImage } from '../kit/images.cts';
import { watchProcess } from '../kit/processFigures.cts';
import { FinishedRun } from '../kit/finishedRun.cts';
import { createStepFunCredential } from '../kit/stepFunCredential.cts';
import { CREDENTIAL_TYPE } from '../n8n/example.cts';
import { startN8n, type CredentialReference, type N8nInstance } from '../n8n/instance.cts';
import { chain, imagesStep, itemSteps, step, TRIGGER, type Step } from '../kit/workflowBuilder.cts';
import { HOSTILE_NAMES } from '../kit/hostileNames.cts';
import {
	linkResponse,
	sendEndlessly,
	startHostileServer,
	type HostileServer,
} from '../kit/hostileServer.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';
import type { Suite, TestContext } from './suite.cts';
import { checkKeyIsNowhere, makeKey } from '../kit/secrets.cts';

const EXECUTION_TIMEOUT_MS = 120_000;
const PROMPT = 'A red shoe';
const MEGABYTE = 1024 * 1024;

/** Far less than what the hostile server sends, and room for what n8n needs to run and save an execution. */
const MOST_GROWTH = 300 * MEGABYTE;

/** A running n8n and everything that its workflows talk to. */
interface SecurityTestContext {
	n8n: N8nInstance;
	userFolder: string;
	filesFolder: string;
	server: StepFunServer;
	hostile: HostileServer;
	key: string;
	picture: Buffer;
	log: (line: string) => void;
}

/** How the only image node of a run is called. */
const NODE = 'Step 1';

const generate = (credential: CredentialReference, parameters: INodeParameters = {}): Step =>
	imagesStep(
		credential,
		{ prompt: PROMPT, options: { maxTries: 1, timeout: 60 }, ...parameters },
		NODE,
	);

const editFrom = (credential: CredentialReference, inputUrl: string): Step =>
	generate(credential, { operation: 'edit', inputSource: 'url', inputUrl });

const httpRequest = (url: string, credential?: CredentialReference): Step =>
	credential
		? // No file is asked for with a key: n8n then saves the request with its headers in the execution's data.
			step(
				NODE,
				'n8n-nodes-base.httpRequest',
				4.2,
				{ url, authentication: 'predefinedCredentialType', nodeCredentialType: CREDENTIAL_TYPE },
				{ credentials: { [CREDENTIAL_TYPE]: credential } },
			)
		: step(NODE, 'n8n-nodes-base.httpRequest', 4.2, {
				url,
				options: { response: { response: { responseFormat: 'file' } } },
			});

/** Runs these steps one after another. */
async function run(
	{ n8n, userFolder, filesFolder }: SecurityTestContext,
	steps: Step[],
): Promise<FinishedRun> {
	const workflow = chain('Security', [TRIGGER, ...steps]);
	const id = await n8n.createWorkflow(workflow);
	const execution = await n8n.executeWorkflow(id, TRIGGER, EXECUTION_TIMEOUT_MS);
	return new FinishedRun(execution, userFolder, filesFolder);
}

/** Runs a step that has to fail with a message of this kind. */
async function expectFailure(
	context: SecurityTestContext,
	step: Step,
	message: RegExp,
): Promise<string> {
	const { execution, errorMessage = '' } = await run(context, [step]);
	strictEqual(execution.status, 'error', `expected a failure like ${message.source}`);
	match(errorMessage, message);
	return errorMessage;
}

/** Runs a step that has to succeed with one item. */
async function expectSuccess(context: SecurityTestContext, step: Step): Promise<void> {
	const finished = await run(context, [step]);
	strictEqual(finished.errorMessage, undefined);
	strictEqual(finished.items(NODE).length, 1);
}

async function setUp(
	{ installation, tarball, folder, log, cleanUp }: TestContext,
	name: string,
	environment: Record<string, string>,
): Promise<SecurityTestContext> {
	const userFolder = join(folder, name);
	const filesFolder = join(folder, `${name}-files`);
	await mkdir(userFolder);
	await mkdir(filesFolder);
	const key = makeKey();
	const server = await startStepFunServer({ keys: [key], drawing: 'once' });
	cleanUp(() => server.close());
	const hostile = await startHostileServer();
	cleanUp(() => hostile.close());
	const n8n = await startN8n({
		installation,
		tarball,
		userFolder,
		filesFolder,
		environment: { N8N_LOG_LEVEL: 'debug', ...environment },
	});
	cleanUp(() => n8n.stop());
	const picture = await inputImage(64, 64);
	return { n8n, userFolder, filesFolder, server, hostile, key, picture, log };
}

async function createAccount(
	{ n8n, key }: SecurityTestContext,
	baseUrl: string,
	more: ICredentialDataDecryptedObject = {},
): Promise<CredentialReference> {
	const name = `StepFun account ${randomBytes(3).toString('hex')}`;
	return await createStepFunCredential(n8n, { url: baseUrl }, { apiKey: key, ...more }, name);
}

const asLocalhost = (url: string) => url.replace('127.0.0.1', 'localhost');

/** Responds as the API does, with a link to an address, and sends the picture to who opens one. */
function attackWithLink({ hostile, picture }: SecurityTestContext, url: string): void {
	hostile.attackWith((request, response) => {
		if (request.url === '/redirect') {
			response.writeHead(302, { Location: `${hostile.origin}/secret.png` }).end();
		} else if (request.method === 'GET') response.end(picture);
		else response.end(linkResponse(url));
	});
}

/** Ways to write the address of this machine. */
const LOCAL_HOSTS = [
	'127.0.0.1',
	'localhost',
	'127.1',
	'2130706433',
	'0x7f.0.0.1',
	'[::1]',
	'0.0.0.0',
];

const BLOCKED = /The request was blocked because it resolves to a restricted IP address/;

async function checkProtectedNetwork(context: SecurityTestContext): Promise<void> {
	const { hostile } = context;
	hostile.attackWith((_request, response) => void response.end(context.picture));
	for (const host of LOCAL_HOSTS) {
		const address = `http://${host}:${hostile.port}`;
		const account = await createAccount(context, `${address}/v1`);
		await expectFailure(context, httpRequest(`${address}/secret.png`), BLOCKED);
		const ofBaseUrl = await expectFailure(context, generate(account), BLOCKED);
		match(ofBaseUrl, /^n8n refuses to open/);
		const ofInput = await expectFailure(
			context,
			editFrom(account, `${address}/secret.png`),
			BLOCKED,
		);
		match(ofInput, /^The image at 'Image URL' could not be downloaded: n8n refuses to open/);
	}
	const account = await createAccount(context, hostile.url);
	const verdict = await context.n8n.testCredential(account, CREDENTIAL_TYPE);
	strictEqual(verdict.status, 'Error');
	context.log(`the credential's test is refused: "${verdict.message}"`);
	deepStrictEqual(hostile.requests, [], 'something was sent into the network that is protected');
	context.log(
		`HTTP Request, Base URL and Image URL are refused alike for ${LOCAL_HOSTS.join(', ')}`,
	);
}

/** The API is allowed by its name; where its links lead is not. */
async function checkProtectedLinks(context: SecurityTestContext): Promise<void> {
	const { hostile } = context;
	const account = await createAccount(context, asLocalhost(hostile.url));
	const secret = `${hostile.origin}/secret.png`;
	const redirect = `${asLocalhost(hostile.origin)}/redirect`;

	for (const [what, url] of [
		['a link', secret],
		['a redirect', redirect],
	]) {
		attackWithLink(context, url);
		const message = await expectFailure(context, generate(account), BLOCKED);
		match(message, /^The image was made, but could not be downloaded: n8n refuses to open/);
		await expectFailure(context, httpRequest(url), BLOCKED);
		await expectFailure(context, editFrom(account, url), BLOCKED);
		const opened = hostile.requests.filter(({ url: path }) => path === '/secret.png');
		deepStrictEqual(opened, [], `${what} into the protected network was opened`);
	}
	const allowed = `${asLocalhost(hostile.origin)}/picture.png`;
	attackWithLink(context, allowed);
	await expectSuccess(context, generate(account));
	await expectSuccess(context, httpRequest(allowed));
	context.log('links and redirects into the network are refused; what is allowed by name opens');
}

async function checkOpenNetwork(context: SecurityTestContext): Promise<void> {
	const { hostile, server } = context;
	const address = `${hostile.origin}/picture.png`;
	attackWithLink(context, `${hostile.origin}/redirect`);
	await expectSuccess(context, httpRequest(address));
	await expectSuccess(context, generate(await createAccount(context, hostile.url)));
	await expectSuccess(context, editFrom(await createAccount(context, server.url), address));
	for (const { method, headers } of hostile.requests) {
		strictEqual(headers.authorization !== undefined, method === 'POST');
	}
	context.log('without the protection all of them open, and links without the key');
}

/** n8n puts its restriction of domains into every credential that authenticates requests. */
async function checkAllowedDomains(context: SecurityTestContext): Promise<void> {
	const { hostile, server } = context;
	const models = `${asLocalhost(server.url)}/models`;
	const open = await createAccount(context, server.url);
	await expectSuccess(context, httpRequest(models, open));

	for (const [mode, message] of [
		['domains', /Domain not allowed: This credential is restricted from accessing localhost/],
		['none', /This credential is configured to prevent use within an HTTP Request/],
	] as const) {
		const restricted = await createAccount(context, server.url, {
			allowedHttpRequestDomains: mode,
			...(mode === 'domains' ? { allowedDomains: 'images.example.com' } : {}),
		});
		const before = server.requests.length;
		await expectFailure(context, httpRequest(models, restricted), message);
		strictEqual(server.requests.length, before, 'the key left for a domain that is not allowed');
		// The credential's own address is always allowed to its own node, and a link needs no credential.
		await expectSuccess(context, generate(restricted, { output: 'fileAndUrl' }));
		const [download] = server.resultRequests.slice(-1);
		strictEqual(download?.headers.authorization, undefined);
		await expectSuccess(context, editFrom(restricted, `${hostile.origin}/picture.png`));
	}
	context.log('allowed domains bind HTTP Request; the node keeps to the address of the credential');
}

async function checkFileNames(context: SecurityTestContext): Promise<void> {
	const { server, filesFolder } = context;
	const account = await createAccount(context, server.url, { concurrentRequests: '20' });
	const write = step('Write', 'n8n-nodes-base.readWriteFile', 1.1, {
		operation: 'write',
		// A number in front keeps names apart that a disk without capitals takes for one.
		fileName: `=${filesFolder}/{{ $itemIndex }} {{ $binary.data.fileName }}`,
		dataPropertyName: 'data',
		options: {},
	});
	const around = await readdir(join(filesFolder, '..'));
	for (const [how, parameters] of Object.entries<INodeParameters>({
		'File Name': { options: { fileName: '={{ $json.name }}' } },
		Prompt: { prompt: "={{ $json.name.slice(0, 500) + ' a' }}" },
	})) {
		const written = (await readdir(filesFolder)).length;
		const small = { model: 'step-2x-large', size: '256x256' };
		const finished = await run(context, [
			...itemSteps('name', [...HOSTILE_NAMES]),
			generate(account, { ...small, ...parameters }),
			write,
		]);
		strictEqual(finished.errorMessage, undefined, how);
		const images = finished.items(NODE);
		strictEqual(images.length, HOSTILE_NAMES.length);
		await finished.checkPictures(images);
		const files = await readdir(filesFolder);
		strictEqual(files.length - written, HOSTILE_NAMES.length, how);
		for (const [index, { binary }] of images.entries()) {
			ok(files.includes(`${index} ${binary?.data.fileName}`), `no file ${binary?.data.fileName}`);
		}
	}
	deepStrictEqual(
		await readdir(join(filesFolder, '..')),
		around,
		'something was written elsewhere',
	);
	context.log(`${2 * HOSTILE_NAMES.length} files of hostile names are where they should be`);
}

/** Servers that say back what they were sent, in a refusal, a success and a link. */
async function checkEchoes(context: SecurityTestContext): Promise<void> {
	const { hostile, picture } = context;
	const headerSecret = makeKey();
	const account = await createAccount(context, hostile.url, {
		headers: { values: [{ name: 'X-Gateway-Token', value: headerSecret }] },
	});
	const b64_json = picture.toString('base64');
	const replies: Array<[number, (said: string, authorization: string) => object]> = [
		[403, (said) => ({ error: { message: said } })],
		[500, (said) => ({ error: { message: said } })],
		[451, (said) => ({ error: { message: said } })],
		[200, (said) => ({ id: said, data: [{ finish_reason: said, b64_json }] })],
		[
			200,
			// A link is used with what it says back, without which it may lead nowhere, and shown without.
			(said, authorization) => ({
				id: said,
				data: [{ url: `${hostile.origin}/?said=${encodeURIComponent(authorization)}` }],
			}),
		],
		[200, (said) => ({ error: said })],
	];
	for (const [status, bodyOf] of replies) {
		hostile.attackWith(({ method, headers }, response) => {
			if (method === 'GET') return void response.writeHead(404).end();
			const authorization = String(headers.authorization);
			const said = `${authorization} ${String(headers['x-gateway-token'])}`;
			const body = JSON.stringify(bodyOf(said, authorization));
			response.writeHead(status, { 'X-Trace-Id': said }).end(body);
		});
		const parameters = { options: { maxTries: 2, whenModerated: 'passOn' } };
		await run(context, [generate(account, parameters)]);
		strictEqual(hostile.requests[0]?.headers['x-gateway-token'], headerSecret);
		// A link is opened as it stands, whatever the server wrote into it, and without what belongs to the API.
		for (const { method, headers } of hostile.requests.slice(1)) {
			const told = method === 'GET' ? JSON.stringify(headers) : '';
			ok(!told.includes(context.key) && !told.includes(headerSecret), `told: ${told}`);
		}
	}
	hostile.attackWith((_request, response) => {
		response.writeHead(307, { Location: `${asLocalhost(hostile.origin)}/v1` }).end();
	});
	await expectFailure(context, generate(account), /^The server redirects to another address/);
	strictEqual(hostile.requests.length, 1);
	await checkKeyIsNowhere(
		headerSecret,
		[context.userFolder, context.filesFolder],
		[context.server],
		{
			[join(context.userFolder, '.n8n')]: PROMPT,
		},
	);
	context.log('what a server says back of the key and the header is struck out');
}

/** Runs a step that has to fail, and n8n has to live: it keeps responding, and its memory stays bounded. */
async function expectSafeFailure(
	context: SecurityTestContext,
	step: Step,
	message: RegExp,
): Promise<number> {
	const memory = watchProcess(context.n8n.pid);
	await memory.forgetPeak();
	const before = await memory.peakBytes();
	let done = false;
	const watching = (async () => {
		while (!done) {
			const response = await fetch(`${context.n8n.url}/healthz`, {
				signal: AbortSignal.timeout(20_000),
			});
			ok(response.ok, 'n8n does not respond any more');
			await sleep(50);
		}
	})();
	// Awaited below; until then a failure of it must not end the process.
	watching.catch(() => undefined);
	try {
		await expectFailure(context, step, message);
	} finally {
		done = true;
	}
	await watching;
	await context.hostile.untilNobodyIsConnected();
	const growth = (await memory.peakBytes()) - before;
	ok(growth < MOST_GROWTH, `n8n grew by ${Math.round(growth / MEGABYTE)} MB`);
	return growth;
}

async function checkFloods(context: SecurityTestContext): Promise<void> {
	const { hostile, picture } = context;
	const account = await createAccount(context, hostile.url);
	const growths: number[] = [];
	for (const encoding of [undefined, 'gzip', 'deflate', 'br', 'zstd'] as const) {
		hostile.attackWith((_request, response) => sendEndlessly(response, '{"id":"', 'x', encoding));
		growths.push(
			await expectSafeFailure(context, generate(account), /^The response is far larger/),
		);
	}
	for (const encoding of ['gzip', 'zstd'] as const) {
		hostile.attackWith((request, response) => {
			if (request.method === 'POST') {
				response.end(JSON.stringify({ data: [{ url: `${hostile.origin}/picture.png` }] }));
			} else sendEndlessly(response, picture.subarray(0, 99), '\0', encoding);
		});
		growths.push(
			await expectSafeFailure(
				context,
				generate(account),
				/could not be downloaded: The image is larger than 256 MB/,
			),
		);
	}
	// A JPEG in which each byte starts a segment.
	hostile.attackWith((_request, response) => {
		response.end(
			Buffer.concat([
				Buffer.from([0xff, 0xd8]),
				Buffer.alloc(8 * MEGABYTE, Buffer.from([0xff, 0xe2, 0, 2])),
			]),
		);
	});
	const crafted = editFrom(account, `${hostile.origin}/shoe.jpg`);
	growths.push(await expectSafeFailure(context, crafted, /breaks off in the middle/));
	const most = Math.round(Math.max(...growths) / MEGABYTE);
	context.log(`${growths.length} floods ended, n8n kept responding and grew by ${most} MB at most`);
}

/** The key is in no file of n8n's and was sent to no result host. */
async function checkKey({
	key,
	userFolder,
	filesFolder,
	server,
	log,
}: SecurityTestContext): Promise<void> {
	const files = await checkKeyIsNowhere(key, [userFolder, filesFolder], [server], {
		[join(userFolder, '.n8n')]: PROMPT,
	});
	log(`the key stands in none of ${files} files`);
}

/** The node's security where only a real n8n can show it. */
export const securitySuite: Suite = {
	title: 'keys stay secret, networks closed, disks and memory whole',
	async run(testContext) {
		const open = await setUp(testContext, 'open', {});
		await checkOpenNetwork(open);
		await checkAllowedDomains(open);
		await checkFileNames(open);
		await checkEchoes(open);
		await checkFloods(open);
		await checkKey(open);
		await open.n8n.stop();

		const closed = await setUp(testContext, 'closed', { N8N_SSRF_PROTECTION_ENABLED: 'true' });
		await checkProtectedNetwork(closed);
		await checkKey(closed);
		await closed.n8n.stop();

		const half = await setUp(testContext, 'half-open', {
			N8N_SSRF_PROTECTION_ENABLED: 'true',
			N8N_SSRF_ALLOWED_HOSTNAMES: 'localhost',
		});
		await checkProtectedLinks(half);
		await checkKey(half);
	},
};
