import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { imageSize } from 'image-size';
import { readArguments } from '../kit/readArguments.cts';
import { withCleanUp, type CleanUp } from '../n8n/cleanUp.cts';
import { CREDENTIAL_TYPE, FOLDER_TEST_FILE, NODE_TYPE, prepareExample } from '../n8n/example.cts';
import { installN8n } from '../n8n/install.cts';
import { startN8n, type N8nInstance, type WorkflowFile } from '../n8n/instance.cts';
import {
	connectRemote,
	findRemote,
	REMOTE_OPTIONS,
	REMOTE_USAGE,
	type RemoteN8n,
} from '../n8n/remote.cts';
import { runnerOf, type WorkflowRunner } from '../n8n/workflowRunner.cts';
import { packPackage } from '../package/pack.cts';
import { LOCAL_API_KEY, startStepFunServer } from '../stepfun-server/server.cts';
import { summarize, toMarkdown, toPlainText, type ProductSummary } from './summary.cts';

const USAGE = `Usage: npm run demo -- [options]

  --open         keep n8n running, so that you can look at the workflow in its editor
${REMOTE_USAGE}
To use an image service of your own, set STEPFUN_API_KEY and STEPFUN_BASE_URL in the environment.
`;

const REPOSITORY = resolve(__dirname, '../..');
const OUTPUT_FOLDER = join(REPOSITORY, 'demo-output');
const EXAMPLE = 'product-photos';
const EXECUTION_TIMEOUT_MS = 300_000;

/** The image service that the demo uses: the real one with a key of yours, else the local test server. */
interface ImageService {
	baseUrl: string;
	apiKey: string;
	description: string;
	/** Whether this repository's test server generates its images. */
	isTestServer: boolean;
	close(): Promise<void>;
}

const TEST_IMAGES_NOTICE =
	'These images come from the StepFun test server and are not real results: each one is a stock landscape, labeled with what the node requested.';

const HOW_TO_GET_REAL_IMAGES = `${TEST_IMAGES_NOTICE}
To get real images:
  - Today: run one of the servers in docs/servers.md, and choose Custom as Service in the node's credential.
  - When StepFun's image service is back: STEPFUN_API_KEY=... npm run demo
    (with a key of platform.stepfun.ai, also STEPFUN_BASE_URL=https://api.stepfun.ai/v1)`;

async function openImageService(): Promise<ImageService> {
	const { STEPFUN_API_KEY: apiKey, STEPFUN_BASE_URL: baseUrl } = process.env;
	if (apiKey) {
		const realUrl = baseUrl || 'https://api.stepfun.com/v1';
		return {
			baseUrl: realUrl,
			apiKey,
			description: realUrl,
			isTestServer: false,
			close: async () => {},
		};
	}
	const server = await startStepFunServer();
	return {
		baseUrl: server.url,
		apiKey: LOCAL_API_KEY,
		description: `the StepFun test server, at ${server.url}`,
		isTestServer: true,
		close: () => server.close(),
	};
}

async function startOwnN8n(
	userFolder: string,
	cleanUp: CleanUp,
	log: (line: string) => void,
): Promise<N8nInstance> {
	log('Building and packing the package');
	const tarball = await packPackage(userFolder);
	const installation = await installN8n(log);
	log(`Starting n8n with ${basename(tarball)} installed as a community package`);
	const n8n = await startN8n({ installation, tarball, userFolder, filesFolder: OUTPUT_FOLDER });
	cleanUp(() => n8n.stop());
	if (!(await n8n.listNodeTypes()).includes(NODE_TYPE)) {
		throw new Error(`n8n did not load ${NODE_TYPE}`);
	}
	return n8n;
}

async function runWorkflow(
	runner: WorkflowRunner,
	workflow: WorkflowFile,
): Promise<{ url: string; products: ProductSummary[] }> {
	const { execution, workflowId } = await runner.run(workflow, OUTPUT_FOLDER, EXECUTION_TIMEOUT_MS);
	const { error, runData } = execution.data.resultData;
	if (execution.status !== 'success') {
		const node = error && 'node' in error ? ` in "${error.node?.name}"` : '';
		const description = error && 'description' in error ? `\n${error.description ?? ''}` : '';
		throw new Error(
			`The execution ended as "${execution.status}"${node}: ${error?.message}${description}`,
		);
	}
	return { url: `${runner.url}/workflow/${workflowId}`, products: summarize(runData) };
}

/** Opens every image, because a successful execution does not prove that each file is an image of the right size. */
async function checkImages(products: ProductSummary[]): Promise<void> {
	for (const { product, size, files } of products) {
		for (const file of files) {
			const { width, height } = imageSize(await readFile(join(OUTPUT_FOLDER, file)));
			if (`${width}x${height}` !== size) {
				throw new Error(`${file} of ${product} is ${width}x${height}, not ${size}`);
			}
		}
	}
}

async function waitForInterrupt(): Promise<void> {
	await new Promise<void>((resolveInterrupt) => {
		process.once('SIGINT', resolveInterrupt);
		process.once('SIGTERM', resolveInterrupt);
	});
}

async function main(): Promise<void> {
	const options = readArguments(USAGE, {
		open: { type: 'boolean', default: false },
		...REMOTE_OPTIONS,
	});
	if (!options) return;
	const remote = findRemote(options);
	const startedAt = Date.now();
	const log = (line: string) =>
		console.log(`[${String(Math.round((Date.now() - startedAt) / 1000)).padStart(3)} s] ${line}`);

	await rm(OUTPUT_FOLDER, { recursive: true, force: true });
	await mkdir(OUTPUT_FOLDER, { recursive: true });
	const workFolder = await mkdtemp(join(tmpdir(), 'stepfun-image-demo-'));
	await withCleanUp(async (cleanUp) => {
		cleanUp(() => rm(workFolder, { recursive: true, force: true, maxRetries: 3 }));
		const service = await openImageService();
		cleanUp(service.close);
		log(`Images come from ${service.description}`);

		const n8n = remote ? undefined : await startOwnN8n(workFolder, cleanUp, log);
		const runner = n8n ? runnerOf(n8n) : await connectRemote(remote as RemoteN8n, cleanUp);
		if (remote) log(`Using the n8n at ${runner.url}`);

		const credential = await runner.createCredential(CREDENTIAL_TYPE, 'StepFun account', {
			service: 'custom',
			baseUrl: service.baseUrl,
			apiKey: service.apiKey,
		});
		const verdict = await runner.testCredential(credential, CREDENTIAL_TYPE);
		log(`n8n's test of the credential: ${verdict.message}`);
		if (verdict.status !== 'OK') throw new Error(`The credential test failed: ${verdict.message}`);

		log(`Running examples/${EXAMPLE}.json`);
		const workflow = await prepareExample(EXAMPLE, {
			credentials: { [CREDENTIAL_TYPE]: credential },
			filesFolder: OUTPUT_FOLDER,
		});
		const { url, products } = await runWorkflow(runner, workflow);
		await checkImages(products);
		await rm(join(OUTPUT_FOLDER, FOLDER_TEST_FILE), { force: true });
		await writeFile(join(OUTPUT_FOLDER, 'summary.json'), `${JSON.stringify(products, null, 2)}\n`);
		await writeFile(
			join(OUTPUT_FOLDER, 'summary.md'),
			toMarkdown(products, service.isTestServer ? TEST_IMAGES_NOTICE : undefined),
		);

		console.log(`\n${toPlainText(products)}\n`);
		const images = products.flatMap(({ files }) => files).length;
		log(
			`demo-output/ contains ${images} images of ${products.length} products, summary.md and summary.json`,
		);
		if (service.isTestServer) console.log(`\n${HOW_TO_GET_REAL_IMAGES}`);

		if (options.open) {
			console.log(`\nThe workflow in n8n's editor: ${url}`);
			if (n8n) console.log(`Login: ${n8n.owner.email}, password: ${n8n.owner.password}`);
			const ending = n8n
				? 'ends n8n and removes its data'
				: 'removes the workflow and its credential';
			console.log(`Ctrl+C ${ending}; demo-output/ stays.`);
			await waitForInterrupt();
		}
	});
}

main().catch((error: Error) => {
	console.error(`\nThe demo failed. ${error.message}`);
	process.exitCode = 1;
});
