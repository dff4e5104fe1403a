import type { IExecuteSingleFunctions } from 'n8n-workflow';

import type { ImageRequest } from '../../nodes/StepFunImage/request/prepareRequest';
import { toResult } from '../../nodes/StepFunImage/response/item';

// StepFun's own addresses are out of reach for a test, so the result is made without a request.
const costAt = (baseURL: string, model: string) =>
	toResult(
		{} as IExecuteSingleFunctions,
		{ model, output: 'url', options: { url: '/images/generations', baseURL } } as ImageRequest,
		{ answer: {}, tries: 1 },
		{
			includeInputFields: false,
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
