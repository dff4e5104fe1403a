/**
 * What releases of n8n do in different ways, so that the tests can run the node in the engine of any of them. The
 * types are those of the release in node_modules; npm run e2e -- --only versions runs the others.
 */
import { Container } from '@n8n/di';
import * as n8nCore from 'n8n-core';
import n8nCorePackage from 'n8n-core/package.json';
import { BinaryDataService, type WorkflowExecute } from 'n8n-core';
import * as n8nWorkflow from 'n8n-workflow';
import {
	NodeHelpers,
	type IBinaryData,
	type INode,
	type INodeParameters,
	type INodeProperties,
	type INodeTypeDescription,
	type IRun,
	type IRunExecutionData,
	type Workflow,
} from 'n8n-workflow';

/** Whether n8n can sign a link to a stored file, which it then serves without a login. */
export const SIGNS_LINKS = 'validateSignedToken' in BinaryDataService.prototype;

/** Whether n8n has the workflow setting that puts files into the JSON of items. */
export const COMBINES_BINARY = 'BINARY_MODE_COMBINED' in n8nWorkflow;

/** Whether an item whose expression fails leaves the others alone; n8n 1.x fails the whole run. */
export const RESOLVES_ITEMS_APART = Number(n8nCorePackage.version.split('.')[0]) > 1;

/** Whether n8n names the required field that was never filled in; n8n 1.x says only that there are issues. */
export const NAMES_EMPTY_FIELDS = RESOLVES_ITEMS_APART;

/** Whether what has arrived of a download is read before its broken connection is noticed. */
export const READS_BROKEN_DOWNLOADS = RESOLVES_ITEMS_APART;

/** Whether n8n opens a tunnel to HTTPS servers through the proxy of its environment. */
export const TUNNELS_THROUGH_PROXY = RESOLVES_ITEMS_APART;

/** Whether n8n lets a node's fields ask if it is a tool, and names and describes the tool itself. */
export const KNOWS_TOOLS = 'getToolDescriptionForNode' in NodeHelpers;

/** Of the two evaluators of expressions that n8n 1.x has, its server chooses this one. */
const { ExpressionEvaluatorProxy } = n8nWorkflow as unknown as {
	ExpressionEvaluatorProxy?: { setEvaluator?: (evaluator: 'tournament') => void };
};
ExpressionEvaluatorProxy?.setEvaluator?.('tournament');

type OlderRun = (workflow: Workflow, startNode?: INode) => ReturnType<WorkflowExecute['run']>;

type OlderStore = (
	workflowId: string,
	executionId: string,
	bytes: Buffer,
	binaryData: IBinaryData,
) => Promise<IBinaryData>;

type OlderDisplay = (
	values: INodeParameters,
	field: INodeProperties,
	node: Pick<INode, 'typeVersion'>,
) => boolean;

type OlderParameters = (
	properties: INodeProperties[],
	entered: INodeParameters,
	returnDefaults: boolean,
	returnNoneDisplayed: boolean,
	node: INode,
) => INodeParameters | null;

/** Sets where n8n keeps files. */
export async function initBinaryData(mode: string, localStoragePath: string): Promise<void> {
	const service = Container.get(BinaryDataService);
	if ('BinaryDataConfig' in n8nCore) {
		Object.assign(Container.get(n8nCore.BinaryDataConfig), { mode, localStoragePath });
		return await service.init();
	}
	const settings = { mode, localStoragePath, availableModes: ['filesystem'] };
	await (service.init as (config: object) => Promise<void>).call(service, settings);
}

/** Puts bytes into n8n's binary store. */
export async function storeBinary(
	workflowId: string,
	executionId: string,
	bytes: Buffer,
	binaryData: IBinaryData,
): Promise<IBinaryData> {
	const service = Container.get(BinaryDataService);
	if (service.store.length === 3) {
		const location = { type: 'execution' as const, workflowId, executionId };
		return await service.store(location, bytes, binaryData);
	}
	const store = service.store as unknown as OlderStore;
	return await store.call(service, workflowId, executionId, bytes, binaryData);
}

/** Runs a workflow from its first node. */
export function startWorkflow(
	execute: WorkflowExecute,
	workflow: Workflow,
	startNode: INode | undefined,
): ReturnType<WorkflowExecute['run']> {
	if (execute.run.length === 1) return execute.run({ workflow, startNode });
	return (execute.run as unknown as OlderRun).call(execute, workflow, startNode);
}

/** How a run ended; n8n 1.x looks at its error only later, outside the engine. */
export function statusOf({ status, data }: IRun): IRun['status'] {
	return status === 'running' && data.resultData.error ? 'error' : status;
}

/** Whether the editor shows a field of a node with these values. */
export function isShown(
	values: INodeParameters,
	field: INodeProperties,
	description: INodeTypeDescription,
): boolean {
	const node = { typeVersion: 1 };
	const { displayParameter } = NodeHelpers;
	if (displayParameter.length > 4) return displayParameter(values, field, node, description);
	return (displayParameter as OlderDisplay)(values, field, node);
}

/** The fields that the editor shows, each with what was entered or its default. */
export function fillDefaults(
	entered: INodeParameters,
	description: INodeTypeDescription,
): INodeParameters {
	return readParameters(entered, description, true);
}

/** What the editor keeps of a node's fields: those that it shows and that are not at their defaults. */
export function withoutDefaults(
	entered: INodeParameters,
	description: INodeTypeDescription,
): INodeParameters {
	return readParameters(entered, description, false);
}

function readParameters(
	entered: INodeParameters,
	description: INodeTypeDescription,
	withDefaults: boolean,
): INodeParameters {
	const node = { typeVersion: 1 } as INode;
	const { properties } = description;
	const { getNodeParameters } = NodeHelpers;
	const older = getNodeParameters as unknown as OlderParameters;
	const read =
		getNodeParameters.length > 5
			? getNodeParameters(properties, entered, withDefaults, false, node, description)
			: older(properties, entered, withDefaults, false, node);
	return read ?? {};
}

/** The data of an execution in which nothing has happened yet. */
export function emptyRunData(): IRunExecutionData {
	return 'createEmptyRunExecutionData' in n8nWorkflow
		? n8nWorkflow.createEmptyRunExecutionData()
		: ({ resultData: { runData: {} } } as IRunExecutionData);
}

/** Runs a task with what a workflow needs to resolve expressions. */
export async function withExpressions<T>(
	{ expression }: Workflow,
	task: () => Promise<T>,
): Promise<T> {
	if (!('acquireIsolate' in expression)) return await task();
	await expression.acquireIsolate();
	try {
		return await task();
	} finally {
		await expression.releaseIsolate();
	}
}

/** n8n's logger. */
export async function findLogger(): Promise<{ debug(message: string, details?: object): void }> {
	const { Logger } = (
		'Logger' in n8nCore ? n8nCore : await import('@n8n/backend-common')
	) as typeof import('@n8n/backend-common');
	return Container.get(Logger);
}
