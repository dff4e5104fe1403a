/** A number with its unit in the singular or the plural: `1 second`, `0.5 seconds`. */
export function quantity(count: number, unit: string): string {
	return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
