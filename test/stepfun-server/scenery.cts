import { seededRandom } from './randomNumbers.cts';
import type { Pixels } from './specification.cts';

/** Sky top, sky bottom, sun, then the hills from far to near. */
const PALETTES = [
	['#2b3a67', '#f2a65a', '#ffe5b4', '#b5596b', '#7a3b69', '#43295a', '#21183c'],
	['#6ec3e0', '#f7e7ce', '#fff8dc', '#a8d5ba', '#6fae8f', '#3d7d6b', '#1f4e4a'],
	['#0f2044', '#3f6fb0', '#e8f1ff', '#375a96', '#26437a', '#182e5c', '#0c1a3a'],
	['#f6d2a8', '#f08a6c', '#fff1d6', '#d9626b', '#a8456b', '#6b2f5f', '#381f45'],
	['#b8d8f0', '#f4f1ea', '#ffd98a', '#c4c9d8', '#8f9fbe', '#5b6f98', '#33456b'],
	['#123c3a', '#8fc9a4', '#fdf6d0', '#4f9b83', '#2f7569', '#1a504d', '#0d302f'],
];

/** An SVG landscape: sky, sun and four rows of hills that follow from the seed. */
export function landscape({ width, height }: Pixels, seed: number): string {
	const random = seededRandom(seed);
	const [top, bottom, sun, ...hills] = PALETTES[Math.floor(random() * PALETTES.length)];
	const short = Math.min(width, height);
	const sunX = Math.round(width * (0.2 + 0.6 * random()));
	const sunY = Math.round(height * (0.16 + 0.16 * random()));
	const sunRadius = Math.round(short * (0.07 + 0.06 * random()));
	const rows = hills.map((colour, row) => {
		const base = height * (0.42 + 0.13 * row);
		return `<path fill="${colour}" d="${hillPath({ width, height }, base, short * 0.08, random)}"/>`;
	});
	return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
<stop offset="0" stop-color="${top}"/><stop offset="0.75" stop-color="${bottom}"/>
</linearGradient></defs>
<rect width="100%" height="100%" fill="url(#sky)"/>
<circle cx="${sunX}" cy="${sunY}" r="${Math.round(sunRadius * 1.9)}" fill="${sun}" opacity="0.25"/>
<circle cx="${sunX}" cy="${sunY}" r="${sunRadius}" fill="${sun}"/>
${rows.join('\n')}
</svg>`;
}

function hillPath(
	{ width, height }: Pixels,
	base: number,
	swing: number,
	random: () => number,
): string {
	const [phase, bends, tilt] = [random() * 6.28, 1 + random() * 1.6, random() * 6.28];
	const points: string[] = [];
	for (let part = 0; part <= 120; part++) {
		const along = part / 120;
		const wave =
			Math.sin(phase + along * bends * 6.28) + 0.4 * Math.sin(tilt + along * bends * 15.1);
		points.push(`${(along * width).toFixed(1)},${(base + wave * swing).toFixed(1)}`);
	}
	return `M0,${height} L${points.join(' ')} L${width},${height} Z`;
}
