import { toResult } from '../../nodes/StepFunImage/actions/outputItems';
import { findOutput } from '../../nodes/StepFunImage/catalogue/outputs';
import type { ImageRequest } from '../../nodes/StepFunImage/request/readParameters';
import { parseCredential } from '../../nodes/StepFunImage/transport/credential';

// StepFun's own addresses are out of reach for a test, so the result is made without a request.
const costAt = (baseUrl: string, model: string) =>
	toResult(
		{} as Parameters<typeof toResult>[0],
		{ model, credential: parseCredential({ service: 'custom', baseUrl }) } as ImageRequest,
		{ response: {}, tries: 1 },
		{
			output: findOutput('url'),
			includeInput: 'nothing',
			severalImagesAs: 'items',
			whenModerated: 'fail',
			linkLifetime: '1 day',
		},
	).json.estimatedCost;

test.each([
	['https://api.stepfun.com/v1', 'step-image-edit-2', { amount: 0.02, currency: 'CNY' }],
	['https://api.stepfun.ai/v1', 'step-image-edit-2', { amount: 0.003, currency: 'USD' }],
	['https://api.stepfun.ai/v1', 'step-2x-large', { amount: 0.02, currency: 'USD' }],
	// A subscription does not charge by the image, and other prices are not known.
	['https://api.stepfun.com/step_plan/v1', 'step-image-edit-2', undefined],
	['https://images.example.com/v1', 'step-image-edit-2', undefined],
	['https://api.stepfun.com/v1', 'step-1x-edit', undefined],
	['https://api.stepfun.com/v1', 'our-own-model', undefined],
])('The estimated cost of an image from %s with %s is the listed one', (baseURL, model, cost) => {
	expect(costAt(baseURL, model)).toEqual(cost);
});
