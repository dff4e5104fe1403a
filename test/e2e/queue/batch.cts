import { deepStrictEqual, strictEqual } from 'node:assert';
import { createHash } from 'node:crypto';
import type { ExecutionStatus } from 'n8n-workflow';
import type { CredentialReference } from '../../n8n/instance.cts';
import type { StepFunServer } from '../../stepfun-server/types.cts';
import { itemsOf } from '../../kit/finishedRun.cts';
import { IMAGES } from '../../kit/workflowBuilder.cts';
import { publishImageWorkflow, type ImageWorkflow } from './imageWorkflow.cts';
import type { QueueMode } from './queueMode.cts';
import { waitFor } from '../../kit/waitFor.cts';

/** Items of one execution. */
export const ITEMS = 10;

/** Executions of the same workflow that were started together. */
export interface Batch {
	title: string;
	workflow: ImageWorkflow;
	executions: number;
}

/** What n8n says of an execution. */
export interface ExecutionRow {
	id: string;
	status: ExecutionStatus;
}

/** An image that an execution brought, as its item's JSON and its file's id name it. */
interface DeliveredImage {
	id: string;
	fileId: string;
	tries: number;
}

/** Ten prompts; no two executions have one in common. */
export function promptsOf(title: string, execution: number): string[] {
	return Array.from(
		{ length: ITEMS },
		(_, item) => `${title}, execution ${execution + 1}, picture ${item + 1}`,
	);
}

/** Starts many executions of ten items each through a webhook. */
export async function startBatch(
	{ main, postgres }: QueueMode,
	credential: CredentialReference,
	title: string,
	executions: number,
): Promise<Batch> {
	const workflow = await publishImageWorkflow(main, title, credential);
	await waitFor('the webhook', async () => {
		const found = await postgres.query(
			`select 1 from webhook_entity where "workflowId" = '${workflow.id}'`,
		);
		return found.length > 0;
	});
	await Promise.all(
		Array.from({ length: executions }, async (_, execution) => {
			const response = await fetch(workflow.webhookUrl, {
				method: 'POST',
				headers: { 'content-type': 'application/json' },
				body: JSON.stringify({ prompts: promptsOf(title, execution) }),
			});
			if (!response.ok) throw new Error(`The webhook responded with ${response.status}`);
		}),
	);
	return { title, workflow, executions };
}

/** Waits until n8n regards all executions of a batch as ended, whichever way. */
export async function waitUntilEnded(
	{ postgres }: QueueMode,
	{ title, workflow, executions }: Batch,
): Promise<ExecutionRow[]> {
	let rows: ExecutionRow[] = [];
	await waitFor(`the end of all executions of "${title}"`, async () => {
		rows = await postgres.query<ExecutionRow>(
			`select id::text, status from execution_entity where "workflowId" = '${workflow.id}'`,
		);
		const ended = rows.filter(({ status }) => !['new', 'running', 'waiting'].includes(status));
		return ended.length === executions;
	});
	return rows;
}

/**
 * Fails unless an execution succeeded with an image for each of its items, and the database holds each of them byte
 * for byte as the service sent it.
 */
export async function checkImages(
	{ main, postgres }: QueueMode,
	{ images }: StepFunServer,
	{ id, status }: ExecutionRow,
): Promise<DeliveredImage[]> {
	const execution = await main.readExecution(id);
	const { error } = execution.data.resultData;
	strictEqual(status, 'success', `execution ${id} ended as "${status}": ${error?.message}`);
	const delivered = itemsOf(execution, IMAGES).map(({ json, binary }): DeliveredImage => {
		const [mode, fileId] = (binary?.data.id ?? '').split(':');
		strictEqual(mode, 'database', `an image of execution ${id} is not in the database: ${mode}`);
		return { id: String(json.id), fileId, tries: Number(json.tries) };
	});
	strictEqual(delivered.length, ITEMS);

	const stored = await postgres.query<{ file: string; hash: string }>(
		`select "fileId" as file, encode(sha256(data), 'hex') as hash from binary_data
		 where "sourceType" = 'execution' and "sourceId" = '${id}'`,
	);
	const hashes = new Map(stored.map(({ file, hash }) => [file, hash]));
	for (const image of delivered) {
		const sent = images.get(image.id);
		if (!sent) throw new Error(`execution ${id} has an image that nobody made: ${image.id}`);
		strictEqual(hashes.get(image.fileId), createHash('sha256').update(sent).digest('hex'));
	}
	return delivered;
}

/** Fails unless all executions of a batch brought all images, each charged once. */
export async function checkAllDelivered(
	queueMode: QueueMode,
	server: StepFunServer,
	{ executions }: Batch,
	rows: ExecutionRow[],
): Promise<DeliveredImage[]> {
	const delivered: DeliveredImage[] = [];
	for (const row of rows) delivered.push(...(await checkImages(queueMode, server, row)));
	const sorted = (ids: string[]) => [...new Set(ids)].sort();
	deepStrictEqual(
		sorted(delivered.map(({ id }) => id)),
		sorted(server.billed.map(({ id }) => id)),
		'the images that were charged are not those that arrived',
	);
	strictEqual(server.billed.length, executions * ITEMS);
	return delivered;
}

/** How many of the charged images were asked for with a prompt that had been charged before. */
export function countChargedTwice({ billed }: StepFunServer): number {
	return billed.length - new Set(billed.map(({ prompt }) => prompt)).size;
}
