import type { Operation } from '../catalogue/models';

/**
 * The display condition of a field that belongs to one operation or several, and there to some models.
 *
 * @param operations what shows the field
 * @param models IDs of the models that show it; without them all models do
 */
export function showFor(
	operations: Operation | readonly Operation[],
	models?: readonly string[],
): { show: Record<string, string[]> } {
	return {
		show: {
			resource: ['image'],
			operation: [operations].flat(),
			...(models ? { model: [...models] } : {}),
		},
	};
}
