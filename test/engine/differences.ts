/**
 * What releases of n8n do in different ways, so that the tests can run the node in the engine of any of them. The
 * types are those of the release in node_modules; npm run e2e -- --only versions runs the others.
 */
import { Container } from '@n8n/di';
import * as n8nCore from 'n8n-core';
import { BinaryDataService, DirectoryLoader, type WorkflowExecute } from 'n8n-core';
import * as n8nWorkflow from 'n8n-workflow';
import {
	NodeHelpers,
	type IBinaryData,
	type INode,
	type INodeType,
	type IRunExecutionData,
	type Workflow,
} from 'n8n-workflow';

type OlderRun = (workflow: Workflow, startNode?: INode) => ReturnType<WorkflowExecute['run']>;

type OlderStore = (
	workflowId: string,
	executionId: string,
	bytes: Buffer,
	binaryData: IBinaryData,
) => Promise<IBinaryData>;

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

/** Gives a declarative node its "Request Options". */
export function addRequestOptions(nodeType: INodeType): void {
	const owner =
		'applyDeclarativeNodeOptionParameters' in DirectoryLoader ? DirectoryLoader : NodeHelpers;
	(owner as typeof DirectoryLoader).applyDeclarativeNodeOptionParameters(nodeType);
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
