import { randomUUID } from 'node:crypto';
import type { INode, INodeParameters } from 'n8n-workflow';
import { CREDENTIAL_TYPE, NODE_TYPE } from '../n8n/example.cts';
import type { CredentialReference, WorkflowFile } from '../n8n/instance.cts';

/** A node of a workflow that is built here. */
export type Step = Omit<INode, 'id' | 'position'>;

/** A node; `rest` takes its credentials and the like. */
export function step(
	name: string,
	type: string,
	typeVersion: number,
	parameters: INodeParameters = {},
	rest: Partial<Step> = {},
): Step {
	return { name, type, typeVersion, parameters, ...rest };
}

/** The node that a user's "Execute workflow" starts from. */
export const TRIGGER = step('Start', 'n8n-nodes-base.manualTrigger', 1);

/** The node that makes the images. */
export const IMAGES = 'Images';

/** What every prompt begins with. */
export const PROMPT_START = 'Product photo';

/** The nodes that make one item of each entry of a list, with the entry in this field. */
export function itemSteps(field: string, entries: string[]): Step[] {
	return [
		step('List', 'n8n-nodes-base.set', 3.4, {
			mode: 'raw',
			jsonOutput: JSON.stringify({ [field]: entries }),
			options: {},
		}),
		step('Items', 'n8n-nodes-base.splitOut', 1, { fieldToSplitOut: field, options: {} }),
	];
}

/** The nodes that make one item for each image, with its prompt. */
export function promptSteps(count: number): Step[] {
	return itemSteps(
		'prompt',
		Array.from({ length: count }, (_, index) => `${PROMPT_START} ${index + 1}`),
	);
}

/** The StepFun Image node; by default it generates an image for each item's prompt. */
export function imagesStep(
	credential: CredentialReference,
	parameters: INodeParameters = {},
	name = IMAGES,
): Step {
	return step(
		name,
		NODE_TYPE,
		1,
		{ resource: 'image', operation: 'generate', prompt: '={{ $json.prompt }}', ...parameters },
		{ credentials: { [CREDENTIAL_TYPE]: credential } },
	);
}

/** The entry in a workflow's connections for a node before this one. */
export function connectionTo({ name }: Pick<Step, 'name'>): WorkflowFile['connections'][string] {
	return { main: [[{ node: name, type: 'main', index: 0 }]] };
}

/** A workflow of these nodes and connections. */
export function makeWorkflow(
	name: string,
	steps: Step[],
	connections: WorkflowFile['connections'],
	settings: WorkflowFile['settings'] = {},
): WorkflowFile {
	return {
		name,
		nodes: steps.map((each, index) => ({
			...each,
			id: randomUUID(),
			position: [index * 200, 0],
		})),
		connections,
		settings: { executionOrder: 'v1', ...settings },
	};
}

/** A workflow of nodes that follow one another. */
export function chain(
	name: string,
	steps: Step[],
	settings?: WorkflowFile['settings'],
): WorkflowFile {
	const connections = steps
		.slice(1)
		.map((each, index): [string, ReturnType<typeof connectionTo>] => [
			steps[index].name,
			connectionTo(each),
		]);
	return makeWorkflow(name, steps, Object.fromEntries(connections), settings);
}

/** A workflow whose last node runs in Loop Over Items, some items at a time. */
export function loop(
	name: string,
	steps: Step[],
	batchSize: number,
	settings?: WorkflowFile['settings'],
): WorkflowFile {
	const entry = step('Loop Over Items', 'n8n-nodes-base.splitInBatches', 3, {
		batchSize,
		options: {},
	});
	const body = steps[steps.length - 1];
	const workflow = chain(name, [...steps.slice(0, -1), entry, body], settings);
	// Its first output is for the end, its second for each batch.
	workflow.connections[entry.name] = { main: [[], ...connectionTo(body).main] };
	workflow.connections[body.name] = connectionTo(entry);
	return workflow;
}
