import type { PlannedResponse } from './types.cts';

/** A refusal. A check may throw it: it is then sent like one that is returned. */
export class Refusal extends Error implements PlannedResponse {
	constructor(
		readonly status: number,
		readonly body: unknown,
		readonly headers: Record<string, string> = {},
	) {
		super(`refused with ${status}`);
	}
}

/** A success. */
export function ok(body: unknown, headers: Record<string, string> = {}): PlannedResponse {
	return { status: 200, body, headers };
}

/** A list with one model, in OpenAI's form. */
export function modelList(model: object): PlannedResponse {
	return ok({ object: 'list', data: [model] });
}
