import type { RequestFailure } from '../errors/requestFailure';
import { rateLimiterFor } from '../transport/rateLimiter';
import type { ImageTask } from './runState';

/** n8n shows nothing of a node before it has finished, so its debug log is the only way to follow a long run. */
export function log({ item, request }: ImageTask, what: string, details: object): void {
	item.functions.logger.debug(`StepFun Image: ${what}`, {
		itemIndex: item.itemIndex,
		variation: request.variation,
		...details,
	});
}

/** Logs a failed try. `delayMs` is the wait before the next one, `undefined` if there is none. */
export function logFailure(
	task: ImageTask,
	{ kind, details }: RequestFailure,
	tries: number,
	delayMs: number | undefined,
): void {
	const { accountId, redactor } = task.request.credential;
	log(task, 'a request failed', {
		failure: kind,
		status: details.status,
		traceId: details.traceId && redactor.text(details.traceId),
		tries,
		// After a 429 the rate limiter waits, for `Retry-After` if the service sent it.
		nextTryInMs: delayMs === undefined ? 'none' : Math.round(details.retryAfterMs ?? delayMs),
		concurrentRequests: rateLimiterFor(accountId).currentConcurrency(),
	});
}
