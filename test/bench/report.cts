import { CASES, type BenchmarkCase } from './cases.cts';
import {
	CLIENT_TITLES,
	median,
	type BenchmarkResults,
	type ClientResult,
	type LoadResult,
	type RunResult,
} from './results.cts';
import { judge } from './targets.cts';

const LOAD_TITLE = "n8n's start and the package";

/** The benchmark as a page: the chart and the targets, then a table and a paragraph for each case. */
export function toMarkdown(results: BenchmarkResults): string {
	const sections = CASES.filter(({ name }) => results.cases[name]).map((benchmarkCase) =>
		describeCase(benchmarkCase, results.cases[benchmarkCase.name]),
	);
	if (results.load) sections.push(describeLoad(results.load));
	return `# Benchmark

![The benchmark as a chart](benchmark.svg)

## Targets

${targetsTable(results)}

Measured on ${results.date} with \`${results.command}\`: ${results.machine}; ${results.versions}. Every client except the bare one runs in a real n8n, with the packed package installed as a community package, against the StepFun test server in a separate process. The figures of every run are in [benchmark.json](benchmark.json).
${describeParts(results)}
${sections.join('\n\n')}

## How it was measured

- **All figures are medians** over the number of runs in the tables. The clients of a case take turns. Before each measurement, the client has run two items in the same n8n, so that loading its code does not count.
- **Wall time** runs from the start of the execution to its end, as n8n's list of executions shows it. **Ideal** is the shortest possible time of a client that knows the server's limits and does no other work.
- **Longest stall** is the longest time for which n8n's event loop was blocked, from the start of the execution until it is stored. It is measured inside n8n's process, with Node.js's \`monitorEventLoopDelay\` at a resolution of 5 ms, which is also its smallest figure.
- **Delivered** counts the images in the items of an execution that succeeded. A failed execution passes nothing on, so its images are lost, but billed.
- **Memory** is the highest resident memory (VmHWM) of n8n and its children from the start of the execution until it is stored, minus that of an empty workflow in the same process. A negative figure means that the case peaked below the empty workflow: the difference is within the noise of the measurement. **Processor time** is measured in the same way. Both are available only for cases in which every run has its own n8n.
- **Saved** is the execution's row in n8n's SQLite database. The images are files in n8n's binary store.
- **The bare client** is undici on the same Node.js, in a separate process. It streams the JSON of the responses to files; "images to files" decodes the Base64 text first. It knows the server's limits.
- **Every response contains a different image.** n8n stores equal texts of an execution once, which would favor clients that keep images as text.
`;
}

function describeParts({ measuredAgain }: BenchmarkResults): string {
	if (measuredAgain.length === 0) return '';
	const names = new Intl.ListFormat('en').format(measuredAgain.map((name) => `*${name}*`));
	const isOne = measuredAgain.length === 1;
	return `\n${isOne ? `The case ${names} comes` : `The cases ${names} come`} from a later run, possibly of a newer build.\n`;
}

function targetsTable(results: BenchmarkResults): string {
	const rows = judge(results).map(({ caseName, target, measured, isMet }) => {
		const title = CASES.find(({ name }) => name === caseName)?.title ?? LOAD_TITLE;
		return [title, target, measured, isMet ? 'met' : '**missed**'];
	});
	return table(['Case', 'Target', 'Measured', ''], rows);
}

function describeCase(benchmarkCase: BenchmarkCase, clients: ClientResult[]): string {
	const { title, explanation, image, idealMs } = benchmarkCase;
	const order = benchmarkCase.clients.map(({ client }) => client);
	const rows = [...clients]
		.sort((a, b) => order.indexOf(a.client) - order.indexOf(b.client))
		.map((result) => describeClient(benchmarkCase, result));
	const ideal = idealMs === undefined ? '' : `; the ideal time is ${(idealMs / 1000).toFixed(2)} s`;
	return `## ${title}

${table(
	[
		'Client',
		'Runs',
		'Wall',
		'To ideal',
		'Longest stall',
		'Delivered',
		'Billed',
		'429s',
		'Memory over empty',
		'Saved per item',
		'Processor time per item',
	],
	rows,
)}

${explanation} Images of ${size(image.bytes)}${ideal}.`;
}

function describeClient(
	{ items, idealMs, freshN8n }: BenchmarkCase,
	{ client, runs }: ClientResult,
): string[] {
	const of = (value: (run: RunResult) => number) => median(runs.map(value));
	const ofKnown = (value: (run: RunResult) => number | undefined) => {
		const known = runs.map(value).filter((each) => each !== undefined);
		return known.length > 0 ? median(known) : undefined;
	};
	const wallMs = of((run) => run.wallMs);
	const delivered = of((run) => run.delivered);
	const stallMs = ofKnown((run) => run.stallMs);
	const saved = ofKnown((run) => run.savedBytes);
	const cpuMs = (of((run) => run.cpuSeconds) / items) * 1000;
	const fetches = client !== 'no-requests';
	// How fast, or with what effort, a client fails is no measure of it.
	const isComparable = fetches && delivered >= items;
	return [
		client === 'node' ? `**${CLIENT_TITLES[client]}**` : CLIENT_TITLES[client],
		String(runs.length),
		`${(wallMs / 1000).toFixed(2)} s`,
		isComparable && idealMs !== undefined ? `${(wallMs / idealMs).toFixed(2)} ×` : '–',
		stallMs === undefined ? '–' : `${Math.round(stallMs).toLocaleString('en')} ms`,
		fetches ? `${delivered} of ${items}` : '–',
		String(of((run) => run.billed)),
		String(of((run) => run.rejected429)),
		freshN8n ? size(of((run) => run.peakBytes)) : '–',
		saved === undefined ? '–' : `${(saved / items / 1000).toFixed(2)} kB`,
		freshN8n && isComparable ? `${cpuMs.toFixed(1)} ms` : '–',
	];
}

function describeLoad({ starts, require: required, loader, tarballBytes }: LoadResult): string {
	const spread = (values: number[]) =>
		`${(median(values) / 1000).toFixed(2)} s (${(Math.min(...values) / 1000).toFixed(2)} to ${(Math.max(...values) / 1000).toFixed(2)})`;
	return `## ${LOAD_TITLE}

${table(
	['', 'Median'],
	[
		[
			`n8n's start to its list of nodes with the package, ${starts.with.length} starts`,
			spread(starts.with),
		],
		[`the same without, ${starts.without.length} starts`, spread(starts.without)],
		[
			`reading the package in n8n's loader, ${loader.length} processes`,
			`${median(loader).toFixed(1)} ms`,
		],
		[
			`\`require()\` of the node's file, ${required.length} processes`,
			`${median(required).toFixed(1)} ms`,
		],
		['tarball', `${(tarballBytes / 1000).toFixed(1)} kB`],
	],
)}

n8n loads the package once, when it starts. A start takes several seconds, and the starts differ by more than the package adds. The loading is therefore also measured separately, in new processes that have already loaded n8n-core.`;
}

/** Kilobytes or megabytes, without decimals that say nothing. */
function size(bytes: number): string {
	if (bytes > 0 && bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
	const value = bytes / 1e6;
	const decimals = Number.isInteger(value) || Math.abs(value) >= 10 ? 0 : 1;
	return `${value.toFixed(decimals)} MB`;
}

/** Padded as prettier pads tables. */
function table(head: string[], rows: string[][]): string {
	const widths = head.map((_, column) =>
		Math.max(3, ...[head, ...rows].map((row) => row[column].length)),
	);
	const line = (cells: string[]) =>
		`| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
	const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
	return [line(head), rule, ...rows.map(line)].join('\n');
}
