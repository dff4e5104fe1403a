import type { IDataObject } from 'n8n-workflow';

import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';
import { inputImage, itemWithFile } from '../kit/images.cts';
import { runEdit, runGenerate } from '../kit/localRuns.cts';

// Services other than StepFun say in codes of their own what StepFun says with a status.

let server: HostileServer;
let keys = 0;
beforeAll(async () => (server = await startHostileServer()));
beforeEach(() => (server.requests.length = 0));
afterAll(async () => await server.close());

const respond = (status: number, body: object) =>
	server.attackWith((_request, response) => {
		response.writeHead(status).end(JSON.stringify(body));
	});

const credential = () => ({ apiFormat: 'openai', apiKey: `codes-${++keys}` });

/** Runs two rows one after the other, so that the failure of the first may end the second. */
const runTwoRows = async () =>
	await runGenerate(
		server,
		{},
		{
			items: [{}, {}],
			credential: { ...credential(), concurrentRequests: 1 },
			onError: 'continueRegularOutput',
		},
	);

describe('Moderation', () => {
	test.each<[string, number, object]>([
		['OpenAI', 400, { error: { code: 'moderation_blocked', type: 'user_error', message: 'no' } }],
		['Azure', 400, { error: { code: 'content_policy_violation', message: 'no' } }],
		[
			'Volcengine Ark',
			400,
			{ error: { code: 'InputTextSensitiveContentDetected', message: 'no' } },
		],
		['DashScope', 400, { code: 'DataInspectionFailed', message: 'no' }],
		['a relay', 403, { error: { type: 'content_filter', message: 'no' } }],
		["Ark's risk control", 400, { error: { code: 'OutputImageRiskDetection', message: 'no' } }],
		['Zhipu', 400, { error: { code: '1301', message: 'no' } }],
		[
			"new-api's list of words",
			400,
			{ error: { code: 'sensitive_words_detected', message: 'no' } },
		],
		['Gemini behind new-api', 400, { error: { code: 'prompt_blocked', message: 'no' } }],
		[
			'LiteLLM',
			400,
			{
				error: {
					code: '400',
					type: null,
					message: 'litellm.BadRequestError: litellm.ContentPolicyViolationError: no',
				},
			},
		],
		[
			'OpenAI behind LiteLLM',
			400,
			{
				error: {
					code: '400',
					message:
						'litellm.BadRequestError: OpenAIException - Your request was rejected by the safety system: no',
				},
			},
		],
		[
			"LiteLLM's guardrails",
			400,
			{ error: { code: '400', message: { error: 'Violated guardrail policy: no', response: {} } } },
		],
		[
			"LiteLLM's guardrails as a text",
			400,
			{ error: { code: '400', message: "{'error': 'Violated content safety policy'} no" } },
		],
		['xAI', 400, { code: 'imagine:content-moderated', error: 'Generated image rejected: no' }],
		[
			'xAI with its general code',
			400,
			{
				code: 'Client specified an invalid argument',
				error: 'Generated image rejected by content moderation: no',
			},
		],
		[
			"xAI's usage guidelines",
			403,
			{
				code: 'The caller does not have permission to execute the specified operation',
				error: 'Content violates usage guidelines. Failed check: no',
			},
		],
		['xAI behind new-api', 403, { error: { code: 'violation_fee.grok.csam', message: 'no' } }],
		['Pollinations', 422, { error: { code: 'content_policy_violation', message: 'no' } }],
		['Venice', 422, { error: 'Your prompt violates the content policy of Venice.ai or no' }],
		['Venice in other words', 422, { error: 'Your input was blocked by content moderation: no' }],
		['Together', 422, { error: { message: 'image may contain NSFW content: no' } }],
		[
			'Qianfan',
			400,
			{ error: { code: 'image_url_unsafe', type: 'unsafe_request', message: 'no' } },
		],
		[
			'OpenRouter',
			403,
			{
				error: {
					code: 403,
					message: 'x requires moderation. Your input was flagged for "violence": no',
					metadata: { reasons: ['violence'], flagged_input: 'A red shoe' },
				},
			},
		],
		[
			'Google',
			400,
			{
				error: {
					message:
						"All images were filtered out because they violated Vertex AI's usage guidelines. no",
				},
			},
		],
		[
			'Google in other words',
			400,
			{
				error: {
					message:
						"This prompt contains sensitive words that violate Google's Responsible AI practices: no",
				},
			},
		],
		[
			'Amazon Bedrock',
			400,
			{ message: 'This request has been blocked by our content filters: no' },
		],
		[
			"Azure's filter of prompts",
			400,
			{
				error: {
					message:
						"The response was filtered due to the prompt triggering Azure OpenAI's content management policy: no",
				},
			},
		],
		[
			'ChatGPT behind a relay',
			400,
			{
				error: {
					type: 'upstream_error',
					message: 'We’re so sorry, but the prompt may violate our guardrails around violence: no',
				},
			},
		],
		[
			'ChatGPT in Chinese',
			400,
			{ error: { message: '非常抱歉，该提示可能违反了我们的内容政策 no' } },
		],
		[
			"OpenAI's older models",
			400,
			{ error: { message: 'Your request was rejected as a result of our safety system: no' } },
		],
		[
			"Cloudflare's guardrails",
			424,
			{
				success: false,
				error: [{ code: 2016, message: 'Prompt blocked due to security configurations: no' }],
			},
		],
		[
			"Portkey's guardrails",
			446,
			{ error: { type: 'hooks_failed', code: null, message: 'The guardrail checks failed: no' } },
		],
		['Novita', 400, { code: 400, reason: 'ILLEGAL_PROMPT', message: 'no' }],
	])('of %s passes on if the user wants it', async (_service, status, body) => {
		respond(status, body);
		const { items, error } = await runGenerate(
			server,
			{ options: { whenModerated: 'passOn' } },
			{ credential: credential() },
		);
		expect(error).toBeUndefined();
		expect(items[0].json).toMatchObject({
			finishReason: 'refused',
			moderation: expect.stringMatching(/no$/),
			charged: false,
		});
	});

	test('is reported as moderation', async () => {
		respond(400, { error: { code: 'moderation_blocked', message: 'no' } });
		const { error } = await runGenerate(server, {}, { credential: credential() });
		expect(error?.message).toBe('Moderation refused the request: no');
		expect(error?.httpCode).toBe('400');
		expect(server.requests).toHaveLength(1);
	});

	test.each<[string, object]>([
		[
			'xAI',
			{ code: 'imagine:content-moderated', error: 'Rejected', usage: { cost_in_usd_ticks: 9 } },
		],
		[
			'LiteLLM',
			{
				error: {
					message:
						"litellm.BadRequestError: XaiException - {'code': 'imagine:content-moderated', 'error': 'Generated image rejected by content moderation.', 'usage': {'cost_in_usd_ticks': 9}}",
				},
			},
		],
	])('of an image that was made counts as charged if %s names its cost', async (_service, body) => {
		respond(400, body);
		const { items } = await runGenerate(
			server,
			{ options: { whenModerated: 'passOn' } },
			{ credential: credential() },
		);
		expect(items[0].json).toMatchObject({
			finishReason: 'content_filtered',
			moderation: expect.stringMatching(/rejected/i),
			charged: true,
		});
		const { error } = await runGenerate(server, {}, { credential: credential() });
		expect(error?.description).toContain('The image was made and has been charged.');
	});

	test.each(['x-venice-is-content-violation', 'x-venice-is-blurred'])(
		'of an image that was made is reported by Venice in the header %s',
		async (header) => {
			const image = { b64_json: (await inputImage(64, 64)).toString('base64') };
			for (const data of [[image], []]) {
				server.attackWith((_request, response) => {
					response.writeHead(200, { [header]: 'true' }).end(JSON.stringify({ data }));
				});
				const { items } = await runGenerate(
					server,
					{ options: { whenModerated: 'passOn' } },
					{ credential: credential() },
				);
				expect(items[0].binary).toBeUndefined();
				expect(items[0].json).toMatchObject({ finishReason: 'content_filtered', charged: true });
			}
		},
	);

	test('has codes that count neither with another status nor in the text', async () => {
		for (const [status, error] of [
			[500, { code: 'content_policy_violation', message: 'no' }],
			[400, { code: 'invalid_size', message: 'see our content_policy' }],
			[400, { code: 'invalid_size', message: 'Rejected. See the content policy' }],
		] as const) {
			respond(status, { error });
			const { items, error: thrown } = await runGenerate(
				server,
				{ options: { whenModerated: 'passOn', maxTries: 1 } },
				{ credential: credential() },
			);
			expect(items).toEqual([]);
			expect(thrown?.message).not.toContain('Moderation');
		}
	});
});

describe('A used-up balance', () => {
	test.each<[string, number, object]>([
		['OpenAI', 429, { error: { code: 'insufficient_quota', type: 'insufficient_quota' } }],
		['Moonshot', 429, { error: { type: 'exceeded_current_quota_error' } }],
		['Zhipu', 429, { error: { code: '1113' } }],
		['OpenAI', 400, { error: { code: 'billing_hard_limit_reached' } }],
		['new-api', 403, { error: { code: 'insufficient_user_quota' } }],
		['DashScope', 400, { code: 'Arrearage' }],
		['Volcengine Ark', 403, { error: { code: 'AccountOverdueError' } }],
		['Volcengine Ark', 403, { error: { code: 'OperationDenied.ServiceOverdue' } }],
		["new-api's key", 403, { error: { code: 'pre_consume_token_quota_failed' } }],
		["one-api's key", 403, { error: { code: 'insufficient_token_quota' } }],
		['LiteLLM', 400, { error: { type: 'budget_exceeded', code: '400' } }],
		["Ark's limit of a model", 429, { error: { code: 'SetLimitExceeded' } }],
		['SiliconFlow', 403, { code: 30001, message: 'Sorry', data: null }],
		["DashScope's free tier", 403, { error: { code: 'AllocationQuota.FreeTierOnly' } }],
		[
			'OpenAI behind LiteLLM',
			429,
			{
				error: {
					type: 'throttling_error',
					code: '429',
					message:
						'litellm.RateLimitError: RateLimitError: OpenAIException - You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.',
				},
			},
		],
		['an OpenAI account without a plan', 429, { error: { code: 'billing_not_active' } }],
		['a newer LiteLLM', 429, { error: { type: 'budget_exceeded', code: '429' } }],
		['a newer OpenAI', 429, { error: { code: 'credit_balance_exhausted' } }],
		["OpenAI's limit of a project", 429, { error: { code: 'project_spend_limit_exceeded' } }],
		["OpenAI's limit of usage", 429, { error: { code: 'organization_usage_limit_exceeded' } }],
		["Ark's free quota of a model", 429, { error: { code: 'QuotaExceeded' } }],
		[
			'xAI',
			429,
			{
				code: 'Some resource has been exhausted',
				error: 'Your team has either used all available credits or reached its limit.',
			},
		],
		[
			'a newer xAI',
			403,
			{ code: 'permission-denied', error: 'Your team has either used all available credits.' },
		],
		['an xAI account of one person', 403, { code: 'personal-team-blocked:spending-limit' }],
		[
			'AI/ML API',
			403,
			{ title: 'Forbidden', status: 403, message: "You've run out of credits. Please top up." },
		],
		['AI/ML API in other words', 403, { message: "You've run out of funds. Please top up." }],
		['Qianfan', 403, { error: { code: 'account_overdue', type: 'access_denied' } }],
		[
			"ModelScope's free images of a day",
			429,
			{ errors: { message: "You have exceeded today's quota for model Qwen/Qwen-Image" } },
		],
		['Novita', 403, { code: 403, reason: 'NOT_ENOUGH_BALANCE', message: 'no' }],
		["Novita's images", 400, { code: 400, reason: 'BILLING_BALANCE_NOT_ENOUGH', message: 'no' }],
		['Runware', 400, { errors: [{ code: 'insufficientCredits', message: 'no' }] }],
		['NanoGPT behind a relay', 400, { error: 'Insufficient balance' }],
		['MiniMax', 200, { base_resp: { status_code: 1008, status_msg: 'insufficient balance' } }],
		['Zhipu behind a relay', 500, { error: { message: '余额不足或无可用资源包,请充值。' } }],
		['OpenRouter', 403, { error: { code: 403, message: 'Key limit exceeded (total limit).' } }],
		[
			'Fireworks',
			412,
			{
				error: {
					message:
						'Account x is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices.',
				},
			},
		],
		['Vercel', 403, { error: { type: 'customer_verification_required', message: 'no' } }],
		[
			"Gemini's free keys, which include no image model,",
			429,
			[
				{
					error: {
						code: 429,
						status: 'RESOURCE_EXHAUSTED',
						message:
							'You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. * Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 0, model: gemini-2.5-flash-preview-image Please retry in 34.07s.',
					},
				},
			],
		],
		[
			'Imagen',
			400,
			[{ error: { message: 'Imagen API is only accessible to billed users at this time.' } }],
		],
	])('as %s reports it with %i, ends the run', async (_service, status, body) => {
		respond(status, body);
		const { items } = await runGenerate(
			server,
			{},
			{
				items: Array.from({ length: 3 }, () => ({})),
				credential: { ...credential(), concurrentRequests: 1 },
				onError: 'continueRegularOutput',
			},
		);
		const messages = items.map(({ json }) => String(json.error));
		for (const message of messages) expect(message).toContain("The account's balance is used up");
		expect(messages.at(-1)).toMatch(/^Not sent, because/);
		expect(server.requests).toHaveLength(1);
	});

	test.each([
		{ code: 'rate_limit_exceeded' },
		{
			code: 429,
			status: 'RESOURCE_EXHAUSTED',
			message:
				'You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. * Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 20',
		},
	])('is not assumed for another 429: $code', async (error) => {
		respond(429, { error });
		const { error: thrown } = await runGenerate(
			server,
			{ options: { giveUpAfter: 0 } },
			{ credential: credential() },
		);
		expect(thrown?.message).toContain('Too many requests');
	});
});

describe('An error with status 200', () => {
	const generate = async (body: object, items: object[] = [{}]) => {
		respond(200, body);
		return await runGenerate(
			server,
			{ options: { whenModerated: 'passOn', giveUpAfter: 2 } },
			{
				items: items as IDataObject[],
				credential: { ...credential(), concurrentRequests: 1 },
				onError: 'continueRegularOutput',
			},
		);
	};

	test.each<[string, object]>([
		[
			'an image of Volcengine Ark',
			{ data: [{ error: { code: 'OutputImageSensitiveContentDetected', message: 'no' } }] },
		],
		[
			'a task of DashScope',
			{ output: { task_id: 'T-7', code: 'DataInspectionFailed', message: 'no' } },
		],
		['a relay', { error: { code: 'content_policy_violation', message: 'no' } }],
	])('passes on if it is the moderation of %s', async (_service, body) => {
		const { items } = await generate(body);
		expect(items[0].json).toMatchObject({
			finishReason: 'refused',
			moderation: 'no',
			charged: false,
		});
	});

	test.each<[string, object, string]>([
		[
			'a used-up balance',
			{ error: { code: 'insufficient_user_quota' } },
			"The account's balance is used up",
		],
		['a wrong key', { code: 401, msg: 'no' }, 'The API key was not accepted: no'],
	])('ends the run if it is %s', async (_what, body, message) => {
		const { items } = await generate(body, [{}, {}, {}]);
		expect(items[0].json.error).toBe(message);
		expect(items[2].json.error).toMatch(/^Not sent, because/);
		expect(server.requests).toHaveLength(1);
	});

	test.each([{ code: 429 }, { code: '429' }, { code: 'rate_limit_exceeded' }])(
		'is tried again if it is %j',
		async (error) => {
			let requests = 0;
			server.attackWith((_request, response) => {
				const isFirst = ++requests === 1;
				response.end(JSON.stringify(isFirst ? { error } : { data: [{ url: '/1.png' }] }));
			});
			const { items } = await runGenerate(server, { output: 'url' }, { credential: credential() });
			expect(items[0].json).toMatchObject({ url: `${server.origin}/1.png`, tries: 2 });
		},
	);

	test.each([{ code: 500 }, { code: 'internal_error' }])(
		'may have been charged, and is not tried again, if it is %j',
		async (error) => {
			const { items } = await generate({ error: { ...error, message: 'broken' } });
			expect(items[0].json.error).toBe('The service responded without an image: broken');
			expect(server.requests).toHaveLength(1);
		},
	);
});

test.each<[string, unknown]>([
	['a list, as from Gemini', [{ error: { code: 'content_filter', message: 'no' } }]],
	['the detail of FastAPI', { detail: { error: { code: 'content_filter', message: 'no' } } }],
	['a list of errors', { errors: [{ code: 'content_filter', message: 'no' }] }],
	['a reason, as from Novita', { code: 400, reason: 'content_filter', message: 'no' }],
	[
		'details, as from Google',
		{ error: { message: 'no', details: [{ reason: 'content_filter' }] } },
	],
])('A code counts in %s', async (_place, body) => {
	respond(400, body as object);
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toBe('Moderation refused the request: no');
});

test.each<[string, object]>([
	['JSON', { detail: '{"error":{"message":"no","code":"moderation_blocked"}}' }],
	[
		'Python',
		{
			error: {
				message:
					"Error code: 400 - {'error': {'message': 'no', 'type': 'image_generation_user_error', 'param': None, 'code': 'moderation_blocked'}}",
			},
		},
	],
])('A code counts in an error that a gateway repeats in %s', async (_language, body) => {
	respond(400, body);
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toMatch(/^Moderation refused the request: /);
});

test.each([
	['msg', '{"code":7,"msg":"You have run out of funds"}'],
	['description', '{"error":{"description":"You have run out of funds"}}'],
	['a text that is not JSON', 'You have run out of funds'],
])('The words of an error count in %s', async (_place, body) => {
	server.attackWith((_request, response) => void response.writeHead(400).end(body));
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toBe("The account's balance is used up: You have run out of funds");
});

test.each<[string, number, object]>([
	[
		'xAI',
		400,
		{ code: 'Client specified an invalid argument', error: 'Incorrect API key provided' },
	],
	[
		'Gemini',
		400,
		[{ error: { code: 400, message: 'API key not valid.', status: 'INVALID_ARGUMENT' } }],
	],
	['a relay', 400, { error: { code: 'invalid_api_key', message: 'no' } }],
	[
		'OpenVINO Model Server',
		500,
		{ error: 'Unauthorized request due to invalid or missing api-key' },
	],
	['Venice', 402, { error: 'Authentication required' }],
	[
		'Gemini, for a key that has expired,',
		400,
		[{ error: { message: 'API key expired.', details: [{ reason: 'API_KEY_INVALID' }] } }],
	],
	[
		'Gemini, for a key that was published,',
		403,
		[{ error: { message: 'Your API key was reported as leaked.' } }],
	],
	[
		'Gemini, for a key that is suspended,',
		403,
		[{ error: { message: 'Permission denied', details: [{ reason: 'CONSUMER_SUSPENDED' }] } }],
	],
	['Novita', 403, { code: 403, reason: 'INVALID_API_KEY', message: 'no' }],
])('A wrong key that %s reports with status %i ends the run', async (_service, status, body) => {
	respond(status, body);
	const { items } = await runTwoRows();
	expect(items[0].json.error).toMatch(/^The API key was not accepted: /);
	expect(items[1].json.error).toMatch(/^Not sent, because/);
	expect(server.requests).toHaveLength(1);
});

test('A 401 for one model of a gateway does not stop the rows of other models', async () => {
	respond(401, { error: { message: 'upstream key' } });
	const { items } = await runGenerate(
		server,
		{ model: '={{ $json.model }}' },
		{
			items: ['a', 'a', 'b', 'b'].map((model) => ({ model })),
			credential: { ...credential(), concurrentRequests: 1 },
			onError: 'continueRegularOutput',
		},
	);
	expect(server.requests).toHaveLength(2);
	expect(items.map(({ json }) => String(json.error).startsWith('Not sent'))).toEqual([
		false,
		true,
		false,
		true,
	]);
});

test('Errors that are grouped by field are all shown', async () => {
	respond(400, {
		title: 'Validation failed',
		errors: { size: ['The size is not supported.'] },
	});
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toContain('The size is not supported.');
});

test('A model that is missing by its code in a response with status 200 costs nothing', async () => {
	respond(200, { error: { code: 'model_not_found', message: 'no such model' } });
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toMatch(/^The server does not have the model .*: no such model$/);
	expect(error?.description).not.toContain('charged');
	expect(server.requests).toHaveLength(1);
});

test.each<[string, number, object]>([
	[
		'Azure',
		404,
		{ error: { code: 'DeploymentNotFound', message: 'The API deployment does not exist.' } },
	],
	['Azure AI Foundry', 400, { error: { code: 'unknown_model', message: 'Unknown: x' } }],
	[
		'OpenAI',
		400,
		{ error: { code: 'invalid_value', param: 'model', message: "Invalid value: 'x'." } },
	],
	['OpenRouter', 400, { error: { code: 400, message: 'x is not a valid model ID' } }],
	['LiteLLM', 400, { error: { code: '400', message: 'Invalid model name passed in model=x.' } }],
	['SiliconFlow', 400, { code: 20012, message: 'Model does not exist.', data: null }],
	['DashScope', 400, { code: 'InvalidParameter', message: 'Model not exist.' }],
	['Zhipu', 400, { error: { code: '1211', message: '模型不存在，请检查模型代码。' } }],
	[
		'Z.ai',
		400,
		{ error: { code: '1211', message: 'Unknown Model, please check the model code.' } },
	],
	['Qianfan', 400, { error: { code: 'invalid_model', message: 'No such name' } }],
	[
		'Volcengine Ark',
		400,
		{ error: { code: 'InvalidEndpointOrModel.NotFound', message: 'No such name' } },
	],
	['new-api', 503, { error: { message: 'No available channel for model x under group default' } }],
])(
	'A model that %s reports as missing with status %i ends its rows',
	async (_service, status, body) => {
		respond(status, body);
		const { items } = await runTwoRows();
		expect(items[0].json.error).toMatch(/^The server does not have the model /);
		expect(items[1].json.error).toMatch(/^Not sent, because/);
		expect(server.requests).toHaveLength(1);
	},
);

test.each([
	{ code: 'invalid_value', param: 'size', message: 'The model x takes 1024x1024' },
	{ message: 'The model x does not support this size, and no file exists' },
])('A 400 that only mentions the model is not taken for a missing one: %j', async (error) => {
	respond(400, { error });
	const { error: thrown } = await runGenerate(server, {}, { credential: credential() });
	expect(thrown?.message).toBe(`The service refused the request: ${error.message}`);
});

test('A model that a key of LiteLLM may not use is not taken for a missing one', async () => {
	const message = "key not allowed to access model. This key can only access models=['x']";
	const type = 'key_model_access_denied';
	respond(403, { error: { message, type, param: 'model', code: '403' } });
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toBe(`This key may not use the model or the endpoint: ${message}`);
});

test('A model that fails for a moment is not taken for a missing one', async () => {
	respond(503, {
		error: { message: 'The model is loading', type: 'server_error', param: 'model' },
	});
	const options = { maxTries: 2 };
	const { error } = await runGenerate(server, { options }, { credential: credential() });
	expect(error?.message).toContain('is overloaded');
	expect(server.requests).toHaveLength(2);
});

test('A rate limit of a model is not taken for a missing one', async () => {
	respond(429, { error: { code: 'rate_limit_exceeded', param: 'model', message: 'slow down' } });
	const { error } = await runGenerate(
		server,
		{ options: { giveUpAfter: 0 } },
		{ credential: credential() },
	);
	expect(error?.message).toContain('Too many requests');
});

test('An endpoint that Cloudflare reports as missing with status 400 is named as such', async () => {
	respond(400, { success: false, errors: [{ code: 7000, message: 'No route for that URI' }] });
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toMatch(/^There is no \/images\/generations at .*: No route for that URI/);
});

test('An endpoint that LM Studio lacks, which it reports with status 200, costs nothing', async () => {
	respond(200, { error: 'Unexpected endpoint or method. (POST /v1/images/generations)' });
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toMatch(/^There is no \/images\/generations at .*: Unexpected endpoint/);
	expect(error?.description).not.toContain('charged');
	expect(server.requests).toHaveLength(1);
});

test('An error with status 401 in XML comes from the API, not from a page in front of it', async () => {
	server.attackWith((_request, response) => {
		response.writeHead(401, { 'content-type': 'application/xml' });
		response.end('<?xml version="1.0"?><Error><Message>Unknown key</Message></Error>');
	});
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toMatch(/^The API key was not accepted: .*Unknown key/);
});

test('A task instead of an image is reported with its ID, and not requested again', async () => {
	respond(200, { data: { task_id: 'T-7', task_status: 'submitted' } });
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toBe('The service started a task instead of returning an image');
	expect(error?.description).toContain('Task ID: T-7.');
	expect(server.requests).toHaveLength(1);
});

test('The message of a failed task is shown', async () => {
	const output = { task_id: 'T-7', task_status: 'FAILED', message: 'The size is not supported.' };
	respond(200, { output });
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toContain('The size is not supported.');
	expect(error?.description).toContain('Task ID: T-7.');
});

test('A response that is neither JSON nor a page may have been charged', async () => {
	server.attackWith((_request, response) => void response.end('ok'));
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toBe('The server responded, but not as an image API: ok');
	expect(error?.description).toContain('The image may have been charged.');
});

test('A response without an image or a message is shown', async () => {
	respond(200, { pictures: [{ address: 'https://res.example/1.png' }] });
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toBe('The service responded without an image');
	expect(error?.description).toContain(
		'The response is {"pictures":[{"address":"https://res.example/1.png"}]}.',
	);
});

test('An answer without an image is also shown if it says that it succeeded', async () => {
	respond(200, { code: 0, msg: 'success', data: { picture: 'https://res.example/1.png' } });
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toBe('The service responded without an image: success');
	expect(error?.description).toContain('"picture":"https://res.example/1.png"');
});

test('A 404 for a model that the server does not have names the model, not the address', async () => {
	respond(404, { error: { message: 'model "step-image-edit-2" not found' } });
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toBe(
		'The server does not have the model step-image-edit-2: model "step-image-edit-2" not found',
	);
	expect(error?.description).toContain("Choose one of the server's models in 'Model'");
});

test.each(['Mediapipe graph definition with requested name is not found', 'Mediapipe is retired'])(
	'The 404 %j, with which OpenVINO Model Server lacks a model, names the model',
	async (text) => {
		respond(404, { error: text });
		const { error } = await runGenerate(server, {}, { credential: credential() });
		expect(error?.message).toBe(`The server does not have the model step-image-edit-2: ${text}`);
	},
);

test.each<[number, object]>([
	[405, { detail: 'Method Not Allowed' }],
	[501, { error: { message: 'API not implemented', code: 'api_not_implemented' } }],
])('A %i says, as a 404 does, that the server lacks the endpoint', async (status, body) => {
	respond(status, body);
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toMatch(/^There is no \/images\/generations at http:.+: (Method|API) /);
	expect(error?.description).toContain('Check Service and Base URL');

	const { items } = await runTwoRows();
	expect(items[1].json.error).toMatch(/^Not sent, because/);
	expect(server.requests).toHaveLength(2);
});

test('The error of a server without edits says that not every server can edit', async () => {
	respond(501, { error: { message: 'API not implemented' } });
	const item = await itemWithFile(await inputImage(64, 64));
	const { error } = await runEdit(server, [item], {}, { credential: credential() });
	expect(error?.description).toMatch(/^Not every server can edit images\./);
});

test('An edit that a server wants in another format, as xAI does, is explained', async () => {
	respond(415, { error: 'Expected request with `Content-Type: application/json`' });
	const item = await itemWithFile(await inputImage(64, 64));
	const { error } = await runEdit(server, [item], {}, { credential: credential() });
	expect(error?.message).toBe(
		'The server does not accept the format of the request: Expected request with `Content-Type: application/json`',
	);
	expect(error?.description).toMatch(/^Edit sends the image in a form/);
});

test.each<[string, number, object]>([
	['FastAPI', 422, { detail: [{ loc: ['body', 'size'], msg: 'Size not supported' }] }],
	[
		'Zod, which Venice uses,',
		400,
		{
			error: 'Invalid request parameters',
			details: { _errors: [], size: { _errors: ['Size not supported'] } },
			issues: [{ code: 'custom', path: ['size'], message: 'Size not supported' }],
		},
	],
])('A field that %s refuses with a %i is named in the message', async (_what, status, body) => {
	respond(status, body);
	const { error } = await runGenerate(server, {}, { credential: credential() });
	expect(error?.message).toBe('The service refused the request: size: Size not supported');
	expect(error?.description).toMatch(/^Correct the field that the message names/);
});

test.each([
	['new-api', { code: 'model_not_found', message: 'No available channel' }],
	['one-api', { type: 'one_api_error', message: '当前分组 default 下对于模型 flux 无可用渠道' }],
	['aihubmix', { message: 'Incorrect model ID. Please request to view the model page' }],
])('A 503 with which %s reports a missing model ends only its rows', async (_relay, error) => {
	respond(503, { error });
	const { items } = await runGenerate(
		server,
		{ model: '={{ $json.model }}' },
		{
			items: ['a', 'a', 'b'].map((model) => ({ model })),
			credential: { ...credential(), concurrentRequests: 1 },
			onError: 'continueRegularOutput',
		},
	);
	expect(items.map(({ json }) => json.error)).toEqual([
		`The server does not have the model a: ${error.message}`,
		expect.stringMatching(/^Not sent, because .* the model a/),
		`The server does not have the model b: ${error.message}`,
	]);
	expect(server.requests).toHaveLength(2);
});
