import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { INode, INodeProperties, NodeParameterValueType } from 'n8n-workflow';
import { NodeHelpers } from 'n8n-workflow';
import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';

const EXAMPLES = resolve(__dirname, '../../examples');
const { description } = new StepFunImage();

function readWorkflow(file: string): { nodes: INode[]; connections: object } {
	return JSON.parse(readFileSync(join(EXAMPLES, file), 'utf8'));
}

function isExpression(value: NodeParameterValueType | undefined): boolean {
	return typeof value === 'string' && value.startsWith('=');
}

describe.each(readdirSync(EXAMPLES).filter((file) => file.endsWith('.json')))('%s', (file) => {
	const { nodes } = readWorkflow(file);
	// n8n makes a second node type, for agents, of a node that is usable as a tool.
	const ours = nodes.filter(({ type }) =>
		/^n8n-nodes-stepfun-image\.stepFunImage(Tool)?$/.test(type),
	);

	it('uses the node, and names no credential of someone else', () => {
		expect(ours.length).toBeGreaterThan(0);
		for (const node of nodes) expect(node).not.toHaveProperty('credentials');
	});

	it.each(ours.map((node) => [node.name, node] as const))('sets only what "%s" has', (_, node) => {
		const shown = description.properties.filter((property) =>
			NodeHelpers.displayParameter(node.parameters, property, node, description),
		);
		const fields = new Map<string, INodeProperties>(
			shown.map((property) => [property.name, property]),
		);
		for (const [name, value] of Object.entries(node.parameters)) {
			expect([...fields.keys()]).toContain(name);
			const field = fields.get(name) as INodeProperties;
			if (field.type === 'options' && !isExpression(value)) {
				expect(field.options).toContainEqual(expect.objectContaining({ value }));
			}
			if (field.type === 'collection') {
				const known = (field.options ?? []).map((option) => option.name);
				expect(known).toEqual(expect.arrayContaining(Object.keys(value as object)));
			}
		}
	});
});
