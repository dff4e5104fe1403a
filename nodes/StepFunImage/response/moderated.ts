import type { Failure } from '../errors/failure';
import type { ImageRequest } from '../request/prepareRequest';
import type { Result } from './item';

/** The status of a prompt or an image that moderation refused before an image was made. */
const REFUSED = 451;

/** Whether moderation stopped the request, before an image was made or after. */
export function isModerated(failure: Failure): boolean {
	return failure.kind === 'filtered' || (failure.kind === 'status' && failure.status === REFUSED);
}

/**
 * What a moderated request puts into an item, so that the workflow can branch on `finishReason`:
 * `content_filtered` when an image was made and held back, `refused` when none was made.
 *
 * @param request what was asked for
 * @param failure the service's answer
 */
export function toModeratedResult(request: ImageRequest, failure: Failure): Result {
	const made = failure.kind === 'filtered';
	return {
		json: {
			model: request.model,
			seed: made ? (failure.seed ?? null) : null,
			finishReason: made ? 'content_filtered' : 'refused',
			moderation: failure.kind === 'status' ? failure.text : null,
			charged: made,
			id: failure.id ?? null,
			traceId: failure.traceId ?? null,
			tries: failure.tries ?? 1,
		},
	};
}
