/** How long a request, and an item, may take unless its Options say otherwise. */
export const DEFAULT_PATIENCE = {
	/** From sending a request to the last byte of its answer. Images take 1 to 30 seconds, uploads add to that. */
	timeoutSeconds: 120,
	/** Sendings of one request, the first included. */
	maxTries: 5,
	/** From an item's first request to giving up on it. */
	giveUpAfterSeconds: 600,
};

export interface Patience {
	timeoutMs: number;
	maxTries: number;
	giveUpAfterMs: number;
}
