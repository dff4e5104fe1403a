import { CODES_IN_MESSAGE } from '../../nodes/StepFunImage/catalogue/errorCodes';
import { statusMeant } from '../../nodes/StepFunImage/errors/requestFailure';
import { errorCodesIn } from '../../nodes/StepFunImage/transport/errorText';

// The facts of the catalogue once more, so that a change of its patterns does not lose one of them.

const OUT_OF_CREDIT = [
	'insufficient_quota',
	'insufficient_balance',
	'insufficientCredits',
	'insufficient_funds',
	'NOT_ENOUGH_BALANCE',
	'not_enough_credits',
	'BILLING_BALANCE_NOT_ENOUGH',
	'customer_verification_required',
	'insufficient_user_quota',
	'insufficient_token_quota',
	'pre_consume_token_quota_failed',
	'budget_exceeded',
	'exceeded_current_quota_error',
	'billing_hard_limit_reached',
	'billing_not_active',
	'BILLING_DISABLED',
	'credit_balance_exhausted',
	'organization_spend_limit_exceeded',
	'project_usage_limit_exceeded',
	'Arrearage',
	'AllocationQuota.FreeTierOnly',
	'AccountOverdueError',
	'account_overdue',
	'OperationDenied.ServiceOverdue',
	'SetLimitExceeded',
	'QuotaExceeded',
	'personal-team-blocked:spending-limit',
	'1113',
	'30001',
];

const MODERATED = [
	'moderation_blocked',
	'imagine:content-moderated',
	'content_policy_violation',
	'ContentPolicyViolationError',
	'content_filter',
	'contentFilter',
	'sensitive_words_detected',
	'InputTextSensitiveContentDetected',
	'prompt_blocked',
	'OutputImageRiskDetection',
	'risk_detection',
	'DataInspectionFailed',
	'data_inspection_failed',
	'ResponsibleAIPolicyViolation',
	'responsible_ai',
	'safety_error',
	'guardrail',
	'violation_fee.grok.csam',
	'nsfw',
	'unsafe_request',
	'ILLEGAL_PROMPT',
	'ILLEGAL_IMAGE_CONTENT',
	'hooks_failed',
	'1301',
];

describe('The code', () => {
	test.each(OUT_OF_CREDIT)('%s stands for 402, with any status, but only as a whole', (code) => {
		for (const status of [200, 400, 403, 429]) expect(statusMeant(status, [code])).toBe(402);
		expect(statusMeant(429, [`not_${code}`, `${code}_soon`])).toBe(429);
	});

	test.each(MODERATED)('%s stands for 451, unless the service failed', (code) => {
		for (const status of [200, 400, 403, 422, 424, 446]) {
			expect(statusMeant(status, [code])).toBe(451);
		}
		for (const status of [429, 500]) expect(statusMeant(status, [code])).toBe(status);
	});

	test('1301 stands for 451 only as a whole', () => {
		expect(statusMeant(400, ['11301', '13010'])).toBe(400);
	});

	test.each([
		'invalid_api_key',
		'invalidApiKey',
		'API_KEY_INVALID',
		'API_KEY_SERVICE_BLOCKED',
		'CONSUMER_SUSPENDED',
		'SERVICE_DISABLED',
	])('%s stands for 401 where services send no 401', (code) => {
		for (const status of [200, 400, 402, 403, 500]) {
			expect(statusMeant(status, [code])).toBe(401);
		}
		expect(statusMeant(429, [code])).toBe(429);
	});

	test('invalid_api_key stands for 401 only as a whole', () => {
		expect(statusMeant(400, ['an_invalid_api_key', 'invalid_api_keys'])).toBe(400);
	});

	test.each([
		'model_not_found',
		'DeploymentNotFound',
		'unknown_model',
		'InvalidEndpointOrModel.NotFound',
	])('%s stands for 404, unless the key, the balance or the rate is at fault', (code) => {
		for (const status of [200, 400, 403, 404, 422, 500, 503]) {
			expect(statusMeant(status, [code])).toBe(404);
		}
		for (const status of [401, 402, 429]) expect(statusMeant(status, [code])).toBe(status);
	});

	test('invalid_model stands for 404 only if the request is refused for what it contains', () => {
		for (const status of [200, 400, 404, 422]) {
			expect(statusMeant(status, ['invalid_model'])).toBe(404);
		}
		for (const status of [401, 403, 429, 500, 503]) {
			expect(statusMeant(status, ['invalid_model'])).toBe(status);
		}
	});

	test('model_not_found stands for 404 only as a whole', () => {
		expect(statusMeant(503, ['no_model_not_found', 'model_not_found_here'])).toBe(503);
	});

	test.each(['rate_limit_exceeded', 'RateLimitError', 'too_many_requests', 'TooManyRequests'])(
		'%s stands for 429 in a response with status 200',
		(code) => {
			expect(statusMeant(200, [code])).toBe(429);
			expect(statusMeant(403, [code])).toBe(403);
		},
	);

	test('throttling stands for 429', () => {
		expect(statusMeant(200, ['Throttling.AllocationQuota'])).toBe(429);
	});

	test('that is a status counts only in a response with status 200, and from 400 to 499', () => {
		for (const code of ['400', '451', '499']) {
			expect(statusMeant(200, ['x', code])).toBe(Number(code));
			expect(statusMeant(403, [code])).toBe(403);
		}
		expect(statusMeant(200, ['399', '500'])).toBeUndefined();
	});
});

test('Without a code, a status means itself, 405 and 501 mean 404, and 200 nothing', () => {
	expect(statusMeant(404)).toBe(404);
	expect(statusMeant(200)).toBeUndefined();
	for (const status of [405, 501]) expect(statusMeant(status)).toBe(404);
	expect(statusMeant(429, ['other'])).toBe(429);
});

test('The first meaning counts: a used-up balance more than a rate limit', () => {
	expect(statusMeant(200, ['rate_limit', 'insufficient_quota'])).toBe(402);
	expect(statusMeant(400, ['invalid_api_key', 'content_filter'])).toBe(451);
});

describe('The message', () => {
	test.each([
		[402, 429, 'You exceeded your current quota, please check your plan and billing details.'],
		[402, 403, 'Your team has either used all available credits or reached its limit.'],
		[402, 403, "You've run out of credits."],
		[402, 403, "You've run out of funds."],
		[402, 429, "You have exceeded today's quota for model Qwen/Qwen-Image"],
		[402, 200, 'insufficient balance'],
		[402, 400, 'Insufficient credits'],
		[402, 400, 'Insufficient funds'],
		[402, 500, '账户余额不足'],
		[
			402,
			403,
			'Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys',
		],
		[402, 412, 'Account x is suspended, possibly due to reaching the monthly spending limit'],
		[402, 429, 'metric: generate_content_free_tier_requests, limit: 0, model: x'],
		[402, 429, 'metric: x.googleapis.com/generate_requests_per_model_per_day, limit: 0'],
		[402, 400, 'Imagen API is only accessible to billed users at this time.'],
		[451, 400, 'Your request was rejected by the safety system.'],
		[451, 403, 'Content violates usage guidelines. Failed check: no'],
		[451, 400, 'Generated image rejected by content moderation.'],
		[451, 400, 'Your prompt was blocked by content moderation'],
		[451, 400, 'It violates the content policy'],
		[451, 422, 'The image may contain NSFW content'],
		[451, 400, 'Output data may contain inappropriate content.'],
		[451, 400, 'The request failed because the output image may contain sensitive information.'],
		[451, 400, 'Your request was rejected as a result of our safety system.'],
		[451, 400, "They violated Vertex AI's usage guidelines."],
		[451, 400, "Sensitive words that violate Google's Responsible AI practices."],
		[451, 400, 'This request has been blocked by our content filters.'],
		[451, 400, "Filtered due to the prompt triggering Azure OpenAI's content management policy."],
		[451, 400, 'We’re so sorry, but the prompt may violate our content policies.'],
		[451, 400, 'The image we created may violate our guardrails around nudity.'],
		[451, 403, '非常抱歉，该提示可能违反了我们的内容政策。'],
		[451, 400, '系统检测到输入或生成内容可能包含不安全或敏感内容'],
		[451, 424, 'Response blocked due to security configurations'],
		[451, 403, 'Your input was flagged for "violence".'],
		[451, 400, 'litellm.BadRequestError: litellm.ContentPolicyViolationError: no'],
		[451, 400, 'Violated guardrail policy: no'],
		[402, 500, 'Error code: 429 - {"error": {"type": "insufficient_quota", "code": null}}'],
		[451, 400, "{'error': {'message': 'no', 'param': None, 'code': 'moderation_blocked'}}"],
		[401, 400, 'Incorrect API key provided: xai-1***'],
		[401, 400, 'API key not valid. Please pass a valid API key.'],
		[401, 403, 'Your API key was reported as leaked.'],
		[401, 400, 'Missing or invalid Authorization header.'],
		[401, 403, "Method doesn't allow unregistered callers"],
		[401, 500, 'Unauthorized request due to invalid or missing api-key'],
		[401, 402, 'Authentication required'],
		[404, 503, '当前分组 default 下对于模型 flux 无可用渠道'],
		[404, 503, 'Incorrect model ID'],
		[404, 503, 'No available channel for model x under group default'],
		[404, 400, 'x/y is not a valid model ID'],
		[404, 400, 'Invalid model name passed in model=x'],
		[404, 400, 'Model does not exist. Please check it carefully.'],
		[404, 400, 'The model x-1.5 does not exist'],
		[404, 400, 'Model not exist.'],
		[404, 400, 'Unknown Model, please check the model code.'],
		[404, 400, '模型不存在，请检查模型代码。'],
		[404, 400, 'No route for that URI'],
		[404, 200, 'Unexpected endpoint or method. (POST /v1/images/generations)'],
	])('stands for %i with status %i if it is: %s', (meant, status, message) => {
		expect(statusMeant(status, errorCodesIn({ error: { message } }))).toBe(meant);
	});

	test.each([
		'Check your plan and billing details. For more information on this error, head to: https://x',
		'Violated refund policy',
		'Blocked. See the content policy',
		'The model x rejected the file, which does not exist',
		'Insufficient permissions',
		'the code: moderation_blocked',
		'{"opcode":"moderation_blocked"}',
		'Unknown model parameter: size',
		'API key limit exceeded (100/minute)',
		// 302.AI, for a moment.
		'No available channels currently',
		'litellm.Timeout: no',
		'my litellmContentPolicy',
	])('stands for nothing else if it is: %s', (message) => {
		expect(statusMeant(400, errorCodesIn({ message }))).toBe(400);
	});

	test('is searched at once, even if a hostile server repeats a word of it', () => {
		const message = 'block'.repeat(1_000);
		const startedAt = performance.now();
		for (let times = 0; times < 400; times++) errorCodesIn({ message });
		expect(performance.now() - startedAt).toBeLessThan(500);
	});

	test('may name several codes', () => {
		const message = 'litellm.BadRequestError: litellm.Timeout: Violated safety policy';
		expect(message.match(CODES_IN_MESSAGE)).toEqual([
			'litellm.BadRequestError',
			'litellm.Timeout',
			'Violated safety policy',
		]);
	});
});
