import { randomUUID } from 'node:crypto';
import type { INode, INodeParameters, IConnections } from 'n8n-workflow';
import type { CredentialReference, WorkflowFile } from '../n8n/instance';
import type { BenchCase } from './cases';
import type { ClientName } from './results';

/** The node that starts every workflow. */
export const TRIGGER = { name: 'Start' };

const MODEL = 'step-image-edit-2';

/** Where a workflow's requests go. */
export interface Service {
	url: string;
	stepFun: CredentialReference;
	openAi: CredentialReference;
}

type Step = Pick<INode, 'name' | 'type' | 'typeVersion' | 'credentials'> & {
	parameters: INodeParameters;
};

function step(
	name: string,
	type: string,
	typeVersion: number,
	parameters: INodeParameters = {},
	credentials?: INode['credentials'],
): Step {
	return { name, type, typeVersion, parameters, credentials };
}

/** The items that every client gets: prompts, or the files to edit. */
function itemSteps(benchCase: BenchCase, inputPattern: string): Step[] {
	const start = step(TRIGGER.name, 'n8n-nodes-base.manualTrigger', 1);
	if (benchCase.inputBytes) {
		const parameters = { operation: 'read', fileSelector: inputPattern, options: {} };
		return [start, step('Inputs', 'n8n-nodes-base.readWriteFile', 1.1, parameters)];
	}
	const rows = Array.from({ length: benchCase.items }, (_, index) => ({
		prompt: `Product photo ${index + 1}`,
	}));
	return [
		start,
		step('Rows', 'n8n-nodes-base.set', 3.4, { mode: 'raw', jsonOutput: JSON.stringify({ rows }) }),
		step('Items', 'n8n-nodes-base.splitOut', 1, { fieldToSplitOut: 'rows', options: {} }),
	];
}

function thisNode(isEdit: boolean, { stepFun }: Service): Step[] {
	const parameters = isEdit
		? { operation: 'edit', prompt: 'A sunny beach', binaryPropertyName: 'data' }
		: { operation: 'generate', prompt: '={{ $json.prompt }}' };
	return [
		step(
			'StepFun',
			'n8n-nodes-stepfun-image.stepFunImage',
			1,
			{ resource: 'image', model: MODEL, output: 'file', outputField: 'data', ...parameters },
			{ stepFunApi: stepFun },
		),
	];
}

function httpRequest(isEdit: boolean, { url, stepFun }: Service, options: INodeParameters): Step[] {
	const field = (name: string, value: string) => ({ parameterType: 'formData', name, value });
	const body: INodeParameters = isEdit
		? {
				contentType: 'multipart-form-data',
				bodyParameters: {
					parameters: [
						field('model', MODEL),
						field('prompt', 'A sunny beach'),
						field('response_format', 'b64_json'),
						{ parameterType: 'formBinaryData', name: 'image', inputDataFieldName: 'data' },
					],
				},
			}
		: {
				specifyBody: 'json',
				jsonBody: `={{ JSON.stringify({ model: '${MODEL}', prompt: $json.prompt, response_format: 'b64_json' }) }}`,
			};
	return [
		step(
			'Request',
			'n8n-nodes-base.httpRequest',
			4.2,
			{
				method: 'POST',
				url: `${url}/images/${isEdit ? 'edits' : 'generations'}`,
				authentication: 'predefinedCredentialType',
				nodeCredentialType: 'stepFunApi',
				sendBody: true,
				...body,
				options,
			},
			{ stepFunApi: stepFun },
		),
		step('To File', 'n8n-nodes-base.convertToFile', 1.1, {
			operation: 'toBinary',
			sourceProperty: 'data[0].b64_json',
			binaryPropertyName: 'data',
			options: {},
		}),
	];
}

function openAi(isEdit: boolean, { openAi: credential }: Service): Step[] {
	const type = '@n8n/n8n-nodes-langchain.openAi';
	const modelId = { __rl: true, mode: 'id', value: MODEL };
	const credentials = { openAiApi: credential };
	if (!isEdit) {
		const parameters = { resource: 'image', operation: 'generate', prompt: '={{ $json.prompt }}' };
		return [step('OpenAI', type, 2.3, { ...parameters, modelId, options: {} }, credentials)];
	}
	// What one would try: the service refuses `n` and `size`, and for a model that is not OpenAI's the node asks for no
	// file, so that the link has to be downloaded.
	return [
		step(
			'OpenAI',
			type,
			2.3,
			{
				resource: 'image',
				operation: 'edit',
				modelId,
				prompt: 'A sunny beach',
				binaryPropertyName: 'data',
				n: 0,
				size: '',
				responseFormat: 'url',
				options: {},
			},
			credentials,
		),
		step('Download', 'n8n-nodes-base.httpRequest', 4.2, {
			url: '={{ $json.url }}',
			options: { response: { response: { responseFormat: 'file' } } },
		}),
	];
}

/** The workflow of a client of n8n for a case. */
export function makeWorkflow(
	client: Exclude<ClientName, 'floor' | 'floor-decoding'>,
	benchCase: BenchCase,
	service: Service,
	inputPattern: string,
): WorkflowFile {
	const isEdit = benchCase.inputBytes !== undefined;
	const items = itemSteps(benchCase, inputPattern);
	const out = step('Out', 'n8n-nodes-base.noOp', 1);
	const batching = { batching: { batch: { batchSize: 5, batchInterval: 1_500 } } };
	switch (client) {
		case 'node':
			return chain(client, [...items, ...thisNode(isEdit, service), out]);
		case 'http':
			return chain(client, [...items, ...httpRequest(isEdit, service, {}), out]);
		case 'http-batched':
			return chain(client, [...items, ...httpRequest(isEdit, service, batching), out]);
		case 'http-loop':
			return loop(items, httpRequest(isEdit, service, {}), out);
		case 'openai':
			return chain(client, [...items, ...openAi(isEdit, service), out]);
		case 'read-only':
			return chain(client, [...items, out]);
	}
}

/** A workflow that makes nothing: what n8n itself takes to run and save an execution. */
export function makeEmptyWorkflow(): WorkflowFile {
	return chain('empty', [
		step(TRIGGER.name, 'n8n-nodes-base.manualTrigger', 1),
		step('Out', 'n8n-nodes-base.noOp', 1),
	]);
}

function chain(name: string, steps: Step[]): WorkflowFile {
	const connections: IConnections = {};
	for (const [index, { name: from }] of steps.slice(0, -1).entries()) {
		connections[from] = { main: [[{ node: steps[index + 1].name, type: 'main', index: 0 }]] };
	}
	return file(name, steps, connections);
}

function loop(items: Step[], body: Step[], out: Step): WorkflowFile {
	const entry = step('Loop', 'n8n-nodes-base.splitInBatches', 3, { batchSize: 5, options: {} });
	const { connections } = chain('', [...items, entry]);
	const inner = chain('', body).connections;
	const to = (node: string) => [{ node, type: 'main' as const, index: 0 }];
	return file('http-loop', [...items, entry, ...body, out], {
		...connections,
		...inner,
		[entry.name]: { main: [to(out.name), to(body[0].name)] },
		[body[body.length - 1].name]: { main: [to(entry.name)] },
	});
}

function file(name: string, steps: Step[], connections: IConnections): WorkflowFile {
	const nodes = steps.map((each, index) => ({
		...each,
		id: randomUUID(),
		position: [index * 200, 0] as [number, number],
	}));
	return { name, nodes, connections, settings: { executionOrder: 'v1' } };
}
