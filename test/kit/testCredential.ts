import { userFolder } from './userFolder';

import { ExecuteContext, RoutingNode } from 'n8n-core';
import {
	NodeConnectionTypes,
	NodeHelpers,
	Workflow,
	type ICredentialDataDecryptedObject,
	type INode,
	type INodeParameters,
	type INodeType,
	type INodeTypes,
	type IWorkflowExecuteAdditionalData,
} from 'n8n-workflow';

import { StepFunApi } from '../../credentials/StepFunApi.credentials';
import { emptyRunData, initBinaryData, withExpressions } from './n8nDifferences';
import { credentialsHelper } from './runNode';

export interface CredentialTestResult {
	status: 'OK' | 'Error';
	message: string;
}

interface Rule {
	type: 'responseCode' | 'responseSuccessBody';
	properties: { value: unknown; message: string; key?: string };
}

/**
 * Tests a credential as n8n does when a user saves it: the declared request goes through RoutingNode
 * as a node's own would, then the declared rules judge the answer (n8n: CredentialsTester).
 */
export async function testCredential(
	entered: ICredentialDataDecryptedObject,
): Promise<CredentialTestResult> {
	const { test, properties, name } = new StepFunApi();
	const data = {
		...(NodeHelpers.getNodeParameters(
			properties,
			entered as INodeParameters,
			true,
			true,
			null,
			null,
		) as ICredentialDataDecryptedObject),
	};
	const nodeType: INodeType = {
		description: {
			displayName: 'No Operation, do nothing',
			name: 'noOp',
			group: ['organization'],
			version: 1,
			description: 'No Operation',
			defaults: { name: 'NoOp' },
			inputs: [NodeConnectionTypes.Main],
			outputs: [NodeConnectionTypes.Main],
			credentials: [{ name, required: true }],
			properties: [
				{
					displayName: 'Temp',
					name: 'temp',
					type: 'string',
					routing: { request: test.request },
					default: '',
				},
			],
		},
	};
	const node: INode = {
		id: 'temp',
		parameters: {},
		name: 'Temp-Node',
		type: 'n8n-nodes-base.noOp',
		typeVersion: 1,
		position: [0, 0],
		credentials: { [name]: { id: '1', name: 'StepFun account' } },
	};
	const workflow = new Workflow({
		nodes: [node],
		connections: {},
		active: false,
		nodeTypes: {
			getByName: () => nodeType,
			getByNameAndVersion: () => nodeType,
			getKnownTypes: () => ({}),
		} as INodeTypes,
	});
	await initBinaryData('filesystem', `${userFolder}/storage`);
	const context = new ExecuteContext(
		workflow,
		node,
		{ credentialsHelper: credentialsHelper(data) } as unknown as IWorkflowExecuteAdditionalData,
		'internal',
		emptyRunData(),
		0,
		[],
		{ main: [[{ json: {} }]] },
		{ node, data: {}, source: null },
		[],
	);
	const rules = (test.rules ?? []) as unknown as Rule[];

	const routingNode = new RoutingNode(context, nodeType, {
		id: '1',
		name: 'StepFun account',
		type: name,
		data,
	});

	try {
		const output = await withExpressions(workflow, async () => await routingNode.runNode());
		const json = output?.[0]?.[0].json ?? {};
		for (const { type, properties: rule } of rules) {
			if (type === 'responseSuccessBody' && json[rule.key ?? ''] === rule.value) {
				return { status: 'Error', message: rule.message };
			}
		}
		return { status: 'OK', message: 'Connection successful!' };
	} catch (error) {
		return { status: 'Error', message: explain(error as TestError, rules) };
	}
}

type TestError = Error & {
	cause?: { code?: string; response?: { status: number; statusText?: string } };
};

function explain(error: TestError, rules: Rule[]): string {
	const { response, code } = error.cause ?? {};
	if (!response) return code ?? error.message;
	const rule = rules.find(
		({ type, properties }) => type === 'responseCode' && properties.value === response.status,
	);
	return (
		rule?.properties.message ??
		(response.statusText || `Received HTTP status code: ${response.status}`)
	);
}
