import { userFolder } from './userFolder.cts';

import { Container } from '@n8n/di';
import { BinaryDataService, ExecutionLifecycleHooks, WorkflowExecute } from 'n8n-core';
import {
	NodeConnectionTypes,
	Workflow,
	type ExecutionError,
	type IBinaryData,
	type ICredentialDataDecryptedObject,
	type ICredentialsHelper,
	type IDataObject,
	type IHttpRequestOptions,
	type INode,
	type INodeExecutionData,
	type INodeParameters,
	type INodeType,
	type IRun,
	type IWorkflowExecuteAdditionalData,
} from 'n8n-workflow';

import { StepFunApi } from '../../credentials/StepFunApi.credentials';
import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { initBinaryData, startWorkflow, statusOf, storeBinary } from './n8nDifferences.cts';

const NODE_TYPE = 'n8n-nodes-stepfun-image.stepFunImage';

export type BinaryMode = 'filesystem' | 'default';

/** A credential's fields, or what an expression in the credential makes of them for an item. */
export type CredentialFields =
	| ICredentialDataDecryptedObject
	| ((itemIndex: number) => ICredentialDataDecryptedObject);

export interface NodeRun {
	/** Input items: JSON only, or whole items. */
	items?: Array<IDataObject | INodeExecutionData>;
	parameters: INodeParameters;
	credential: CredentialFields;
	onError?: INode['onError'];
	/** n8n's "Retry On Fail". */
	retryOnFail?: { maxTries: number };
	executeOnce?: boolean;
	/** How many times the node runs with these items, as in a loop. */
	runs?: number;
	/** Where n8n keeps files: on disk, or in memory inside the execution's data. */
	binaryMode?: BinaryMode;
	/** The workflow setting that puts files into the JSON of items. */
	combineBinary?: boolean;
	/** Gives the node the type that n8n gives to the tool of an agent. */
	asTool?: boolean;
	/** Receives a function that cancels the execution as the Stop button does. */
	onStart?: (cancel: () => void) => void;
}

export interface NodeRunResult {
	/** What left the node's main output. */
	items: INodeExecutionData[];
	/** What left the error output, with "Continue (using error output)". */
	errorItems: INodeExecutionData[];
	/** The error that stopped the workflow. */
	error?: ExecutionError & { description?: string; httpCode?: string; context: IDataObject };
	status: IRun['status'];
	run: IRun;
}

/**
 * Runs the StepFun Image node through n8n's own engine: WorkflowExecute, the real request
 * helpers and the real binary data store. A source node before it gives the items.
 */
export async function runNode(settings: NodeRun): Promise<NodeRunResult> {
	await useBinaryMode(settings.binaryMode ?? 'filesystem');

	const workflow = new Workflow({
		id: 'test-workflow',
		active: false,
		nodeTypes: {
			getByName: () => {
				throw new Error('not used by the engine');
			},
			getByNameAndVersion: (type) =>
				type.startsWith(NODE_TYPE) ? new StepFunImage() : source(settings),
			getKnownTypes: () => ({}),
		},
		nodes: [
			node('Source', 'test.source', {}),
			{
				...node('StepFun Image', settings.asTool ? `${NODE_TYPE}Tool` : NODE_TYPE, {
					resource: 'image',
					...settings.parameters,
				}),
				credentials: { stepFunApi: { id: '1', name: 'StepFun account' } },
				onError: settings.onError,
				executeOnce: settings.executeOnce,
				...(settings.retryOnFail
					? { retryOnFail: true, maxTries: settings.retryOnFail.maxTries, waitBetweenTries: 1 }
					: {}),
			},
		],
		connections: {
			Source: {
				main: [
					Array.from({ length: settings.runs ?? 1 }, () => ({
						node: 'StepFun Image',
						type: NodeConnectionTypes.Main,
						index: 0,
					})),
				],
			},
		},
		settings: settings.combineBinary ? { binaryMode: 'combined' } : {},
	});

	const additionalData = executionData(settings.credential);
	const execution = startWorkflow(
		new WorkflowExecute(additionalData, 'manual'),
		workflow,
		workflow.getNode('Source') ?? undefined,
	);
	settings.onStart?.(() => execution.cancel());
	const run = await execution;

	const taskData = run.data.resultData.runData['StepFun Image']?.at(-1);
	return {
		items: taskData?.data?.main?.[0] ?? [],
		errorItems: taskData?.data?.main?.[1] ?? [],
		error: (taskData?.error ?? run.data.resultData.error) as NodeRunResult['error'],
		status: statusOf(run),
		run,
	};
}

/** What n8n's server tells the engine about an execution: its ID and addresses, the credential and the hooks. */
export function executionData(credential: CredentialFields): IWorkflowExecuteAdditionalData {
	const executionId = `execution-${Math.random().toString(36).slice(2)}`;
	return {
		executionId,
		restApiUrl: 'http://n8n.example/rest',
		webhookWaitingBaseUrl: 'http://n8n.example/webhook-waiting',
		formWaitingBaseUrl: 'http://n8n.example/form-waiting',
		currentNodeExecutionIndex: 0,
		credentialsHelper: credentialsHelper(credential),
		hooks: new ExecutionLifecycleHooks('manual', executionId, {
			id: 'test-workflow',
			name: 'Test',
			active: false,
			isArchived: false,
			createdAt: new Date(),
			updatedAt: new Date(),
			nodes: [],
			connections: {},
			activeVersionId: null,
		}),
		variables: {},
	} as unknown as IWorkflowExecuteAdditionalData;
}

/** The bytes behind a binary field, wherever n8n keeps them. */
export async function bytesOf(binaryData: IBinaryData | undefined): Promise<Buffer> {
	if (!binaryData) throw new Error('there is no binary data');
	return await Container.get(BinaryDataService).getAsBuffer(binaryData);
}

/** Puts a file into n8n's binary store, as a node before ours would have done. */
export async function storeFile(
	bytes: Buffer,
	fileName: string,
	mimeType: string,
	binaryMode: BinaryMode = 'filesystem',
): Promise<IBinaryData> {
	await useBinaryMode(binaryMode);
	return await storeBinary('test-workflow', 'before', bytes, { data: '', fileName, mimeType });
}

async function useBinaryMode(mode: BinaryMode): Promise<void> {
	await initBinaryData(mode, `${userFolder}/storage`);
}

/** A node of a workflow that runs in the engine alone. */
export function node(name: string, type: string, parameters: INodeParameters): INode {
	return { id: name, name, type, typeVersion: 1, position: [0, 0], parameters };
}

/** The node that the items of a test come from. */
export function source({ items = [{}] }: Pick<NodeRun, 'items'>): INodeType {
	return {
		description: {
			displayName: 'Source',
			name: 'source',
			group: ['trigger'],
			version: 1,
			description: 'Gives the items of a test',
			defaults: {},
			inputs: [],
			outputs: [NodeConnectionTypes.Main],
			properties: [],
		},
		execute: async () => [
			items.map((item) =>
				'json' in item || 'binary' in item
					? { ...(item as INodeExecutionData), json: (item as INodeExecutionData).json ?? {} }
					: { json: item as IDataObject },
			),
		],
	};
}

/** Authenticates as n8n's CredentialsHelper does, with the credential's own function. */
export function credentialsHelper(credential: CredentialFields): ICredentialsHelper {
	const getDecrypted: ICredentialsHelper['getDecrypted'] = async (...given) => {
		const itemIndex = given[6]?.itemIndex ?? 0;
		return { ...(typeof credential === 'function' ? credential(itemIndex) : credential) };
	};
	return {
		getParentTypes: () => [],
		isCredentialUsableByNode: () => true,
		getDecrypted,
		preAuthentication: async () => undefined,
		authenticate: async (
			data: ICredentialDataDecryptedObject,
			_typeName: string,
			options: IHttpRequestOptions,
		) => await new StepFunApi().authenticate(data, options),
	} as unknown as ICredentialsHelper;
}
