import type { Sample } from './endurance.cts';

interface Line {
	name: string;
	colour: string;
	/** Of the stroke: a wide line stays visible under a narrow one. */
	strokeWidth: number;
	samples: Sample[];
}

interface Panel {
	title: string;
	unit: string;
	valueOf: (sample: Sample) => number;
}

const PANELS: Panel[] = [
	{
		title: 'Resident memory',
		unit: 'MB',
		valueOf: ({ residentBytes }) => residentBytes / 1e6,
	},
	{
		title: 'Heap and buffers',
		unit: 'MB',
		valueOf: ({ heapBytes, bufferBytes }) => (heapBytes + bufferBytes) / 1e6,
	},
	{ title: 'Open files and connections', unit: '', valueOf: ({ openFiles }) => openFiles },
];

const PANEL_WIDTH = 340;
const PLOT_HEIGHT = 200;
const GAP = 70;
const TOP = 96;
const STEPS = 4;

/** Memory and open files over the images made, as a picture: one panel each, all scales from zero. */
export function drawEndurance(node: Sample[], control: Sample[]): string {
	const lines: Line[] = [
		{ name: 'this node', colour: '#d4572a', strokeWidth: 2, samples: node },
		{
			name: 'HTTP Request + Convert to File',
			colour: '#a9bfd6',
			strokeWidth: 5,
			samples: control,
		},
	];
	const width = PANELS.length * PANEL_WIDTH + (PANELS.length - 1) * GAP;
	const height = TOP + PLOT_HEIGHT + 50;
	const total = node[node.length - 1].images.toLocaleString('en');
	const legend = lines
		.map(
			({ name, colour, strokeWidth }, index) =>
				`<line x1="${index * 130}" y1="56" x2="${index * 130 + 24}" y2="56" stroke="${colour}" stroke-width="${strokeWidth}"/>
<text x="${index * 130 + 32}" y="60">${name}</text>`,
		)
		.join('\n');
	const panels = PANELS.map(
		(panel, index) =>
			`<g transform="translate(${index * (PANEL_WIDTH + GAP)} ${TOP})">${drawPanel(panel, lines)}</g>`,
	).join('\n');
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-50 0 ${width + 80} ${height}" font-family="Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif" font-size="13" fill="#222">
<rect x="-50" y="0" width="${width + 80}" height="${height}" fill="#fff"/>
<text x="0" y="30" font-size="18" font-weight="bold">${total} images by one n8n process, its garbage collected before each sample</text>
${legend}
${panels}
</svg>
`;
}

function drawPanel({ title, unit, valueOf }: Panel, lines: Line[]): string {
	const most = Math.max(...lines.flatMap(({ samples }) => samples.map(valueOf)));
	const step = roundStep(most / STEPS);
	const top = step * Math.ceil(most / step);
	const lastImage = Math.max(
		...lines.flatMap(({ samples }) => samples.map(({ images }) => images)),
	);
	const x = (images: number) => ((images / lastImage) * PANEL_WIDTH).toFixed(1);
	const y = (value: number) => (PLOT_HEIGHT - (value / top) * PLOT_HEIGHT).toFixed(1);
	const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step);
	const grid = ticks.map(
		(value) =>
			`<line x1="0" y1="${y(value)}" x2="${PANEL_WIDTH}" y2="${y(value)}" stroke="#ddd"/>
<text x="-8" y="${Number(y(value)) + 4.5}" text-anchor="end" fill="#666">${value}</text>`,
	);
	// The first line last, so that it is on top.
	const curves = [...lines].reverse().map(({ colour, strokeWidth, samples }) => {
		const points = samples.map((sample) => `${x(sample.images)},${y(valueOf(sample))}`).join(' ');
		return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="${strokeWidth}"/>`;
	});
	return `<text x="0" y="-14" font-size="15" font-weight="bold">${title}${unit ? ` (${unit})` : ''}</text>
${grid.join('\n')}
${curves.join('\n')}
<text x="0" y="${PLOT_HEIGHT + 20}" fill="#666">0</text>
<text x="${PANEL_WIDTH}" y="${PLOT_HEIGHT + 20}" text-anchor="end" fill="#666">${lastImage.toLocaleString('en')} images</text>`;
}

/** 1, 2 or 5 times a power of ten, at least as large. */
function roundStep(value: number): number {
	const power = 10 ** Math.floor(Math.log10(value));
	return power * ([1, 2, 5].find((factor) => factor * power >= value) ?? 10);
}
