import type { INodeParameters, NodeParameterValueType } from 'n8n-workflow';

import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { editorWorkflow } from '../kit/editorWorkflow.cts';

const { subtitle } = new StepFunImage().description;

/** The line under the node's name on the canvas, as the editor makes it. */
function subtitleFor(parameters: INodeParameters): NodeParameterValueType | object {
	const { workflow, node } = editorWorkflow(parameters);
	return workflow.expression.getSimpleParameterValue(node, subtitle as string, 'internal', {});
}

test.each<[INodeParameters, string]>([
	[{}, 'generate: step-image-edit-2'],
	[{ operation: 'edit' }, 'edit: step-image-edit-2'],
	[{ operation: 'imageToImage' }, 'image to image: step-2x-large'],
	[{ model: 'our-own-model' }, 'generate: our-own-model'],
	[{ model: { __rl: true, mode: 'id', value: 'our-own-model' } }, 'generate: our-own-model'],
	[{ resource: 'account', operation: 'getBalance' }, 'get balance: account'],
	// Left over from an image operation.
	[
		{ resource: 'account', operation: 'getBalance', model: 'step-2x-large' },
		'get balance: account',
	],
])('The subtitle of a node with %j is "%s"', (parameters, shown) => {
	expect(subtitleFor(parameters)).toBe(shown);
});
