import { randomUUID } from 'node:crypto';
import {
	chain,
	connectionTo,
	imagesStep,
	makeWorkflow,
	step,
	TRIGGER,
} from '../../kit/workflowBuilder.cts';
import type { CredentialReference, N8nInstance, WorkflowFile } from '../../n8n/instance.cts';

/** A stored workflow, and the address whose call runs it. */
export interface ImageWorkflow {
	id: string;
	webhookUrl: string;
}

function makeImageWorkflow(
	name: string,
	credential: CredentialReference,
	path: string,
	promptsByHand: string[],
): WorkflowFile {
	const webhook = step(
		'Webhook',
		'n8n-nodes-base.webhook',
		2.1,
		{ httpMethod: 'POST', path, responseMode: 'onReceived', options: {} },
		{ webhookId: randomUUID() },
	);
	const body = step('Prompts by hand', 'n8n-nodes-base.set', 3.4, {
		mode: 'raw',
		jsonOutput: JSON.stringify({ body: { prompts: promptsByHand } }),
		options: {},
	});
	const items = step('One item each', 'n8n-nodes-base.splitOut', 1, {
		fieldToSplitOut: 'body.prompts',
		options: { destinationFieldName: 'prompt' },
	});
	// The smallest picture there is: the local server has to draw a thousand, each another.
	const images = imagesStep(credential, { model: 'step-2x-large', size: '256x256' });
	const byHand = chain(name, [TRIGGER, body, items, images]);
	return {
		...byHand,
		nodes: [...makeWorkflow(name, [webhook], {}).nodes, ...byHand.nodes],
		connections: { ...byHand.connections, [webhook.name]: connectionTo(items) },
	};
}

/**
 * Stores a workflow that makes an image of each prompt, and publishes it, so that its executions are put into the
 * queue: those by hand are not.
 */
export async function publishImageWorkflow(
	n8n: N8nInstance,
	name: string,
	credential: CredentialReference,
	promptsByHand: string[] = [],
): Promise<ImageWorkflow> {
	const path = randomUUID();
	const { id, versionId } = await n8n.request<{ id: string; versionId: string }>(
		'POST',
		'/rest/workflows',
		makeImageWorkflow(name, credential, path, promptsByHand),
	);
	await n8n.request('POST', `/rest/workflows/${id}/activate`, { versionId });
	return { id, webhookUrl: `${n8n.url}/webhook/${path}` };
}
