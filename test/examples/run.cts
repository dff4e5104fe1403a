import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { launchChromium } from '../editor/chromium.cts';
import { openEditor } from '../editor/editor.cts';
import { savePicture } from '../editor/savePicture.cts';
import { readArguments, usageError } from '../kit/readArguments.cts';
import { withCleanUp, type CleanUp } from '../n8n/cleanUp.cts';
import { CREDENTIAL_TYPE, prepareExample } from '../n8n/example.cts';
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
import { CHAT_API_KEY, startChatServer, type ChatServer } from './chatServer.cts';
import { EXPECTED_RUNS, type ExpectedRun } from './checks.cts';
import { FinishedRun } from '../kit/finishedRun.cts';

const USAGE = `Usage: npm run examples -- [options]

  --pictures     save a screenshot of each example in docs/images; needs Chromium
${REMOTE_USAGE}`;

const REPOSITORY = resolve(__dirname, '../..');
const PICTURES_FOLDER = join(REPOSITORY, 'docs/images');
const EXECUTION_TIMEOUT_MS = 120_000;

/** In yuan: enough for two images of step-image-edit-2, and not for three. */
const SHORT_BALANCE = 0.05;

/** Everything around the examples. */
interface TestContext {
	runner: WorkflowRunner;
	/** The n8n that was started for the examples, unless they run in another. */
	n8n?: N8nInstance;
	chat: ChatServer;
	userFolder: string;
	filesFolder: string;
	/** Reads an example with its credentials chosen: among them an account with money, or one with hardly any. */
	prepare(expected: ExpectedRun, filesFolder: string): Promise<WorkflowFile>;
}

/** Fails if an example has no check. */
async function checkCompleteness(): Promise<void> {
	const files = await readdir(join(REPOSITORY, 'examples'));
	const checked = new Set(EXPECTED_RUNS.map(({ example }) => `${example}.json`));
	const unchecked = files.filter((file) => file.endsWith('.json') && !checked.has(file));
	if (unchecked.length > 0) throw new Error(`No check in test/examples/checks.cts: ${unchecked}`);
}

async function startOwnN8n(
	userFolder: string,
	filesFolder: string,
	cleanUp: CleanUp,
	log: (line: string) => void,
): Promise<N8nInstance> {
	const installation = await installN8n(log);
	const tarball = await packPackage(userFolder);
	log('Starting n8n');
	const n8n = await startN8n({ installation, tarball, userFolder, filesFolder });
	cleanUp(() => n8n.stop());
	return n8n;
}

async function setUp(
	remote: RemoteN8n | undefined,
	cleanUp: CleanUp,
	log: (line: string) => void,
): Promise<TestContext> {
	const userFolder = await mkdtemp(join(tmpdir(), 'stepfun-image-examples-'));
	cleanUp(() => rm(userFolder, { recursive: true, force: true, maxRetries: 3 }));
	const filesFolder = join(userFolder, 'pictures');
	await mkdir(filesFolder);

	const server = await startStepFunServer();
	cleanUp(() => server.close());
	const shortServer = await startStepFunServer({ balance: SHORT_BALANCE });
	cleanUp(() => shortServer.close());
	const chat = await startChatServer();
	cleanUp(() => chat.close());

	const n8n = remote ? undefined : await startOwnN8n(userFolder, filesFolder, cleanUp, log);
	const runner = n8n ? runnerOf(n8n) : await connectRemote(remote as RemoteN8n, cleanUp);
	if (remote) log(`Using the n8n at ${runner.url}`);

	const createAccount = async (name: string, baseUrl: string) =>
		await runner.createCredential(CREDENTIAL_TYPE, name, {
			service: 'custom',
			baseUrl,
			apiKey: LOCAL_API_KEY,
		});
	const account = await createAccount('StepFun account', server.url);
	const shortAccount = await createAccount('StepFun account with little money', shortServer.url);
	const openAiApi = await runner.createCredential('openAiApi', 'Chat model account', {
		apiKey: CHAT_API_KEY,
		url: chat.url,
		header: false,
	});
	return {
		runner,
		n8n,
		chat,
		userFolder,
		filesFolder,
		prepare: async ({ example, withShortAccount }, folder) =>
			await prepareExample(example, {
				credentials: { [CREDENTIAL_TYPE]: withShortAccount ? shortAccount : account, openAiApi },
				filesFolder: folder,
			}),
	};
}

/** Runs an example and looks at what came out of it. Returns the id of the workflow. */
async function runExample(
	expected: ExpectedRun,
	{ runner, chat, userFolder, filesFolder, prepare }: TestContext,
): Promise<{ workflowId: string; summary: string }> {
	const folder = await mkdtemp(join(filesFolder, `${expected.example}-`));
	for (const [name, bytes] of Object.entries((await expected.files?.()) ?? {})) {
		await mkdir(dirname(join(folder, name)), { recursive: true });
		await writeFile(join(folder, name), bytes);
	}
	const workflow = await prepare(
		expected,
		expected.withoutFolder ? join(folder, 'missing') : folder,
	);
	const { execution, workflowId, readBinary } = await runner.run(
		workflow,
		folder,
		EXECUTION_TIMEOUT_MS,
	);
	const run = new FinishedRun(execution, userFolder, folder, readBinary);
	const wanted = expected.fails ? 'error' : 'success';
	if (execution.status !== wanted) {
		const reason = run.errorMessage ? `: ${run.errorMessage}` : '';
		throw new Error(`the execution ended as "${execution.status}"${reason}`);
	}
	return { workflowId, summary: await expected.check(run, chat) };
}

/** Runs the examples once more in n8n's editor and takes a picture of each one's canvas. */
async function takePictures(
	n8n: N8nInstance,
	workflowIds: Map<string, string>,
	log: (line: string) => void,
): Promise<void> {
	await mkdir(PICTURES_FOLDER, { recursive: true });
	const browser = await launchChromium();
	try {
		const editor = await openEditor(browser, n8n);
		for (const [example, id] of workflowIds) {
			await editor.openWorkflow(id);
			await editor.executeWorkflow();
			const file = join(PICTURES_FOLDER, `example-${example}.png`);
			log(await savePicture(file, await editor.shootCanvas()));
		}
	} finally {
		await browser.close();
	}
}

async function main(): Promise<void> {
	const options = readArguments(USAGE, {
		pictures: { type: 'boolean', default: false },
		...REMOTE_OPTIONS,
	});
	if (!options) return;
	const remote = findRemote(options);
	if (remote && options.pictures) throw usageError('--pictures works only without --n8n', USAGE);
	const startedAt = Date.now();
	const log = (line: string) =>
		console.log(`[${String(Math.round((Date.now() - startedAt) / 1000)).padStart(3)} s] ${line}`);

	await checkCompleteness();
	await withCleanUp(async (cleanUp) => {
		const context = await setUp(remote, cleanUp, log);
		const workflowIds = new Map<string, string>();
		let failed = 0;
		// In a running n8n nothing is written to a disk, so there no folder can be missing.
		const runs = EXPECTED_RUNS.filter(({ withoutFolder }) => !remote || !withoutFolder);
		for (const expected of runs) {
			const title = [
				expected.example,
				expected.withShortAccount ? ' with little money' : '',
				expected.withoutFolder ? ' without its folder' : '',
			].join('');
			try {
				const { workflowId, summary } = await runExample(expected, context);
				log(`ok      ${title}: ${summary}`);
				// One of the runs that end with an error makes no good picture.
				if (!expected.fails) workflowIds.set(expected.example, workflowId);
			} catch (error) {
				failed++;
				log(`FAILED  ${title}: ${(error as Error).message}`);
			}
		}
		if (failed > 0) throw new Error(`${failed} of ${runs.length} runs`);
		log(`${runs.length} runs of ${workflowIds.size} examples did what they should`);
		// The README has a picture of this one, taken by npm run screenshots.
		workflowIds.delete('product-photos');
		const { n8n } = context;
		if (options.pictures && n8n) await takePictures(n8n, workflowIds, log);
	});
}

main().catch((error: Error) => {
	console.error(`\nThe examples failed. ${error.message}`);
	process.exitCode = 1;
});
