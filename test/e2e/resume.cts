import { deepStrictEqual, ok } from 'node:assert';
import type { INodeExecutionData } from 'n8n-workflow';
import { createStepFunCredential } from '../kit/stepFunCredential.cts';
import { checkKeyIsNowhere, makeKey } from '../kit/secrets.cts';
import { waitFor } from '../kit/waitFor.cts';
import { CREDENTIAL_TYPE, findTrigger, prepareExample } from '../n8n/example.cts';
import { startStepFunServer } from '../stepfun-server/server.cts';
import { itemsOf } from '../kit/finishedRun.cts';
import { restartableN8n, waitForConnections } from './restartableN8n.cts';
import type { Suite, TestContext } from './suite.cts';

/** As the example has them. */
const ROWS = 400;
const BATCH = 20;

const AT_ONCE = 5;
const LATENCY_MS = 200;
/** Of the first run, when n8n is killed: some batches are marked, and one is under way. */
const KILLED_AFTER = 3 * BATCH + BATCH / 2;

/** The example for large batches: n8n is killed in its middle, started again, and the workflow executed again. */
export const resumeSuite: Suite = {
	title:
		'n8n is killed in the middle of examples/resumable-batch.json, and a second run makes the rest',
	async run(testContext: TestContext) {
		const { folder, cleanUp, log } = testContext;
		const key = makeKey();
		const server = await startStepFunServer({
			keys: [key],
			latencyMs: LATENCY_MS,
			drawing: 'once',
			recordBodies: false,
		});
		cleanUp(() => server.close());
		const start = restartableN8n(testContext);

		const first = await start();
		const credential = await createStepFunCredential(first, server, {
			apiKey: key,
			concurrentRequests: AT_ONCE,
		});
		const workflow = await prepareExample('resumable-batch', {
			credentials: { [CREDENTIAL_TYPE]: credential },
			filesFolder: folder,
		});
		const workflowId = await first.createWorkflow(workflow);
		await first.startWorkflow(workflowId, findTrigger(workflow));
		await waitFor('the first batches', () => server.billed.length >= KILLED_AFTER);
		process.kill(first.pid, 'SIGKILL');
		await first.exit;
		await waitForConnections(server);
		// The server bills what it was drawing, too.
		let billedByFirst = -1;
		await waitFor(
			'the server to be done',
			() => {
				const isDone = billedByFirst === server.billed.length;
				billedByFirst = server.billed.length;
				return isDone;
			},
			{ pollMs: 3_000 },
		);
		ok(billedByFirst < ROWS, 'the run was over before n8n was killed');

		const second = await start();
		const executionId = await second.startWorkflow(workflowId, findTrigger(workflow));
		let items: INodeExecutionData[] = [];
		let toDo = 0;
		await waitFor('the end of the second run', async () => {
			const execution = await second.findFinishedExecution(executionId);
			if (!execution) return false;
			deepStrictEqual(execution.status, 'success', execution.data.resultData.error?.message);
			items = itemsOf(execution, 'Mark Row');
			toDo = itemsOf(execution, 'Rows to Do').length;
			deepStrictEqual(itemsOf(execution, 'Add Rows'), [], 'the second run added rows');
			return true;
		});

		deepStrictEqual(items.length, toDo);
		const marked = ROWS - toDo;
		ok(marked >= 2 * BATCH && marked % BATCH === 0, `the first run marked ${marked} rows`);
		for (const { json } of items)
			ok(/\/row-\d{4}\.png$/.test(String(json.result)), JSON.stringify(json));
		deepStrictEqual(
			items.map(({ json }) => json.row),
			Array.from({ length: toDo }, (_, index) => marked + index + 1),
		);
		const paidTwice = server.billed.length - ROWS;
		deepStrictEqual(paidTwice, billedByFirst - marked);
		ok(paidTwice >= 0 && paidTwice <= BATCH, `${paidTwice} images were paid twice`);
		log(
			`killed after ${billedByFirst} of ${ROWS} images with ${marked} rows marked; the second run made the other ` +
				`${toDo}; ${paidTwice} images of the batch under way were paid twice`,
		);

		const third = await second.startWorkflow(workflowId, findTrigger(workflow));
		await waitFor(
			'the end of the third run',
			async () => (await second.findFinishedExecution(third)) !== undefined,
		);
		deepStrictEqual(server.billed.length, ROWS + paidTwice, 'a run with nothing to do was billed');
		await second.stop();
		const searched = await checkKeyIsNowhere(key, [folder], [server], {
			[`${folder}/.n8n`]: 'Product photo 1 on white marble',
		});
		log(`a third run made nothing; the key is in none of ${searched} files`);
	},
};
