import { randomUUID } from 'node:crypto';
import type { INode, INodeParameters } from 'n8n-workflow';
import { CREDENTIAL_TYPE, NODE_TYPE } from '../../n8n/example';
import type { CredentialReference, N8nInstance, WorkflowFile } from '../../n8n/instance';

/** The node that makes the images. */
export const IMAGE_NODE = 'StepFun Image';

/** The node that a run by hand starts from. */
export const MANUAL_TRIGGER = { name: 'By hand' };

/** A stored workflow, and the address whose call runs it. */
export interface ImageWorkflow {
	id: string;
	webhookUrl: string;
}

function step(
	name: string,
	type: string,
	typeVersion: number,
	parameters: INodeParameters,
	rest: Partial<INode> = {},
): INode {
	return { id: randomUUID(), name, type, typeVersion, position: [0, 0], parameters, ...rest };
}

function makeWorkflow(
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
	const byHand = step(MANUAL_TRIGGER.name, 'n8n-nodes-base.manualTrigger', 1, {});
	const body = step('Prompts by hand', 'n8n-nodes-base.set', 3.4, {
		mode: 'raw',
		jsonOutput: JSON.stringify({ body: { prompts: promptsByHand } }),
		options: {},
	});
	const items = step('One item each', 'n8n-nodes-base.splitOut', 1, {
		fieldToSplitOut: 'body.prompts',
		options: { destinationFieldName: 'prompt' },
	});
	const images = step(
		IMAGE_NODE,
		NODE_TYPE,
		1,
		{
			resource: 'image',
			operation: 'generate',
			// The smallest picture there is: the local server has to draw a thousand, each another.
			model: 'step-2x-large',
			size: '256x256',
			prompt: '={{ $json.prompt }}',
			output: 'file',
			outputField: 'data',
		},
		{ credentials: { [CREDENTIAL_TYPE]: credential } },
	);
	const to = (node: INode) => ({
		main: [[{ node: node.name, type: 'main' as const, index: 0 }]],
	});
	return {
		name,
		nodes: [webhook, byHand, body, items, images],
		connections: {
			[webhook.name]: to(items),
			[byHand.name]: to(body),
			[body.name]: to(items),
			[items.name]: to(images),
		},
		settings: {},
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
		makeWorkflow(name, credential, path, promptsByHand),
	);
	await n8n.request('POST', `/rest/workflows/${id}/activate`, { versionId });
	return { id, webhookUrl: `${n8n.url}/webhook/${path}` };
}
