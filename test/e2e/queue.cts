import { strictEqual } from 'node:assert';
import { join } from 'node:path';
import { createStepFunCredential } from '../kit/stepFunCredential.cts';
import type { CredentialReference } from '../n8n/instance.cts';
import { startStepFunServer } from '../stepfun-server/server.cts';
import type { StepFunServer } from '../stepfun-server/types.cts';
import type { Suite, TestContext } from './suite.cts';
import {
	checkAllDelivered,
	checkImages,
	countChargedTwice,
	ITEMS,
	promptsOf,
	startBatch,
	waitUntilEnded,
	type ExecutionRow,
} from './queue/batch.cts';
import { TRIGGER } from '../kit/workflowBuilder.cts';
import { publishImageWorkflow } from './queue/imageWorkflow.cts';
import { startQueueMode, type QueueMode, type Worker } from './queue/queueMode.cts';
import { waitFor } from '../kit/waitFor.cts';
import { checkKeyIsNowhere, makeKey } from '../kit/secrets.cts';

const EXECUTIONS = 20;
const WORKERS = ['worker-1', 'worker-2'];

/** n8n's default of `n8n worker --concurrency`. */
const DEFAULT_CONCURRENCY = 10;

/** So few that a worker's death ends only these. */
const LOW_CONCURRENCY = 2;

/** Requests that the account allows at once: StepFun's lowest tier. */
const ACCOUNT_CONCURRENCY = 5;

/** The account's limit, divided by the workers. */
const DIVIDED_CONCURRENCY = Math.floor(ACCOUNT_CONCURRENCY / WORKERS.length);

/** Requests a minute of a second account, and the executions that exceed them. */
const ACCOUNT_PER_MINUTE = 30;
const PER_MINUTE_EXECUTIONS = 4;

const MINUTE_MS = 60_000;
const LATENCY_MS = 300;
const MANUAL_RUN_TIMEOUT_MS = 120_000;

/** What the measurements share. */
interface QueueTestContext {
	queueMode: QueueMode;
	/** The maximum number of concurrent requests. */
	server: StepFunServer;
	/** The maximum number of requests per minute. */
	minuteServer: StepFunServer;
	createCredential(
		server: StepFunServer,
		limits: { concurrentRequests: number; requestsPerMinute?: number },
	): Promise<CredentialReference>;
	log: (line: string) => void;
}

function countBy(values: number[]): string {
	const counts = new Map<number, number>();
	for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
	return [...counts]
		.sort(([one], [other]) => one - other)
		.map(([value, count]) => `${count} x ${value}`)
		.join(', ');
}

/** How many of these executions each worker ran. Fails unless all were run by workers, and each took part. */
async function checkShares(workers: Worker[], rows: ExecutionRow[]): Promise<string> {
	const shares = await Promise.all(
		workers.map(async ({ readExecutions }) => {
			const { started } = await readExecutions();
			return rows.filter(({ id }) => started.includes(id)).length;
		}),
	);
	if (shares.includes(0)) throw new Error(`a worker ran nothing: ${shares.join(' and ')}`);
	strictEqual(
		shares.reduce((sum, share) => sum + share),
		rows.length,
	);
	return shares.join(' and ');
}

/** Twenty executions with one setting of the credential. */
async function measureBatch(
	{ queueMode, server, createCredential, log }: QueueTestContext,
	workers: Worker[],
	title: string,
	concurrentRequests: number,
): Promise<void> {
	server.reset();
	const credential = await createCredential(server, { concurrentRequests });
	const startedAt = Date.now();
	const batch = await startBatch(queueMode, credential, title, EXECUTIONS);
	const rows = await waitUntilEnded(queueMode, batch);
	const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
	const delivered = await checkAllDelivered(queueMode, server, batch, rows);
	log(
		`${title}, Concurrent Requests ${concurrentRequests}: ${rows.length} executions, ` +
			`${await checkShares(workers, rows)} by each worker; ${delivered.length} images in the database, ` +
			`${server.billed.length} charged, ${countChargedTwice(server)} of them twice; ` +
			`${server.rejected429} responses with 429, at most ${server.maxInFlight} requests at once, ${seconds} s; ` +
			`tries: ${countBy(delivered.map(({ tries }) => tries))}`,
	);
}

/** The same with an account that counts requests a minute. */
async function measurePerMinute({
	queueMode,
	minuteServer,
	createCredential,
	log,
}: QueueTestContext): Promise<void> {
	const requestsPerMinute = ACCOUNT_PER_MINUTE / WORKERS.length;
	const credential = await createCredential(minuteServer, {
		concurrentRequests: ACCOUNT_CONCURRENCY,
		requestsPerMinute,
	});
	const batch = await startBatch(queueMode, credential, 'A minute', PER_MINUTE_EXECUTIONS);
	const rows = await waitUntilEnded(queueMode, batch);
	await checkAllDelivered(queueMode, minuteServer, batch, rows);
	// Where the first minute ends, the clocks of the service and of the workers need not agree to the moment.
	const [{ receivedAt }] = minuteServer.requests;
	const first = minuteServer.requests.filter(
		(request) => request.receivedAt < receivedAt + MINUTE_MS / 2,
	);
	if (first.length > ACCOUNT_PER_MINUTE) throw new Error(`${first.length} requests in a minute`);
	log(
		`Requests per Minute ${requestsPerMinute} where the account allows ${ACCOUNT_PER_MINUTE}: ` +
			`${first.length} requests in the first half minute; ${minuteServer.billed.length} images, ` +
			`${minuteServer.rejected429} responses with 429`,
	);
}

/** A run by hand beside executions from the queue: by default n8n keeps it in the main instance. */
async function measureRunByHand(
	{ queueMode, server, createCredential, log }: QueueTestContext,
	workers: Worker[],
): Promise<void> {
	server.reset();
	const { main } = queueMode;
	const credential = await createCredential(server, { concurrentRequests: DIVIDED_CONCURRENCY });
	const manual = await publishImageWorkflow(main, 'By hand', credential, promptsOf('By hand', 0));
	const [rows, execution] = await Promise.all([
		startBatch(queueMode, credential, 'Beside a run by hand', EXECUTIONS / 2).then(
			async (batch) => await waitUntilEnded(queueMode, batch),
		),
		main.executeWorkflow(manual.id, TRIGGER, MANUAL_RUN_TIMEOUT_MS),
	]);
	for (const row of [...rows, execution]) await checkImages(queueMode, server, row);
	for (const { name, readExecutions } of workers) {
		const { started } = await readExecutions();
		if (started.includes(execution.id)) throw new Error(`the run by hand was in ${name}`);
	}
	log(
		`A run by hand, in the main instance, beside ${rows.length} executions: ${server.billed.length} images, ` +
			`${server.rejected429} responses with 429`,
	);
}

/** One of two workers is killed when half of the images are made. */
async function measureDeath(
	{ queueMode, server, createCredential, log }: QueueTestContext,
	[victim, survivor]: Worker[],
	title: string,
): Promise<void> {
	server.reset();
	const credential = await createCredential(server, { concurrentRequests: DIVIDED_CONCURRENCY });
	const batch = await startBatch(queueMode, credential, title, EXECUTIONS);
	await waitFor('half of the images', async () => server.billed.length >= (EXECUTIONS * ITEMS) / 2);
	await victim.stop('SIGKILL');
	const killedAt = Date.now();
	const rows = await waitUntilEnded(queueMode, batch);

	const lost = rows.filter(({ status }) => status !== 'success');
	const kept = rows.filter(({ status }) => status === 'success');
	if (lost.length === 0) throw new Error('nothing was lost: the worker died too late');
	const { finished } = await victim.readExecutions();
	const { started: takenBySurvivor } = await survivor.readExecutions();
	for (const { id } of lost) {
		if (takenBySurvivor.includes(id) || finished.includes(id)) {
			throw new Error(`execution ${id} was lost though the killed worker did not run it then`);
		}
	}
	for (const row of kept) await checkImages(queueMode, server, row);
	const byStatus = [...new Set(lost.map(({ status }) => status))].join(', ');
	const lostIds = lost.map(({ id }) => `'${id}'`).join(', ');
	const [{ left }] = await queueMode.postgres.query<{ left: number }>(
		`select count(*)::int as left from binary_data where "sourceId" in (${lostIds})`,
	);
	const [{ noticed }] = await queueMode.postgres.query<{ noticed: number }>(
		`select extract(epoch from max("stoppedAt"))::float8 as noticed from execution_entity where id in (${lostIds})`,
	);
	strictEqual(countChargedTwice(server), 0);
	log(
		`${title}: ${lost.length} of ${rows.length} executions ended as "${byStatus}", ` +
			`${((noticed * 1000 - killedAt) / 1000).toFixed(1)} s after the kill; ${kept.length} succeeded with all images; ` +
			`${server.billed.length} images charged, ${server.billed.length - kept.length * ITEMS} of them for what was lost, ` +
			`${left} of those left in the database; ${countChargedTwice(server)} charged twice; ` +
			`${server.rejected429} responses with 429; survivor ran ${rows.filter(({ id }) => takenBySurvivor.includes(id)).length}`,
	);
	await measureRetry(queueMode, server, lost[0].id, (line) => log(`${title}: ${line}`));
}

/** What is left of an execution whose worker died, and what n8n's Retry makes of it. */
async function measureRetry(
	{ main }: QueueMode,
	{ billed }: StepFunServer,
	id: string,
	log: (line: string) => void,
): Promise<void> {
	const { data } = await main.readExecution(id);
	const { runData, error } = data.resultData;
	const waiting = data.executionData?.nodeExecutionStack.length ?? 0;
	const before = billed.length;
	const retried = await main.request<{ status: string }>('POST', `/rest/executions/${id}/retry`, {
		loadWorkflow: false,
	});
	strictEqual(billed.length, before, "n8n's Retry asked for images again");
	log(
		`n8n says "${error?.message}"; it keeps the data of ${Object.keys(runData).length} nodes and ` +
			`${waiting} to go on with; its Retry ends as "${retried.status}" and asks for no image`,
	);
}

/** Fails when the key can be found in anything that was written. */
async function checkSecrets(
	{ queueMode, server, minuteServer, log }: QueueTestContext,
	key: string,
	folder: string,
	stopped: () => Promise<void>,
): Promise<void> {
	const { postgres, redis } = queueMode;
	const dump = join(folder, 'database.sql');
	await postgres.dump(dump);
	await redis.save();
	// In a dump the images stand as digits.
	const [{ images }] = await postgres.query<{ images: number }>(
		`select count(*)::int as images from binary_data where position(convert_to('${key}', 'UTF8') in data) > 0`,
	);
	strictEqual(images, 0);
	await stopped();
	const searched = await checkKeyIsNowhere(key, [folder], [server, minuteServer], {
		[dump]: promptsOf('As it comes', 0)[0],
		[redis.monitorFile]: 'executionId',
		[join(folder, 'redis/dump.rdb')]: 'bull',
	});
	log(`The key is in none of ${searched} files`);
}

async function run(testContext: TestContext): Promise<void> {
	const { folder, log, cleanUp } = testContext;
	const key = makeKey();
	const server = await startStepFunServer({
		keys: [key],
		concurrency: ACCOUNT_CONCURRENCY,
		latencyMs: LATENCY_MS,
	});
	cleanUp(() => server.close());
	const minuteServer = await startStepFunServer({
		keys: [key],
		requestsPer: { count: ACCOUNT_PER_MINUTE, windowMs: MINUTE_MS },
		latencyMs: LATENCY_MS,
	});
	cleanUp(() => minuteServer.close());

	log('Starting Redis, PostgreSQL, n8n and its workers');
	const queueMode = await startQueueMode(testContext, { N8N_LOG_LEVEL: 'debug' });
	const { main, startWorkers, postgres, redis } = queueMode;
	const context: QueueTestContext = {
		queueMode,
		server,
		minuteServer,
		createCredential: async ({ url }, limits) =>
			await createStepFunCredential(main, { url }, { apiKey: key, ...limits }),
		log,
	};

	const workers = await startWorkers(WORKERS, DEFAULT_CONCURRENCY);
	await measureBatch(context, workers, 'As it comes', ACCOUNT_CONCURRENCY);
	await Promise.all([
		measurePerMinute(context),
		(async () => {
			await measureBatch(context, workers, 'Divided', DIVIDED_CONCURRENCY);
			strictEqual(server.rejected429, 0);
			await measureRunByHand(context, workers);
		})(),
	]);
	await measureDeath(context, workers, 'A worker dies');
	await workers[1].stop();

	const fewer = await startWorkers(['worker-3', 'worker-4'], LOW_CONCURRENCY);
	await measureDeath(context, fewer, `A worker with --concurrency=${LOW_CONCURRENCY} dies`);
	await checkSecrets(context, key, folder, async () => {
		await fewer[1].stop();
		await main.stop();
		await Promise.all([postgres.stop(), redis.stop()]);
	});
}

export const queueSuite: Suite = { title: 'queue mode: one main, two workers', run };
