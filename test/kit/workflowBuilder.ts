import { randomUUID } from 'node:crypto';
import type { INode, INodeParameters } from 'n8n-workflow';
import { CREDENTIAL_TYPE, NODE_TYPE } from '../n8n/example';
import type { CredentialReference, WorkflowFile } from '../n8n/instance';

/** A node of a workflow that is built here. */
export type Step = Omit<INode, 'id' | 'position'>;

/** The node that a user's "Execute workflow" starts from. */
export const TRIGGER: Step = {
	name: 'Start',
	type: 'n8n-nodes-base.manualTrigger',
	typeVersion: 1,
	parameters: {},
};

/** The node that makes the images. */
export const IMAGES = 'Images';

/** What every prompt begins with. */
export const PROMPT_START = 'Product photo';

/** The nodes that make one item for each image, with its prompt. */
export function promptSteps(count: number): Step[] {
	const rows = Array.from({ length: count }, (_, index) => ({
		prompt: `${PROMPT_START} ${index + 1}`,
	}));
	return [
		{
			name: 'Rows',
			type: 'n8n-nodes-base.set',
			typeVersion: 3.4,
			parameters: { mode: 'raw', jsonOutput: JSON.stringify({ rows }) },
		},
		{
			name: 'Items',
			type: 'n8n-nodes-base.splitOut',
			typeVersion: 1,
			parameters: { fieldToSplitOut: 'rows', options: {} },
		},
	];
}

/** The StepFun Image node, which generates an image for each item's prompt. */
export function imagesStep(
	credential: CredentialReference,
	parameters: INodeParameters = { model: 'step-image-edit-2' },
): Step {
	return {
		name: IMAGES,
		type: NODE_TYPE,
		typeVersion: 1,
		parameters: {
			resource: 'image',
			operation: 'generate',
			prompt: '={{ $json.prompt }}',
			output: 'file',
			outputField: 'data',
			...parameters,
		},
		credentials: { [CREDENTIAL_TYPE]: credential },
	};
}

/** A workflow of nodes that follow one another. */
export function chain(
	name: string,
	steps: Step[],
	settings: WorkflowFile['settings'] = {},
): WorkflowFile {
	const connections: WorkflowFile['connections'] = {};
	for (const [index, { name: from }] of steps.slice(0, -1).entries()) {
		connections[from] = { main: [[{ node: steps[index + 1].name, type: 'main', index: 0 }]] };
	}
	return {
		name,
		nodes: steps.map((step, index) => ({
			...step,
			id: randomUUID(),
			position: [index * 200, 0],
		})),
		connections,
		settings: { executionOrder: 'v1', ...settings },
	};
}

/** A workflow whose last node runs in Loop Over Items, some items at a time. */
export function loop(
	name: string,
	steps: Step[],
	batchSize: number,
	settings: WorkflowFile['settings'] = {},
): WorkflowFile {
	const entry: Step = {
		name: 'Loop Over Items',
		type: 'n8n-nodes-base.splitInBatches',
		typeVersion: 3,
		parameters: { batchSize, options: {} },
	};
	const body = steps[steps.length - 1];
	const workflow = chain(name, [...steps.slice(0, -1), entry, body], settings);
	const to = (node: string) => [{ node, type: 'main' as const, index: 0 }];
	// Its first output is for the end, its second for each batch.
	workflow.connections[entry.name] = { main: [[], to(body.name)] };
	workflow.connections[body.name] = { main: [to(entry.name)] };
	return workflow;
}
