import { deepStrictEqual, ok } from 'node:assert';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FinishedRun, itemsOf } from '../kit/finishedRun.cts';
import { createStepFunCredential } from '../kit/stepFunCredential.cts';
import {
	type CredentialReference,
	type FinishedExecution,
	type N8nInstance,
	type WorkflowFile,
} from '../n8n/instance.cts';
import { startStepFunServer } from '../stepfun-server/server.cts';
import type { StepFunServer } from '../stepfun-server/types.cts';
import {
	chain,
	imagesStep,
	IMAGES,
	loop,
	PROMPT_START,
	promptSteps,
	TRIGGER,
} from '../kit/workflowBuilder.cts';
import { waitFor } from '../kit/waitFor.cts';
import { restartableN8n, waitForConnections } from './restartableN8n.cts';
import type { Suite, TestContext } from './suite.cts';
import { checkKeyIsNowhere, makeKey } from '../kit/secrets.cts';

const ITEMS = 50;
const BATCH = 10;
const AT_ONCE = 5;
const LATENCY_MS = 1_500;
/** Long enough for n8n's 30 s to pass, and for a machine with other work. */
const TIMEOUT_MS = 120_000;
/** Shorter than the 50 items take. */
const SHORT_GRACE_SECONDS = 3;

/** What all steps of this suite share. */
interface RestartTestContext {
	testContext: TestContext;
	server: StepFunServer;
	filesFolder: string;
	/** Starts n8n in the suite's folder, the first time and again. */
	start(graceSeconds?: number): Promise<N8nInstance>;
}

async function setUpContext(testContext: TestContext, key: string): Promise<RestartTestContext> {
	const { folder, cleanUp } = testContext;
	const server = await startStepFunServer({
		keys: [key],
		latencyMs: LATENCY_MS,
		drawing: 'once',
		recordBodies: false,
	});
	cleanUp(() => server.close());
	const start = restartableN8n(testContext);
	return {
		testContext,
		server,
		filesFolder: folder,
		start: async (graceSeconds) =>
			await start({
				// As in n8n's Docker image; n8n then looks for a crash when it starts.
				NODE_ENV: 'production',
				...(graceSeconds ? { N8N_GRACEFUL_SHUTDOWN_TIMEOUT: String(graceSeconds) } : {}),
			}),
	};
}

/** Sends n8n SIGTERM, as a restart does, and waits until it has gone. */
async function terminate(n8n: N8nInstance): Promise<{ code: number | null; seconds: number }> {
	const startedAt = Date.now();
	process.kill(n8n.pid, 'SIGTERM');
	const code = await Promise.race([
		n8n.exit,
		sleep(TIMEOUT_MS, 'timeout' as const, { ref: false }),
	]);
	if (code === 'timeout') throw new Error(`n8n did not exit within ${TIMEOUT_MS / 1000} s`);
	return { code, seconds: (Date.now() - startedAt) / 1000 };
}

/** How many requests the server got, how many it completed, and how many it saw broken off. */
function countRequests({ requests }: StepFunServer) {
	return {
		sent: requests.length,
		completed: requests.filter(({ respondedAt, aborted }) => respondedAt && !aborted).length,
		brokenOff: requests.filter(({ aborted }) => aborted).length,
	};
}

/** Fails unless every connection is closed and nothing more comes for longer than a request takes. */
async function checkSilence(server: StepFunServer) {
	await waitForConnections(server);
	const counts = countRequests(server);
	await sleep(3 * LATENCY_MS);
	deepStrictEqual(countRequests(server), counts, 'a request came after the end');
	deepStrictEqual(counts.completed + counts.brokenOff, counts.sent);
	return counts;
}

/** The sum over the runs of the node, or nothing of a run that n8n did not keep. */
function countKept(execution: FinishedExecution): number {
	return itemsOf(execution, IMAGES).filter(({ binary }) => Object.keys(binary ?? {}).length > 0)
		.length;
}

/** The image files of an execution in n8n's binary store, whether or not the execution knows of them. */
async function countFiles(folder: string, executionId: string): Promise<number> {
	const entries = await readdir(join(folder, '.n8n/storage'), {
		recursive: true,
		withFileTypes: true,
	});
	return entries.filter(
		(entry) =>
			entry.isFile() &&
			entry.parentPath.includes(`/executions/${executionId}/`) &&
			!entry.name.endsWith('.metadata'),
	).length;
}

async function begin(n8n: N8nInstance, workflow: WorkflowFile): Promise<string> {
	return await n8n.startWorkflow(await n8n.createWorkflow(workflow), TRIGGER);
}

async function read(n8n: N8nInstance, executionId: string): Promise<FinishedExecution> {
	let execution: FinishedExecution | undefined;
	await waitFor(`the end of execution ${executionId}`, async () => {
		execution = await n8n.findFinishedExecution(executionId);
		return execution !== undefined;
	});
	return execution as FinishedExecution;
}

/** Fails unless n8n makes images now, all of them, whatever was before. */
async function checkHealth(
	context: RestartTestContext,
	n8n: N8nInstance,
	workflow: WorkflowFile,
): Promise<void> {
	const { server, testContext, filesFolder } = context;
	server.reset();
	const execution = await read(n8n, await begin(n8n, workflow));
	deepStrictEqual([execution.status, countKept(execution)], ['success', BATCH]);
	deepStrictEqual(countRequests(server), { sent: BATCH, completed: BATCH, brokenOff: 0 });
	// Places of requests that were broken off must not stay taken.
	deepStrictEqual(server.maxInFlight, AT_ONCE);
	const run = new FinishedRun(execution, testContext.folder, filesFolder);
	await run.checkPictures(run.items(IMAGES));
}

/** SIGTERM while there is time to finish. */
async function checkWaiting(context: RestartTestContext, n8n: N8nInstance, workflow: WorkflowFile) {
	const { server, testContext, filesFolder } = context;
	const executionId = await begin(n8n, workflow);
	await waitFor('the first images', () => server.billed.length >= 2 * AT_ONCE);
	const billedBefore = server.billed.length;
	ok(billedBefore < ITEMS, 'the run was over before the signal');
	const { code, seconds } = await terminate(n8n);
	deepStrictEqual(code, 0);
	const counts = await checkSilence(server);
	deepStrictEqual(counts, { sent: ITEMS, completed: ITEMS, brokenOff: 0 });

	const again = await context.start(SHORT_GRACE_SECONDS);
	const execution = await read(again, executionId);
	deepStrictEqual([execution.status, countKept(execution)], ['success', ITEMS]);
	const run = new FinishedRun(execution, testContext.folder, filesFolder);
	await run.checkPictures(run.items(IMAGES));
	testContext.log(
		`SIGTERM after ${billedBefore} of ${ITEMS} images, n8n's default of 30 s: n8n finished the run and exited with ` +
			`code ${code} after ${seconds.toFixed(1)} s; after the restart the execution is "${execution.status}" with ` +
			`${countKept(execution)} images`,
	);
	return again;
}

/** SIGTERM without the time to finish: one run all at once, and one in Loop Over Items whose progress is saved. */
async function checkKilling(
	context: RestartTestContext,
	n8n: N8nInstance,
	credential: CredentialReference,
) {
	const { server, testContext } = context;
	server.reset();
	const steps = [TRIGGER, ...promptSteps(ITEMS), imagesStep(credential)];
	const plainId = await begin(n8n, chain('All at once', steps));
	const loopId = await begin(
		n8n,
		loop('In batches', steps, BATCH, { saveExecutionProgress: true }),
	);
	// The runs take turns, so that the loop has by then finished its first batch.
	await waitFor('the first batch', () => server.billed.length >= 3 * BATCH);
	const { code, seconds } = await terminate(n8n);
	deepStrictEqual(code, 1);
	const billedAtExit = server.billed.length;
	const counts = await checkSilence(server);
	ok(counts.sent < 2 * ITEMS, 'n8n finished the runs, so that nothing was put to the test');
	ok(counts.brokenOff <= AT_ONCE, `${counts.brokenOff} requests were under way at once`);

	const again = await context.start();
	const [plain, looped] = [await read(again, plainId), await read(again, loopId)];
	deepStrictEqual([plain.status, countKept(plain)], ['crashed', 0]);
	deepStrictEqual(looped.status, 'crashed');
	const keptByLoop = countKept(looped);
	ok(keptByLoop >= BATCH && keptByLoop % BATCH === 0, `the loop kept ${keptByLoop} images`);
	const files = await Promise.all(
		[plainId, loopId].map(async (id) => await countFiles(testContext.folder, id)),
	);
	// Nothing is sent a second time by n8n's recovery.
	deepStrictEqual(countRequests(server), counts);
	testContext.log(
		`SIGTERM with N8N_GRACEFUL_SHUTDOWN_TIMEOUT=${SHORT_GRACE_SECONDS}: exit with code ${code} after ` +
			`${seconds.toFixed(1)} s; the server got ${counts.sent} requests, completed ${counts.completed}, saw ` +
			`${counts.brokenOff} broken off, billed ${billedAtExit} by the exit and ${server.billed.length} in the end, and got none after the exit`,
	);
	testContext.log(
		`after the restart: all at once "${plain.status}", ${countKept(plain)} images in the execution, ${files[0]} files ` +
			`left in n8n's store, error "${plain.data.resultData.error?.message}"; Loop Over Items by ${BATCH} with saved ` +
			`progress "${looped.status}", ${keptByLoop} images in the execution, ${files[1]} files`,
	);
	return again;
}

/** The user's own Stop button. */
async function checkStopping(
	context: RestartTestContext,
	n8n: N8nInstance,
	workflow: WorkflowFile,
) {
	const { server, testContext } = context;
	server.reset();
	const executionId = await begin(n8n, workflow);
	await waitFor('the first images', () => server.billed.length >= 2 * AT_ONCE);
	const stopped = await n8n.request<{ status: string }>(
		'POST',
		`/rest/executions/${executionId}/stop`,
	);
	deepStrictEqual(stopped.status, 'canceled');
	const counts = await checkSilence(server);
	ok(counts.brokenOff >= 1 && counts.brokenOff <= AT_ONCE, `${counts.brokenOff} were broken off`);
	ok(counts.sent < ITEMS, 'the run was over before the stop');
	const execution = await read(n8n, executionId);
	deepStrictEqual(execution.status, 'canceled');
	deepStrictEqual(countKept(execution), 0, 'a stopped run keeps images, which the documents deny');
	const files = await countFiles(testContext.folder, executionId);
	testContext.log(
		`Stop: ${counts.sent} of ${ITEMS} requests sent, ${counts.completed} completed, ${counts.brokenOff} broken off, ` +
			`none after it; billed ${server.billed.length}; the execution is "${execution.status}", keeps ` +
			`no image, ${files} files are left in n8n's store`,
	);
}

/** Restarts and stops n8n in the middle of a run of 50 images. */
export const restartSuite: Suite = {
	title: 'n8n is restarted, and the run is stopped, in the middle of 50 images',
	async run(testContext) {
		const { folder, log } = testContext;
		const key = makeKey();
		const context = await setUpContext(testContext, key);
		const first = await context.start();
		const credential = await createStepFunCredential(first, context.server, {
			apiKey: key,
			concurrentRequests: AT_ONCE,
		});
		const workflowOf = (count: number) =>
			chain(`${count} images`, [TRIGGER, ...promptSteps(count), imagesStep(credential)]);

		const second = await checkWaiting(context, first, workflowOf(ITEMS));
		const third = await checkKilling(context, second, credential);
		await checkHealth(context, third, workflowOf(BATCH));
		await checkStopping(context, third, workflowOf(ITEMS));
		await checkHealth(context, third, workflowOf(BATCH));
		await third.stop();
		const searched = await checkKeyIsNowhere(key, [folder], [context.server], {
			[join(folder, '.n8n')]: PROMPT_START,
		});
		log(`the key is in none of ${searched} files`);
	},
};
