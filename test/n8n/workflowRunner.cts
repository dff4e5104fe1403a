import type { ICredentialDataDecryptedObject } from 'n8n-workflow';
import { findTrigger } from './example.cts';
import type {
	CredentialReference,
	FinishedExecution,
	N8nInstance,
	WorkflowFile,
} from './instance.cts';

/** What a workflow's run left. */
export interface WorkflowRun {
	workflowId: string;
	execution: FinishedExecution;
	/** The bytes behind a binary field, by its id. */
	readBinary(id: string): Promise<Buffer>;
}

/** An n8n that runs workflows: one that was started for it, or one that was running before. */
export interface WorkflowRunner {
	readonly url: string;
	createCredential(
		type: string,
		name: string,
		data: ICredentialDataDecryptedObject,
	): Promise<CredentialReference>;
	testCredential(
		credential: CredentialReference,
		type: string,
	): Promise<{ status: 'OK' | 'Error'; message: string }>;
	/**
	 * Stores a workflow, runs it from its manual trigger and waits for the end.
	 *
	 * @param filesFolder the folder that the workflow writes to; its files are there afterwards, wherever n8n runs
	 */
	run(workflow: WorkflowFile, filesFolder: string, timeoutMs: number): Promise<WorkflowRun>;
}

/** Runs workflows in an n8n of our own, whose files lie on this machine. */
export function runnerOf(n8n: N8nInstance): WorkflowRunner {
	return {
		url: n8n.url,
		createCredential: async (...credential) => await n8n.createCredential(...credential),
		testCredential: async (...credential) => await n8n.testCredential(...credential),
		async run(workflow, _filesFolder, timeoutMs) {
			const workflowId = await n8n.createWorkflow(workflow);
			const trigger = findTrigger(workflow);
			return {
				workflowId,
				execution: await n8n.executeWorkflow(workflowId, trigger, timeoutMs),
				readBinary: async (id) => await n8n.downloadBinary(id),
			};
		},
	};
}
