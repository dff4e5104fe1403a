import {
	NodeHelpers,
	nodeNameToToolName,
	type INode,
	type INodeParameters,
	type INodeType,
	type INodeTypeDescription,
} from 'n8n-workflow';

import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { KNOWS_TOOLS } from '../kit/n8nDifferences.cts';

const { description } = new StepFunImage();

// n8n makes the tool of the node: a second type, whose name ends in Tool.
const tool: INodeTypeDescription = { ...description, name: `${description.name}Tool` };

/** The values of a tool once these are entered, the defaults filled in as n8n does it. */
function toolValues(entered: INodeParameters): INodeParameters {
	return (
		NodeHelpers.getNodeParameters(
			tool.properties,
			{ resource: 'image', ...entered },
			true,
			false,
			{ typeVersion: 1 } as INode,
			tool,
		) ?? {}
	);
}

const choicesOf = (name: string, operation: string, of: INodeTypeDescription) => {
	const shown = of.properties.filter(
		(property) =>
			property.name === name &&
			NodeHelpers.displayParameter(
				{ resource: 'image', operation },
				property,
				{ typeVersion: 1 },
				of,
			),
	);
	expect(shown).toHaveLength(1);
	return (shown[0].options ?? []).map((option) => ('value' in option ? option.value : undefined));
};

(KNOWS_TOOLS ? describe : describe.skip)('Agent tool: text in, text out', () => {
	test('A tool returns a link, not a file', () => {
		expect(toolValues({ operation: 'generate' })).toMatchObject({ output: 'url' });
		expect(toolValues({ operation: 'generate' })).not.toHaveProperty('outputField');
	});

	test.each(['edit', 'imageToImage'])('A tool with %s takes its image from a URL', (operation) => {
		const values = toolValues({ operation });
		expect(values).toMatchObject({ inputSource: 'url', inputUrl: '', output: 'url' });
		expect(values).not.toHaveProperty('binaryPropertyName');
	});

	test.each(['generate', 'edit', 'imageToImage'])('A tool with %s offers no files', (operation) => {
		expect(choicesOf('output', operation, tool)).toEqual(['url', 'n8nLink']);
		expect(choicesOf('output', operation, description)).toContain('file');
		if (operation === 'generate') return;
		expect(choicesOf('inputSource', operation, tool).sort()).toEqual(['text', 'url']);
		expect(choicesOf('inputSource', operation, description)).toContain('binary');
	});
});

(KNOWS_TOOLS ? describe : describe.skip)('Agent tool: what the model reads', () => {
	const node = (parameters: INodeParameters, name = 'StepFun Image'): INode => ({
		id: '1',
		name,
		type: `n8n-nodes-stepfun-image.${tool.name}`,
		typeVersion: 1,
		position: [0, 0],
		parameters,
	});
	const described = (parameters: INodeParameters) =>
		NodeHelpers.getToolDescriptionForNode(node(parameters), {
			description: tool,
		} as INodeType);

	test.each([
		[
			'generate',
			/^Generates an image from a text prompt and returns a link to it\. /,
			'$0.003 or ¥0.02',
		],
		['edit', /^Edits the image at a URL .* returns a link to the result\. /, '$0.003 or ¥0.02'],
		[
			'imageToImage',
			/^Creates a new image from the image at a URL .* a link to the result\. /,
			'$0.02 or ¥0.1',
		],
	])(
		'The description of a tool with %s mentions the link and the price',
		(operation, purpose, price) => {
			const values = toolValues({ operation });
			expect(described(values)).toMatch(purpose);
			expect(described(values)).toContain(`about ${price} per image`);
		},
	);

	test('The description of a tool that gets the balance says that it costs nothing', () => {
		const values = toolValues({ resource: 'account', operation: 'getBalance' });
		expect(described(values)).toMatch(/^Gets the balance .* Costs nothing\.$/);
	});

	test('A workflow node has no tool description', () => {
		const shown = description.properties.filter(
			(property) =>
				property.name === 'toolDescription' &&
				NodeHelpers.displayParameter(
					{ resource: 'image', operation: 'generate' },
					property,
					{ typeVersion: 1 },
					description,
				),
		);
		expect(shown).toEqual([]);
	});

	test("A description that the user wrote replaces the tool's own", () => {
		const toolDescription = 'Makes a picture and returns a link to it';
		expect(
			described({
				resource: 'image',
				operation: 'generate',
				descriptionType: 'manual',
				toolDescription,
			}),
		).toBe(toolDescription);
	});

	test.each(['generate', 'edit', 'imageToImage'])(
		'Model providers accept the name that n8n gives a tool with %s',
		(operation) => {
			const name = NodeHelpers.makeNodeName({ resource: 'image', operation }, tool);
			expect(nodeNameToToolName(name)).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
		},
	);
});
