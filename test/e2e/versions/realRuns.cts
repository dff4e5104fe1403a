import { deepStrictEqual, match, ok } from 'node:assert';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { INodeParameters } from 'n8n-workflow';
import { itemsOf } from '../../kit/finishedRun.cts';
import { chain, IMAGES, imagesStep, TRIGGER } from '../../kit/workflowBuilder.cts';
import { createStepFunCredential } from '../../kit/stepFunCredential.cts';
import { CREDENTIAL_TYPE, NODE_TYPE } from '../../n8n/example.cts';
import type { N8nInstallation } from '../../n8n/install.cts';
import {
	startN8n,
	type CredentialReference,
	type FinishedExecution,
	type N8nInstance,
} from '../../n8n/instance.cts';
import { startStepFunServer } from '../../stepfun-server/server.cts';
import type { StepFunServer } from '../../stepfun-server/types.cts';

const EXECUTION_TIMEOUT_MS = 120_000;

/** How many images every node of the chain makes. */
const IMAGE_COUNT = 2;

/** What a real n8n showed of the package. */
export interface RealRuns {
	/** The operations that ran and brought what they should. */
	operations: string[];
	/** Whether this n8n can serve a Temporary Link. Where it cannot, the node refuses to make an image for one. */
	temporaryLink: boolean;
}

/**
 * Installs the packed package into an n8n, starts it and runs each operation against a StepFun server.
 *
 * @param installation the n8n
 * @param tarball the packed package
 * @param folder an empty folder
 * @param cleanUp receives functions that stop what was started
 * @throws when the package does not load, an operation fails or a byte is wrong
 */
export async function runInN8n(
	installation: N8nInstallation,
	tarball: string,
	folder: string,
	cleanUp: (step: () => Promise<unknown>) => void,
): Promise<RealRuns> {
	const filesFolder = join(folder, 'files');
	await mkdir(filesFolder, { recursive: true });
	const server = await startStepFunServer();
	cleanUp(() => server.close());
	const n8n = await startN8n({ installation, tarball, userFolder: folder, filesFolder });
	cleanUp(() => n8n.stop());

	const nodeTypes = await n8n.listNodeTypes();
	for (const type of [NODE_TYPE, `${NODE_TYPE}Tool`]) {
		ok(nodeTypes.includes(type), `n8n has not loaded ${type}`);
	}
	const credential = await createStepFunCredential(n8n, server);
	deepStrictEqual((await n8n.testCredential(credential, CREDENTIAL_TYPE)).status, 'OK');

	const operations = await runOperations(n8n, server, credential);
	const temporaryLink = await runTemporaryLink(n8n, server, credential);
	await n8n.stop();
	await server.close();
	return { operations, temporaryLink };
}

/** Each operation on the items of the one before it. */
async function runOperations(
	n8n: N8nInstance,
	server: StepFunServer,
	credential: CredentialReference,
): Promise<string[]> {
	const parameters: Record<string, INodeParameters> = {
		Generate: {
			operation: 'generate',
			prompt: 'A red shoe',
			options: { numberOfImages: IMAGE_COUNT, seed: 7 },
		},
		Edit: { operation: 'edit', prompt: 'Make it blue' },
		'Image to Image': {
			operation: 'imageToImage',
			prompt: 'A poster of it',
			// Here the image comes from the link in the response.
			output: 'fileAndUrl',
		},
		'Get Balance': { resource: 'account', operation: 'getBalance' },
	};
	const steps = Object.entries(parameters).map(([name, each]) =>
		imagesStep(credential, each, name),
	);
	const workflow = chain('All operations', [TRIGGER, ...steps]);
	const execution = await n8n.executeWorkflow(
		await n8n.createWorkflow(workflow),
		TRIGGER,
		EXECUTION_TIMEOUT_MS,
	);
	deepStrictEqual(errorOf(execution), undefined);

	const images = ['Generate', 'Edit', 'Image to Image'];
	for (const name of images) {
		const items = itemsOf(execution, name);
		deepStrictEqual(items.length, IMAGE_COUNT, `${name} brought ${items.length} items`);
		for (const { json, binary } of items) {
			const sent = server.images.get(String(json.id));
			const kept = await n8n.downloadBinary(String(binary?.data.id));
			ok(sent && kept.equals(sent), `${name} kept other bytes than the server sent`);
		}
	}
	const uploads = server.requests.flatMap(({ file }) => (file ? [file.bytes] : []));
	for (const { json } of itemsOf(execution, 'Generate')) {
		const made = server.images.get(String(json.id));
		ok(
			uploads.some((upload) => made?.equals(upload)),
			'Edit sent other bytes than Generate brought',
		);
	}
	const balances = itemsOf(execution, 'Get Balance').map(({ json }) => json.balance);
	deepStrictEqual(balances, Array<number>(IMAGE_COUNT).fill(server.balance));
	return [...images, 'Get Balance'];
}

/** A link that n8n serves; in an n8n that cannot, nothing may be paid for. */
async function runTemporaryLink(
	n8n: N8nInstance,
	server: StepFunServer,
	credential: CredentialReference,
): Promise<boolean> {
	const workflow = chain('Temporary link', [
		TRIGGER,
		imagesStep(credential, { prompt: 'A green shoe', output: 'n8nLink' }),
	]);
	const billedBefore = server.billed.length;
	const execution = await n8n.executeWorkflow(
		await n8n.createWorkflow(workflow),
		TRIGGER,
		EXECUTION_TIMEOUT_MS,
	);
	const error = errorOf(execution);
	if (error !== undefined) {
		match(error, /needs a newer n8n/);
		deepStrictEqual(server.billed.length, billedBefore);
		return false;
	}
	const [{ json }] = itemsOf(execution, IMAGES);
	const response = await fetch(String(json.link));
	const served = Buffer.from(await response.arrayBuffer());
	ok(server.images.get(String(json.id))?.equals(served), 'n8n serves other bytes at the link');
	return true;
}

function errorOf({ status, data }: FinishedExecution): string | undefined {
	return status === 'success' ? undefined : (data.resultData.error?.message ?? status);
}
