import { userFolder } from './userFolder.cts';

import { WorkflowExecute } from 'n8n-core';
import {
	NodeConnectionTypes,
	Workflow,
	type ICredentialDataDecryptedObject,
	type IDataObject,
	type IExecuteFunctions,
	type INode,
	type INodeParameters,
	type INodeType,
} from 'n8n-workflow';

import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { initBinaryData, startWorkflow } from './n8nDifferences.cts';
import { executionData, node, source } from './runNode.cts';

/** What an AI agent does with its tool. */
export interface AgentRun {
	/** The agent's own input. */
	items: IDataObject[];
	/** The tool's parameters. */
	parameters: INodeParameters;
	credential: ICredentialDataDecryptedObject;
	/** What the model calls the tool with, one call after another. */
	calls: IDataObject[];
	onError?: INode['onError'];
	/** The name of the tool's type; n8n's own ends in Tool. */
	typeName?: string;
	/** n8n's "Retry On Fail", with three tries. */
	retryOnFail?: boolean;
}

/** What the model reads of a call: what the tool returned, parsed, or the message of the error that it threw. */
export type ToolResult = { returned: unknown } | { thrown: string };

interface Tool {
	invoke(call: IDataObject): Promise<string>;
}

/**
 * Runs the node as the tool of an AI agent. The agent is a stand-in without a model, but it gets its tool from the
 * engine as n8n's own agent does, so each call goes through n8n's `makeHandleToolInvocation`.
 */
export async function runAgent(settings: AgentRun): Promise<ToolResult[]> {
	await initBinaryData('filesystem', `${userFolder}/storage`);
	const results: ToolResult[] = [];
	const { typeName = 'stepFunImageTool' } = settings;
	const types: Record<string, INodeType> = {
		'test.source': source(settings),
		'test.agent': agent(settings.calls, results),
		[typeName]: toolOf(new StepFunImage(), typeName),
	};
	const workflow = new Workflow({
		id: 'test-workflow',
		active: false,
		nodeTypes: {
			getByName: (type) => types[type],
			getByNameAndVersion: (type) => types[type],
			getKnownTypes: () => ({}),
		},
		nodes: [
			node('Source', 'test.source', {}),
			node('Agent', 'test.agent', {}),
			{
				...node('StepFun Image', typeName, { resource: 'image', ...settings.parameters }),
				credentials: { stepFunApi: { id: '1', name: 'StepFun account' } },
				onError: settings.onError,
				...(settings.retryOnFail ? { retryOnFail: true, maxTries: 3, waitBetweenTries: 1 } : {}),
			},
		],
		connections: {
			Source: { main: [[{ node: 'Agent', type: NodeConnectionTypes.Main, index: 0 }]] },
			'StepFun Image': {
				ai_tool: [[{ node: 'Agent', type: NodeConnectionTypes.AiTool, index: 0 }]],
			},
		},
	});
	const { data } = await startWorkflow(
		new WorkflowExecute(executionData(settings.credential), 'manual'),
		workflow,
		workflow.getNode('Source') ?? undefined,
	);
	if (data.resultData.error) throw data.resultData.error;
	return results;
}

function agent(calls: IDataObject[], results: ToolResult[]): INodeType {
	return {
		description: {
			displayName: 'Agent',
			name: 'agent',
			group: ['transform'],
			version: 1,
			description: 'Calls its tool',
			defaults: {},
			inputs: [NodeConnectionTypes.Main, NodeConnectionTypes.AiTool],
			outputs: [NodeConnectionTypes.Main],
			properties: [],
		},
		async execute(this: IExecuteFunctions) {
			const connected = await this.getInputConnectionData(NodeConnectionTypes.AiTool, 0);
			const [tool] = connected as Tool[];
			for (const call of calls) {
				try {
					results.push({ returned: JSON.parse(await tool.invoke(call)) });
				} catch (error) {
					results.push({ thrown: (error as Error).message });
				}
			}
			return [this.getInputData()];
		},
	};
}

/** The type that n8n makes of a node for agents: no input, and a tool as its output. */
function toolOf(nodeType: StepFunImage, name: string): INodeType {
	return Object.assign(nodeType, {
		description: {
			...nodeType.description,
			name,
			inputs: [],
			outputs: [NodeConnectionTypes.AiTool],
		},
	});
}
