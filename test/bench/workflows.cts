import { randomUUID } from 'node:crypto';
import type { INode, INodeParameters, IConnections } from 'n8n-workflow';
import type { CredentialReference, WorkflowFile } from '../n8n/instance.cts';
import type { BenchmarkCase } from './cases.cts';
import type { N8nClientName } from './results.cts';

/** The node that starts every workflow. */
export const TRIGGER = { name: 'Start' };

const MODEL = 'step-image-edit-2';

/** Where a workflow's requests go. */
export interface Service {
	url: string;
	stepFun: CredentialReference;
	openAi: CredentialReference;
}

type Step = Pick<INode, 'name' | 'type' | 'typeVersion' | 'credentials'> &
	Pick<INode, 'retryOnFail' | 'maxTries' | 'waitBetweenTries'> & { parameters: INodeParameters };

function step(
	name: string,
	type: string,
	typeVersion: number,
	parameters: INodeParameters = {},
	credentials?: INode['credentials'],
): Step {
	return { name, type, typeVersion, parameters, credentials };
}

/** The items that every client gets: rows with a prompt, and what the options take, or the files to edit. */
function itemSteps(benchmarkCase: BenchmarkCase, inputPattern: string): Step[] {
	const start = step(TRIGGER.name, 'n8n-nodes-base.manualTrigger', 1);
	if (benchmarkCase.inputBytes) {
		const parameters = { operation: 'read', fileSelector: inputPattern, options: {} };
		return [start, step('Inputs', 'n8n-nodes-base.readWriteFile', 1.1, parameters)];
	}
	const rows = Array.from({ length: benchmarkCase.items }, (_, index) => ({
		prompt: `Product photo ${index + 1}`,
		...(benchmarkCase.setsOptions && {
			seed: index + 1,
			negativePrompt: `blurry, watermark ${index + 1}`,
			fileField: 'data',
			asLink: false,
		}),
	}));
	return [
		start,
		step('Rows', 'n8n-nodes-base.set', 3.4, { mode: 'raw', jsonOutput: JSON.stringify({ rows }) }),
		step('Items', 'n8n-nodes-base.splitOut', 1, { fieldToSplitOut: 'rows', options: {} }),
	];
}

function thisNode(benchmarkCase: BenchmarkCase, { stepFun }: Service): Step[] {
	const parameters = benchmarkCase.inputBytes
		? { operation: 'edit', prompt: 'A sunny beach', binaryPropertyName: 'data' }
		: { operation: 'generate', prompt: '={{ $json.prompt }}' };
	const options = {
		...(benchmarkCase.setsOptions && {
			seed: '={{ $json.seed }}',
			negativePrompt: '={{ $json.negativePrompt }}',
		}),
		...(benchmarkCase.retryOnFail && { maxTries: 1 }),
	};
	return [
		step(
			'StepFun',
			'n8n-nodes-stepfun-image.stepFunImage',
			1,
			{
				resource: 'image',
				model: MODEL,
				output: 'file',
				outputField: 'data',
				...parameters,
				options,
			},
			{ stepFunApi: stepFun },
		),
	];
}

function httpRequest(
	benchmarkCase: BenchmarkCase,
	{ url, stepFun }: Service,
	options: INodeParameters = {},
): Step[] {
	const isEdit = benchmarkCase.inputBytes !== undefined;
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
				...httpBody(benchmarkCase),
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

function httpBody({ inputBytes, setsOptions }: BenchmarkCase): INodeParameters {
	const field = (name: string, value: string) => ({ name, value });
	const common = [field('model', MODEL), field('response_format', 'b64_json')];
	if (inputBytes) {
		const parameters = [
			...[...common, field('prompt', 'A sunny beach')].map((each) => ({
				parameterType: 'formData',
				...each,
			})),
			{ parameterType: 'formBinaryData', name: 'image', inputDataFieldName: 'data' },
		];
		return { contentType: 'multipart-form-data', bodyParameters: { parameters } };
	}
	if (setsOptions) {
		const parameters = [
			...common,
			field('prompt', '={{ $json.prompt }}'),
			field('seed', '={{ $json.seed }}'),
			field('negative_prompt', '={{ $json.negativePrompt }}'),
		];
		return { specifyBody: 'keypair', bodyParameters: { parameters } };
	}
	return {
		specifyBody: 'json',
		jsonBody: `={{ JSON.stringify({ model: '${MODEL}', prompt: $json.prompt, response_format: 'b64_json' }) }}`,
	};
}

function openAi(benchmarkCase: BenchmarkCase, { openAi: credential }: Service): Step[] {
	const type = '@n8n/n8n-nodes-langchain.openAi';
	const modelId = { __rl: true, mode: 'id', value: MODEL };
	const credentials = { openAiApi: credential };
	if (!benchmarkCase.inputBytes) {
		const parameters = { resource: 'image', operation: 'generate', prompt: '={{ $json.prompt }}' };
		// It has neither seed nor negative prompt: these are the options that it offers for a model of another's.
		const options: INodeParameters = benchmarkCase.setsOptions
			? {
					returnImageUrls: '={{ $json.asLink }}',
					binaryPropertyOutput: '={{ $json.fileField }}',
				}
			: {};
		return [step('OpenAI', type, 2.3, { ...parameters, modelId, options }, credentials)];
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

/** The steps of a client that fetch images for the items. */
function clientSteps(
	client: N8nClientName,
	benchmarkCase: BenchmarkCase,
	service: Service,
): Step[] {
	switch (client) {
		case 'node':
			return thisNode(benchmarkCase, service);
		case 'openai':
			return openAi(benchmarkCase, service);
		case 'http':
		case 'http-loop':
			return httpRequest(benchmarkCase, service);
		case 'http-batched':
			return httpRequest(benchmarkCase, service, {
				batching: { batch: { batchSize: 5, batchInterval: 1_500 } },
			});
		case 'no-requests':
			return [];
	}
}

/**
 * The workflow of a client of n8n for a case.
 *
 * @param inputPattern the files that edits read
 */
export function makeWorkflow(
	client: N8nClientName,
	benchmarkCase: BenchmarkCase,
	service: Service,
	inputPattern: string,
): WorkflowFile {
	const items = itemSteps(benchmarkCase, inputPattern);
	const [request, ...others] = clientSteps(client, benchmarkCase, service);
	const out = step('Out', 'n8n-nodes-base.noOp', 1);
	if (!request) return chain(client, [...items, out]);
	const retry = { retryOnFail: true, maxTries: 3, waitBetweenTries: 1_000 };
	const body = [{ ...request, ...(benchmarkCase.retryOnFail && retry) }, ...others];
	return client === 'http-loop' ? loop(items, body, out) : chain(client, [...items, ...body, out]);
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
