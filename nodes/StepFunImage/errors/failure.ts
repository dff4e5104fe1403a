/** How a request went wrong, before it becomes a message for a person. */
export type Failure = {
	/** What StepFun's support asks for. */
	traceId?: string;
	/** The ID of the answer, where there was one. */
	id?: string;
	/** How often the request was sent. */
	tries?: number;
} & (
	| {
			kind: 'status';
			status: number;
			/** The service's own words, or what could be read of them. */
			text: string;
			retryAfterMs?: number;
			/** Where the server wanted to send the request instead. */
			location?: string;
	  }
	| {
			kind: 'connection';
			code?: string;
			text: string;
			/** The next try would end in the same way. */
			lasting?: boolean;
	  }
	/** n8n's protection of the internal network did not let the request out. */
	| { kind: 'blocked'; text: string }
	| { kind: 'timeout'; seconds: number }
	/** The answer broke off: it was made, and charged, and did not arrive. */
	| { kind: 'cutOff'; text: string }
	| { kind: 'notJson'; text: string }
	/** JSON, but no account. */
	| { kind: 'noBalance'; text: string }
	| { kind: 'noImage'; text: string }
	| { kind: 'filtered'; seed?: number }
	| { kind: 'notAnImage'; text: string; url?: string }
	| { kind: 'tooLarge'; text: string }
	/** The image exists at this address, but could not be fetched. */
	| { kind: 'download'; url: string; reason: Failure }
	/** The image to edit could not be fetched; nothing was sent to the service. */
	| { kind: 'inputDownload'; url: string; reason: Failure }
	/** n8n could not keep the image that arrived. */
	| { kind: 'storage'; text: string }
);

type FailureError = Error & { failure: Failure };

/** An error that carries a failure up to the transport. */
export function failureError(failure: Failure): FailureError {
	return Object.assign(new Error(failure.kind), { failure });
}

/**
 * The failure that an error carries, or `undefined` when it is an error of another sort.
 */
export function failureOf(error: unknown): Failure | undefined {
	return error instanceof Error && 'failure' in error ? (error as FailureError).failure : undefined;
}
