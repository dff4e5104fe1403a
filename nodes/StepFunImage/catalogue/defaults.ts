/** What holds unless the node's Options or the credential say otherwise; the descriptions and the checks read it here. */

/** How long a request, and an image, may take. */
export const RETRY_DEFAULTS = {
	/** Without a byte from the service. Images take 1 to 30 seconds, uploads add to that. */
	timeoutSeconds: 120,
	/** Sendings of one request, the first included. */
	maxTries: 5,
	/** From an image's first request to giving up on it. */
	giveUpAfterSeconds: 600,
};

/** StepFun's lowest tier: 5 requests at once; its requests per minute differ by platform, so none are assumed. */
export const ACCOUNT_DEFAULTS = { concurrentRequests: 5, requestsPerMinute: 0 };

/** Each image is a request of its own; this guards against a slip of the finger. */
export const MAX_IMAGES_PER_INPUT = 20;

/** The most that 'Max Tries' takes. */
export const MAX_TRIES_LIMIT = 20;

/** The binary field that images go into, and where images go that nobody asked to have as a file. */
export const FALLBACK_FIELD = 'data';

export const DEFAULT_LINK_LIFETIME = '1 day';

/** How long a link that n8n serves opens: the words of n8n's own helper, and what people read. */
export const LINK_LIFETIMES = [
	{ name: '1 Hour', value: '1 hour' },
	{ name: '1 Day', value: DEFAULT_LINK_LIFETIME },
	{ name: '7 Days', value: '7 days' },
	{ name: '30 Days', value: '30 days' },
] as const;
