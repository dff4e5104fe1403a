import type { IExecuteSingleFunctions, INode } from 'n8n-workflow';

import { apiError } from '../../nodes/StepFunImage/errors/apiError';
import type { StrikeOut } from '../../nodes/StepFunImage/errors/strikeOut';
import { inputError } from '../../nodes/StepFunImage/errors/inputError';

const asItIs: StrikeOut = { ofText: (text) => text, ofLink: (link) => link };

// What the errors need of n8n's context is the node and the item; the whole way of an error to an agent
// is run by `npm run examples`.
const contextOf = (type: string) =>
	({
		getNode: () => ({ type, name: 'StepFun Image' }) as INode,
		getItemIndex: () => 0,
	}) as unknown as IExecuteSingleFunctions;

const agent = contextOf('n8n-nodes-stepfun-image.stepFunImageTool');
const workflow = contextOf('n8n-nodes-stepfun-image.stepFunImage');

const refused = { kind: 'status', status: 451, text: 'no' } as const;
const request = { options: { url: '/images/generations', baseURL: 'https://images.example/v1' } };

test('An error of the tool tells an agent, which sees the message alone, in it how to go on', () => {
	expect(apiError(agent, request, refused, asItIs).message).toBe(
		'Moderation refused the request: no. Change the prompt. The same request would be refused again, so the node does not repeat it.',
	);
	expect(inputError(agent, "'Prompt' is empty", 'Write what the image should show.').message).toBe(
		"'Prompt' is empty. Write what the image should show.",
	);
});

test('An error of the node tells a person how to go on in its description, and not twice', () => {
	const error = apiError(workflow, request, refused, asItIs);
	expect(error.message).toBe('Moderation refused the request: no');
	expect(error.description).toContain('Change the prompt.');
});
