import {
	NodeConnectionTypes,
	Workflow,
	type INode,
	type INodeParameters,
	type INodeType,
} from 'n8n-workflow';

import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
// Chooses the evaluator of expressions.
import './n8nDifferences.cts';

const PREVIOUS: INodeType = {
	description: {
		displayName: 'Previous',
		name: 'previous',
		group: ['trigger'],
		version: 1,
		description: 'Stands before the node',
		defaults: {},
		inputs: [],
		outputs: [NodeConnectionTypes.Main],
		properties: [],
	},
};

/**
 * A workflow as the editor holds it while a person fills in the node: n8n's own Workflow, which fills
 * in the defaults and evaluates the expressions of the node's description.
 *
 * @param parameters what the person has set
 */
export function editorWorkflow(parameters: INodeParameters): { workflow: Workflow; node: INode } {
	const stepFunImage = new StepFunImage() as INodeType;
	const node: INode = {
		id: 'node',
		name: 'StepFun Image',
		type: 'n8n-nodes-stepfun-image.stepFunImage',
		typeVersion: 1,
		position: [0, 0],
		parameters,
	};
	const previous: INode = {
		...node,
		id: 'previous',
		name: 'Previous',
		type: 'test.previous',
		parameters: {},
	};
	const workflow = new Workflow({
		id: 'test-workflow',
		active: false,
		nodes: [previous, node],
		connections: {
			Previous: { main: [[{ node: node.name, type: NodeConnectionTypes.Main, index: 0 }]] },
		},
		nodeTypes: {
			getByName: () => {
				throw new Error('not used by the engine');
			},
			getByNameAndVersion: (type) => (type === node.type ? stepFunImage : PREVIOUS),
			getKnownTypes: () => ({}),
		},
	});
	return { workflow, node: workflow.getNode(node.name) as INode };
}
