import type { INode } from 'n8n-workflow';

import { Refusal, requestError, toNodeError } from '../../nodes/StepFunImage/errors/nodeErrors';
import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';

const redactor = { text: (text: string) => text, link: (link: string) => link };
const node = { type: 'n8n-nodes-stepfun-image.stepFunImage', name: 'StepFun Image' } as INode;
// The whole way of an error to an agent is run by `npm run examples`.
const agent = { node, itemIndex: 0, isTool: true };
const workflow = { node, itemIndex: 0, isTool: false };

const refused = new RequestFailure('status', { status: 451, text: 'no' });
const request = {
	path: '/images/generations',
	credential: { baseUrl: 'https://images.example/v1', redactor },
	image: { operation: 'generate' as const, model: 'step-image-edit-2', hasInputImage: false },
};

test('An error of a tool says how to go on in its message, which is all that an agent sees', () => {
	expect(requestError(agent, request, refused).message).toBe(
		'Moderation refused the request: no. Change the prompt. The same request would be refused again, so the node does not repeat it.',
	);
	const refusal = new Refusal("'Prompt' is empty", 'Write what the image should show.');
	expect(toNodeError(agent, refusal).message).toBe(
		"'Prompt' is empty. Write what the image should show.",
	);
});

test('An error of a node says how to go on once, in its description', () => {
	const error = requestError(workflow, request, refused);
	expect(error.message).toBe('Moderation refused the request: no');
	expect(error.description).toContain('Change the prompt.');
});
