import { deepStrictEqual, match, ok, strictEqual } from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type {
	ICredentialDataDecryptedObject,
	INodeExecutionData,
	INodeParameters,
} from 'n8n-workflow';
import { padImage } from '../../stepfun-server/imagePadding.cts';
import { inputImage, until } from '../../stepfun-server/testRequests.cts';
import { itemsOf } from '../../kit/finishedRun.cts';
import { createStepFunCredential } from '../../kit/stepFunCredential.cts';
import { chain, IMAGES, imagesStep, step, TRIGGER } from '../../kit/workflowBuilder.cts';
import { CREDENTIAL_TYPE } from '../../n8n/example.cts';
import { startN8n, type CredentialReference, type N8nInstance } from '../../n8n/instance.cts';
import type { StepFunServer } from '../../stepfun-server/server.cts';
import type { TestContext } from '../suite.cts';
import { startForwarder, type Forwarder } from './forwarder.cts';

const EXECUTION_TIMEOUT_MS = 60_000;
const MEGABYTE = 1024 * 1024;

/** A host that only the proxy of n8n's environment can reach. */
const PROXIED_ORIGIN = 'http://images.example.invalid';

/** Both paths of the gateway, with the API Format that suits what each lets through. */
const PATHS = [
	{ path: '/v1/proxy', apiFormat: 'stepfun' },
	{ path: '/v1', apiFormat: 'openai' },
];

/** What the node is run against. */
export interface GatewayChain {
	server: StepFunServer;
	/** The addresses of the gateway, and of nginx before it. */
	gateway: string;
	nginx: string;
	/** The headers that configure the gateway, except the key. */
	headers: Record<string, string>;
	/** How long the server takes for a response that nginx does not wait for. */
	slowResponseMs: number;
}

interface NodeContext extends GatewayChain {
	n8n: N8nInstance;
	/** The proxy that n8n's environment names, and a server with a certificate of its own. */
	proxy: Forwarder;
	tls: Forwarder;
	smallFile: string;
	/** Larger than nginx takes. */
	largeFile: string;
}

interface ImageRun {
	items: INodeExecutionData[];
	/** Message and description of the error that stopped the workflow. */
	error?: string;
	/** What stands above the node's output. */
	hint: string;
}

/** A credential for an address before the server, with the gateway's headers. */
async function createAccount(
	{ n8n, headers }: NodeContext,
	baseUrl: string,
	changes: ICredentialDataDecryptedObject = {},
): Promise<CredentialReference> {
	const values = Object.entries(headers).map(([name, value]) => ({ name, value }));
	const data = { headers: { values }, ...changes };
	return await createStepFunCredential(n8n, { url: baseUrl }, data);
}

/**
 * Runs the node once.
 *
 * @param file is read into the node's input item, if there is one
 */
async function runNode(
	{ n8n }: NodeContext,
	credential: CredentialReference,
	parameters: INodeParameters,
	file?: string,
): Promise<ImageRun> {
	const read = step('Read', 'n8n-nodes-base.readWriteFile', 1.1, { fileSelector: file ?? '' });
	const images = imagesStep(credential, { prompt: 'A red shoe', ...parameters });
	const workflow = chain('Gateway', [TRIGGER, ...(file ? [read] : []), images]);
	const execution = await n8n.executeWorkflow(
		await n8n.createWorkflow(workflow),
		TRIGGER,
		EXECUTION_TIMEOUT_MS,
	);
	const { runData, error } = execution.data.resultData;
	const hints = runData[IMAGES]?.[0]?.hints ?? [];
	return {
		items: itemsOf(execution, IMAGES),
		error: error && `${error.message} | ${error.description}`,
		hint: hints.map(({ message }) => message).join(' '),
	};
}

/** Fails unless the run brought these pictures of the server, byte for byte. */
async function checkPictures(
	{ n8n, server }: NodeContext,
	{ items, error }: ImageRun,
	count: number,
): Promise<void> {
	strictEqual(error, undefined);
	strictEqual(items.length, count);
	strictEqual(server.billed.length, count);
	for (const { binary } of items) {
		const bytes = await n8n.downloadBinary(String(binary?.data.id));
		ok(
			server.sentImages.some((sent) => sent.equals(bytes)),
			'n8n keeps other bytes than the server sent',
		);
	}
}

/** What each check through the node in a real n8n proves, and the check. */
const CHECKS: Record<string, (context: NodeContext) => Promise<void>> = {
	async 'the credential is tested through both paths, and through nginx'(context) {
		const { n8n, gateway, nginx } = context;
		for (const { path, apiFormat } of PATHS) {
			for (const origin of [gateway, nginx]) {
				const account = await createAccount(context, `${origin}${path}`, { apiFormat });
				strictEqual((await n8n.testCredential(account, CREDENTIAL_TYPE)).status, 'OK');
			}
		}
	},

	async 'Generate: /v1/proxy gets every setting to the server'(context) {
		const account = await createAccount(context, `${context.gateway}/v1/proxy`);
		const run = await runNode(context, account, {
			options: { seed: 7, steps: 9, cfgScale: 2, negativePrompt: 'blurry' },
		});
		await checkPictures(context, run, 1);
		const { seed, steps, cfg_scale, negative_prompt } = context.server.requests[0].json as Record<
			string,
			unknown
		>;
		deepStrictEqual([seed, steps, cfg_scale, negative_prompt], [7, 9, 2, 'blurry']);
		const [{ json }] = run.items;
		deepStrictEqual([json.seed, json.requestedSeed, run.hint], [7, undefined, '']);
	},

	async 'Generate: /v1 returns a picture as OpenAI-Compatible, and refuses Steps without a charge'(
		context,
	) {
		const account = await createAccount(context, `${context.gateway}/v1`, { apiFormat: 'openai' });
		await checkPictures(context, await runNode(context, account, {}), 1);
		const { error = '' } = await runNode(context, account, { options: { steps: 9 } });
		match(error, /Steps/);
		strictEqual(context.server.requests.length, 1);
	},

	async 'a seed that /v1 drops is shown in each item and in the hint'(context) {
		for (const apiFormat of ['stepfun', 'openai']) {
			context.server.reset();
			const account = await createAccount(context, `${context.gateway}/v1`, { apiFormat });
			const run = await runNode(context, account, { options: { seed: 7, numberOfImages: 3 } });
			await checkPictures(context, run, 3);
			const seeds = run.items.map(({ json }) => json.requestedSeed);
			deepStrictEqual(seeds, [7, 8, 9]);
			match(run.hint, /3 images came with a different seed than requested/);
			match(run.hint, /A gateway in between may drop the setting; check API Format/);
		}
	},

	async 'Number of Images: /v1/proxy brings variations with the seeds in turn'(context) {
		const account = await createAccount(context, `${context.gateway}/v1/proxy`);
		const run = await runNode(context, account, { options: { seed: 7, numberOfImages: 3 } });
		await checkPictures(context, run, 3);
		const seeds = run.items.map(({ json }) => [json.variation, json.seed, json.requestedSeed]);
		deepStrictEqual(seeds, [
			[1, 7, undefined],
			[2, 8, undefined],
			[3, 9, undefined],
		]);
	},

	async 'Edit: both paths pass the file'(context) {
		const { server, gateway, smallFile } = context;
		for (const { path, apiFormat } of PATHS) {
			server.reset();
			const account = await createAccount(context, `${gateway}${path}`, { apiFormat });
			const run = await runNode(context, account, { operation: 'edit' }, smallFile);
			await checkPictures(context, run, 1);
			strictEqual(server.requests[0].file?.name, 'small.png');
		}
	},

	async 'an error of the server keeps its message and its trace ID, and is not retried'(context) {
		const { server, gateway } = context;
		for (const { path, apiFormat } of PATHS) {
			server.reset();
			const account = await createAccount(context, `${gateway}${path}`, { apiFormat });
			const { error = '' } = await runNode(context, account, { prompt: 'forbidden-451' });
			match(
				error,
				/^Moderation refused the request: (openai error: )?The prompt did not pass moderation/,
			);
			strictEqual(server.requests.length, 1);
			ok(error.includes(`Trace ID: ${server.requests[0].traceId}`), error);

			const wrongKey = await createAccount(context, `${gateway}${path}`, {
				apiFormat,
				apiKey: 'a-wrong-key',
			});
			match((await runNode(context, wrongKey, {})).error ?? '', /^The API key was not accepted/);
			strictEqual(server.requests.length, 2);
		}
	},

	async 'the node waits as long as a 429 asks, through both paths'(context) {
		const { server, gateway } = context;
		for (const { path, apiFormat } of PATHS) {
			server.reset();
			server.setFaults([{ times: 1, fault: { status: 429, retryAfter: 1 } }]);
			const account = await createAccount(context, `${gateway}${path}`, { apiFormat });
			const run = await runNode(context, account, {});
			await checkPictures(context, run, 1);
			match(run.hint, /The service asked to slow down once/);
			ok(server.requests[1].receivedAt - server.requests[0].receivedAt >= 1_000);
		}
	},

	async "nginx's 413 for an edit says that the image is too large, and costs nothing"(context) {
		const { server, nginx, largeFile } = context;
		const account = await createAccount(context, `${nginx}/v1/proxy`);
		const { error = '' } = await runNode(context, account, { operation: 'edit' }, largeFile);
		match(error, /^The image is too large for the server, or for a proxy/);
		match(error, /client_max_body_size/);
		strictEqual(server.requests.length, 0);
	},

	async "nginx's 504 costs one image, or at most two if the format is StepFun's"(context) {
		const { server, nginx, slowResponseMs } = context;
		for (const [apiFormat, most] of [
			['openai', 1],
			['stepfun', 2],
		] as const) {
			server.reset();
			server.setFaults([{ fault: { delayMs: slowResponseMs } }]);
			const account = await createAccount(context, `${nginx}/v1/proxy`, { apiFormat });
			const { error = '' } = await runNode(context, account, {});
			match(error, /^The service took too long and gave up/);
			match(error, /the image may have been charged/);
			strictEqual(server.requests.length, most);
			await until(() => server.billed.length === most);
		}
		server.setFaults([]);
	},

	async "the proxy of n8n's environment is used for the credential's test and for images"(context) {
		const { n8n, proxy, smallFile } = context;
		const account = await createAccount(context, `${PROXIED_ORIGIN}/v1/proxy`);
		strictEqual((await n8n.testCredential(account, CREDENTIAL_TYPE)).status, 'OK');
		await checkPictures(context, await runNode(context, account, {}), 1);
		context.server.reset();
		const edit = await runNode(context, account, { operation: 'edit' }, smallFile);
		await checkPictures(context, edit, 1);
		deepStrictEqual(proxy.asked, [
			`${PROXIED_ORIGIN}/v1/proxy/models`,
			`${PROXIED_ORIGIN}/v1/proxy/images/generations`,
			`${PROXIED_ORIGIN}/v1/proxy/images/edits`,
		]);
	},

	async 'a server with a self-signed certificate is accepted only with Ignore SSL Issues'(context) {
		const { n8n, tls } = context;
		const strict = await createAccount(context, `${tls.origin}/v1/proxy`);
		const verdict = await n8n.testCredential(strict, CREDENTIAL_TYPE);
		match(verdict.message, /The SSL certificate of 127\.0\.0\.1:\d+ cannot be verified/);
		match((await runNode(context, strict, {})).error ?? '', /^The connection to .* failed/);
		deepStrictEqual(tls.asked, []);

		const lenient = await createAccount(context, `${tls.origin}/v1/proxy`, {
			ignoreSSLIssues: true,
		});
		strictEqual((await n8n.testCredential(lenient, CREDENTIAL_TYPE)).status, 'OK');
		await checkPictures(context, await runNode(context, lenient, {}), 1);
	},
};

async function setUp(
	gatewayChain: GatewayChain,
	{ installation, tarball, folder, cleanUp }: TestContext,
): Promise<NodeContext> {
	const userFolder = join(folder, 'n8n');
	const filesFolder = join(folder, 'files');
	await mkdir(userFolder);
	await mkdir(filesFolder);
	const [smallFile, largeFile] = ['small.png', 'large.png'].map((name) => join(filesFolder, name));
	const picture = await inputImage(64, 64);
	await writeFile(smallFile, picture);
	await writeFile(largeFile, padImage(picture, 'png', 2 * MEGABYTE));
	const proxy = await startForwarder(gatewayChain.gateway);
	cleanUp(() => proxy.stop());
	const tls = await startForwarder(gatewayChain.gateway, join(folder, 'tls'));
	cleanUp(() => tls.stop());
	const n8n = await startN8n({
		installation,
		tarball,
		userFolder,
		filesFolder,
		environment: { HTTP_PROXY: proxy.origin, NO_PROXY: '127.0.0.1,localhost' },
	});
	cleanUp(() => n8n.stop());
	return { ...gatewayChain, n8n, proxy, tls, smallFile, largeFile };
}

/** Runs the node in a real n8n against the gateway and nginx; throws at the first thing that is not as it should be. */
export async function checkNode(
	gatewayChain: GatewayChain,
	testContext: TestContext,
): Promise<void> {
	const context = await setUp(gatewayChain, testContext);
	for (const [title, check] of Object.entries(CHECKS)) {
		context.server.reset();
		await check(context);
		testContext.log(`n8n: ${title}`);
	}
}
