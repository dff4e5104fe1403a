import { CASES, type BenchmarkCase } from './cases.cts';
import {
	CLIENT_TITLES,
	median,
	type BenchmarkResults,
	type ClientName,
	type ClientResult,
	type RunResult,
} from './results.cts';
import { peakTarget } from './targets.cts';

interface Bar {
	client: ClientName;
	value: number;
	label: string;
	/** The client did not bring all images: its bar is no achievement. */
	failed: boolean;
}

interface Panel {
	title: string;
	subtitle: string;
	bars: Bar[];
	/** A line that the bars are to be held against. */
	mark?: { value: number; label: string };
}

const WIDTH = 1120;
const PANEL_WIDTH = 540;
const GAP = 40;
const NAMES_WIDTH = 210;
const LABELS_WIDTH = 130;
const BAR_HEIGHT = 20;
const ROW_HEIGHT = 30;
const HEAD_HEIGHT = 66;
const TOP = 56;

/** Of middling lightness, so that they can be read on white and on black: the picture has no ground of its own. */
const COLOURS = { node: '#d4572a', other: '#5b7fa6', baseline: '#8a9a5b', text: '#757d86' };

const SHORT_TITLES: Partial<Record<ClientName, string>> = {
	http: 'HTTP Request',
	'http-batched': 'HTTP Request, 5 per 1.5 s',
	'http-loop': 'HTTP Request in a loop by 5',
	'no-requests': 'no requests',
	baseline: 'bare undici client',
};

/** The benchmark as a picture: panels of bars, this node first. */
export function toSvg(results: BenchmarkResults): string {
	const panels = [
		stallPanel(results, 'stall'),
		timePanel(results, 'concurrency'),
		deliveryPanel(results, 'faults'),
		billingPanel(results, 'faults-retry'),
		memoryPanel(results, 'memory'),
		memoryPanel(results, 'edits'),
	].filter((panel) => panel !== undefined);
	let top = TOP;
	const drawn: string[] = [];
	for (let index = 0; index < panels.length; index += 2) {
		const row = panels.slice(index, index + 2);
		row.forEach((panel, column) =>
			drawn.push(
				`<g transform="translate(${column * (PANEL_WIDTH + GAP)} ${top})">${drawPanel(panel)}</g>`,
			),
		);
		top += Math.max(...row.map(panelHeight)) + 24;
	}
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-20 0 ${WIDTH + 40} ${top + 10}" font-family="Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif" font-size="14" fill="${COLOURS.text}">
<text x="0" y="30" font-size="19" font-weight="bold">Images in n8n: this node compared with the alternatives</text>
<text x="${WIDTH}" y="30" text-anchor="end">${escape(results.date)}, medians</text>
${drawn.join('\n')}
</svg>
`;
}

function stallPanel(results: BenchmarkResults, name: string): Panel | undefined {
	return makePanel(results, name, ({ items, title }, value) => ({
		title: "Longest time for which n8n's event loop is blocked",
		subtitle: title,
		bar: (result) => {
			const stallMs = value(result, (run) => run.stallMs ?? 0);
			const failed = isIncomplete(result, items, value);
			const text = `${Math.round(stallMs).toLocaleString('en')} ms`;
			return { value: stallMs, failed, label: failed ? `${text}, fails` : text };
		},
	}));
}

function timePanel(results: BenchmarkResults, name: string): Panel | undefined {
	return makePanel(results, name, ({ items, idealMs = 0, title }, value) => ({
		title: 'Time',
		subtitle: title,
		mark: { value: idealMs, label: 'ideal' },
		bar: (result) => {
			const wallMs = value(result, (run) => run.wallMs);
			const delivered = value(result, (run) => run.delivered);
			const failed = delivered < items;
			return {
				value: wallMs,
				failed,
				label: failed ? `fails, ${delivered} of ${items}` : `${(wallMs / 1000).toFixed(1)} s`,
			};
		},
	}));
}

function memoryPanel(results: BenchmarkResults, name: string): Panel | undefined {
	const target = peakTarget(name);
	return makePanel(results, name, ({ items, title }, value) => ({
		title: 'Peak memory over an empty workflow',
		subtitle: title,
		mark: target === undefined ? undefined : { value: target, label: 'target' },
		bar: (result) => {
			const peak = value(result, (run) => run.peakBytes);
			const failed = isIncomplete(result, items, value);
			const text = `${Math.round(peak / 1e6).toLocaleString('en')} MB`;
			return { value: peak, failed, label: failed ? `${text}, fails` : text };
		},
	}));
}

function deliveryPanel(results: BenchmarkResults, name: string): Panel | undefined {
	return makePanel(results, name, ({ items }, value) => ({
		title: 'Images delivered (longer is better)',
		subtitle: `${items} generations: one 500, one 429, one connection dropped, one body cut`,
		bar: (result) => {
			const delivered = value(result, (run) => run.delivered);
			const billed = value(result, (run) => run.billed);
			return {
				value: delivered,
				failed: delivered < items,
				label: `${delivered} of ${items}, ${billed} billed`,
			};
		},
	}));
}

function billingPanel(results: BenchmarkResults, name: string): Panel | undefined {
	return makePanel(results, name, ({ items, title }, value) => ({
		title: 'Images paid for',
		subtitle: title,
		mark: { value: items, label: 'wanted' },
		bar: (result) => {
			const delivered = value(result, (run) => run.delivered);
			const billed = value(result, (run) => run.billed);
			const failed = delivered < items;
			return {
				value: billed,
				failed,
				label: failed ? `${billed}, fails` : String(billed),
			};
		},
	}));
}

function isIncomplete(result: ClientResult, items: number, value: Median): boolean {
	return result.client !== 'no-requests' && value(result, (run) => run.delivered) < items;
}

type Median = (result: ClientResult, value: (run: RunResult) => number) => number;

function makePanel(
	results: BenchmarkResults,
	name: string,
	describe: (
		benchmarkCase: BenchmarkCase,
		value: Median,
	) => Omit<Panel, 'bars'> & { bar: (result: ClientResult) => Omit<Bar, 'client'> },
): Panel | undefined {
	const benchmarkCase = CASES.find((each) => each.name === name);
	const clients = results.cases[name];
	if (!benchmarkCase || !clients) return undefined;
	const { bar, ...panel } = describe(benchmarkCase, (result, value) =>
		median(result.runs.map(value)),
	);
	const order = benchmarkCase.clients.map(({ client }) => client);
	const bars = [...clients]
		.filter(({ client }) => client !== 'baseline-decoding')
		.sort((a, b) => order.indexOf(a.client) - order.indexOf(b.client))
		.map((result) => ({ client: result.client, ...bar(result) }));
	return { ...panel, bars };
}

function panelHeight({ bars }: Panel): number {
	return HEAD_HEIGHT + bars.length * ROW_HEIGHT;
}

function drawPanel(panel: Panel): string {
	const { title, subtitle, bars, mark } = panel;
	const longest = Math.max(...bars.map(({ value }) => value), mark?.value ?? 0, 1);
	const scale = (PANEL_WIDTH - NAMES_WIDTH - LABELS_WIDTH) / longest;
	const rows = bars.map((bar, index) => {
		const y = HEAD_HEIGHT + index * ROW_HEIGHT;
		const length = bar.value === 0 ? 0 : Math.max(1, bar.value * scale);
		const middle = y + BAR_HEIGHT / 2 + 4.5;
		const weight = bar.client === 'node' ? ' font-weight="bold"' : '';
		// Beside the line of the mark, should the bar end just before it.
		const markAt = (mark?.value ?? 0) * scale;
		const labelAt = markAt > length - 4 && markAt < length + 60 ? markAt : length;
		return `<text x="${NAMES_WIDTH - 10}" y="${middle}" text-anchor="end"${weight}>${escape(SHORT_TITLES[bar.client] ?? CLIENT_TITLES[bar.client])}</text>
<rect x="${NAMES_WIDTH}" y="${y}" width="${length.toFixed(1)}" height="${BAR_HEIGHT}" ${paintOf(bar)}/>
<text x="${(NAMES_WIDTH + labelAt + 7).toFixed(1)}" y="${middle}"${weight}>${escape(bar.label)}</text>`;
	});
	const line = mark ? drawMark(mark, NAMES_WIDTH + mark.value * scale, panelHeight(panel)) : '';
	return `<text x="0" y="16" font-size="15" font-weight="bold">${escape(title)}</text>
<text x="0" y="36">${escape(subtitle)}</text>
${rows.join('\n')}
${line}`;
}

function drawMark({ label }: { label: string }, x: number, bottom: number): string {
	return `<line x1="${x.toFixed(1)}" y1="${HEAD_HEIGHT - 6}" x2="${x.toFixed(1)}" y2="${bottom - 4}" stroke="${COLOURS.text}" stroke-dasharray="3 3"/>
<text x="${x.toFixed(1)}" y="${HEAD_HEIGHT - 10}" text-anchor="middle" font-size="12">${escape(label)}</text>`;
}

/** What a client did that brought no result is an outline only: its length is no achievement. */
function paintOf({ client, failed }: Bar): string {
	if (failed) return `fill="none" stroke="${COLOURS.text}" stroke-dasharray="4 3"`;
	if (client === 'node') return `fill="${COLOURS.node}"`;
	const isReference = client === 'baseline' || client === 'no-requests';
	return `fill="${isReference ? COLOURS.baseline : COLOURS.other}"`;
}

function escape(text: string): string {
	return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
