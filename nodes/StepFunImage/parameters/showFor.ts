import type { Operation } from '../catalogue/models';

/**
 * The display condition of a field that belongs to one operation, and there to some models.
 *
 * @param operation the operation that shows the field
 * @param models IDs of the models that show it; without them all models do
 */
export function showFor(
	operation: Operation,
	models?: readonly string[],
): { show: Record<string, string[]> } {
	return {
		show: {
			resource: ['image'],
			operation: [operation],
			...(models ? { model: [...models] } : {}),
		},
	};
}
