/** Defaults that the node's Options and the credential can override. */

/** Limits on a request, and on all requests for one image. */
export const RETRY_DEFAULTS = {
	/** How long the service may send nothing. An image takes 1 to 30 seconds, and an upload adds to that. */
	timeoutSeconds: 120,
	/** Tries of one request, including the first. */
	maxTries: 5,
	/** Time from the first request for an image until the node gives up. */
	giveUpAfterSeconds: 600,
};

/** StepFun's lowest tier allows 5 requests at once. Its limit per minute differs by platform; 0 stands for none. */
export const ACCOUNT_DEFAULTS = { concurrentRequests: 5, requestsPerMinute: 0 };

/** Each image is a separate, charged request. The limit protects against typing errors. */
export const MAX_IMAGES_PER_INPUT = 20;

/** The highest value of 'Max Tries' that the panel accepts. */
export const MAX_TRIES_LIMIT = 20;

/** The default binary field for images, also for those that arrive as files although the user asked for links. */
export const FALLBACK_FIELD = 'data';

export const DEFAULT_LINK_LIFETIME = '1 day';

/** How long a link that n8n serves stays valid. The values use the syntax of n8n's helper. */
export const LINK_LIFETIMES = [
	{ name: '1 Hour', value: '1 hour' },
	{ name: '1 Day', value: DEFAULT_LINK_LIFETIME },
	{ name: '7 Days', value: '7 days' },
	{ name: '30 Days', value: '30 days' },
] as const;
