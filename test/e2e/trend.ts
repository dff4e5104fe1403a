/** The value in the middle. */
export function median(values: number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	const middle = Math.floor(sorted.length / 2);
	return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * How much y grows with each x: the median of the slopes between all pairs of points (Theil and Sen). Unlike a least
 * squares line it stays where it is when a few points lie far off.
 */
export function slopeOf(points: Array<{ x: number; y: number }>): number {
	const slopes: number[] = [];
	for (const [index, from] of points.entries()) {
		for (const to of points.slice(index + 1)) slopes.push((to.y - from.y) / (to.x - from.x));
	}
	return median(slopes);
}
