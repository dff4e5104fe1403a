/**
 * What services other than StepFun say in codes of their own, or only in the words of a message, where StepFun uses a
 * status. To add a service, add its codes to the status that they stand for. The first entry that matches counts.
 *
 * Sources, read in November 2026: the services' API references, the source of new-api, one-api, LiteLLM, Portkey and
 * OpenVINO Model Server, and responses that users quote.
 */

interface ServiceError {
	/** StepFun's status for it. */
	status: number;
	/** The statuses of responses in which it counts. If absent, it counts in all. */
	within?: readonly number[];
	/** Matches codes and types of errors. */
	codes?: RegExp;
	/** Matches parts of messages, for services that send no code for it, or one that is too general. */
	phrases?: RegExp;
}

const anyOf = (...phrases: string[]) => new RegExp(phrases.join('|'), 'i');

const OUT_OF_CREDIT: ServiceError = {
	status: 402,
	codes:
		/^(insufficient(_user|_token)?_?(quota|balance|credits|funds)|(billing_)?(not_enough_(balance|credits)|balance_not_enough)|customer_verification_required|pre_consume_token_quota_failed|budget_exceeded|exceeded_current_quota_error|billing_hard_limit_reached|billing_(not_active|disabled)|credit_balance_exhausted|(organization|project)_(spend|usage)_limit_exceeded|arrearage|AllocationQuota\.FreeTierOnly|account_?overdue(error)?|OperationDenied\.ServiceOverdue|SetLimitExceeded|QuotaExceeded|personal-team-blocked:spending-limit|1113|30001)$/i,
	phrases: anyOf(
		// LiteLLM repeats only the words of OpenAI. Gemini says the same of rate limits, but continues with "head to".
		'check your plan and billing details(?!\\.[\\w ,]{1,60}head to)',
		// xAI
		'used all available credits',
		// AI/ML API
		'run out of (credits|funds)',
		// NanoGPT, and Zhipu, whose code relays drop
		'insufficient (balance|credit|funds)',
		'余额不足',
		// OpenRouter and Fireworks
		'key limit exceeded \\(\\w+ limit\\)',
		'monthly spending limit',
		// Gemini, for models that a free key does not include
		'metric: \\S+, limit: 0\\b',
		'only accessible to billed users',
		// ModelScope, of its free images of a day
		"exceeded today's quota",
	),
};

const MODERATED: ServiceError = {
	status: 451,
	// Cloudflare's guardrails respond with 424, those of Portkey with 446.
	within: [200, 400, 403, 422, 424, 446],
	codes:
		/moderat(ion|ed)|content[_ ]?(policy|filter)|sensitive_?(content|words)|prompt_blocked|risk_?detection|data_?inspection|responsible_?ai|safety|guardrail|violation_fee|nsfw|unsafe_request|illegal_(prompt|image)|hooks_failed|^1301$/i,
	phrases: anyOf(
		// OpenAI, ChatGPT, Azure, xAI, Venice, Google, Amazon Bedrock and Cloudflare, mostly behind a gateway
		'(violat|reject|block|filter)\\w{0,5}\\b[^.]{0,60}\\b(safety system|guardrails|usage guidelines|content (moderation|polic|filter|management polic)|responsible ai|security configurations)',
		// ChatGPT and Zhipu, whose codes relays drop
		'可能违反了',
		'敏感内容',
		// OpenRouter
		'input was flagged',
		// Together, and DashScope and Volcengine Ark behind a relay
		'may contain (NSFW|inappropriate|sensitive) (content|information)',
	),
};

const WRONG_KEY: ServiceError = {
	status: 401,
	within: [200, 400, 402, 403, 500],
	// All but the first one are Google's.
	codes: /^(invalid_?api_?key|api_key_(invalid|\w+_blocked)|consumer_suspended|service_disabled)$/i,
	// xAI, Gemini, OpenVINO Model Server and Venice
	phrases: anyOf(
		'incorrect api key',
		'api key (not valid|was reported as leaked)',
		'invalid or missing api-key',
		'authentication required',
		'invalid authorization header',
		'unregistered callers',
	),
};

const UNKNOWN_MODEL: ServiceError = {
	status: 404,
	within: [200, 400, 403, 404, 422, 500, 503],
	// Azure and Volcengine Ark have names of their own for it.
	codes: /^((model|deployment)_?not_?found|unknown_model|InvalidEndpointOrModel\.NotFound)$/i,
	phrases: anyOf(
		// one-api, and new-api in English
		'无可用渠道',
		'no available channel for model',
		// aihubmix, OpenRouter and LiteLLM
		'(incorrect|valid) model ID',
		'invalid model name',
		// SiliconFlow, DashScope, Z.ai and Zhipu
		'model (\\S{1,100} )?(does )?not exist',
		'unknown model[,:.]',
		'模型不存在',
	),
};

/**
 * Qianfan's code, which also stands for a refused field `model`. LiteLLM refuses this field with 403 if the key may not use
 * the model.
 */
const INVALID_MODEL: ServiceError = {
	status: 404,
	within: [200, 400, 404, 422],
	codes: /^invalid_model$/i,
};

/** The errors of a server that has the endpoint, but not the model. */
export const MODEL_ERRORS: readonly ServiceError[] = [UNKNOWN_MODEL, INVALID_MODEL];

export const SERVICE_ERRORS: readonly ServiceError[] = [
	OUT_OF_CREDIT,
	MODERATED,
	...MODEL_ERRORS,
	WRONG_KEY,
	{ status: 429, within: [200], codes: /rate_?limit|too_?many_?requests|throttling/i },
	// LM Studio and Cloudflare
	{
		status: 404,
		within: [200, 400],
		phrases: anyOf('unexpected endpoint or method', 'no route for that URI'),
	},
];

/** The headers with which Venice says that its moderation withheld or blurred an image. */
export const FILTERED_HEADERS = ['x-venice-is-content-violation', 'x-venice-is-blurred'];

/**
 * Names within messages that count as codes: LiteLLM's kinds of errors, one after the other, and its guardrails, and the
 * codes of an error that a gateway repeats as JSON or as Python writes it.
 */
const NAMES = [
	'\\blitellm\\.\\w+',
	'violated [\\w ]{1,40} policy',
	'(?<=\\b(code|type)["\']: ?["\'])[\\w.-]+',
];

/** Finds the codes within a message. */
export const CODES_IN_MESSAGE = new RegExp(
	[...NAMES, ...SERVICE_ERRORS.flatMap(({ phrases }) => phrases?.source ?? [])].join('|'),
	'gi',
);

/** Whether a code, or a part of a message, stands for an error. */
export function matchesCode({ codes, phrases }: ServiceError, code: string): boolean {
	return [codes, phrases].some((pattern) => pattern?.test(code));
}
