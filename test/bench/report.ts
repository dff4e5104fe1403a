import { CASES, type BenchCase } from './cases';
import {
	CLIENT_TITLES,
	median,
	type BenchmarkResults,
	type ClientResult,
	type LoadResult,
	type RunResult,
} from './results';
import { judge } from './targets';

/** The benchmark as a page: the targets first, then a table per case. */
export function toMarkdown(results: BenchmarkResults): string {
	const sections = CASES.filter(({ name }) => results.cases[name]).map((benchCase) =>
		describeCase(benchCase, results.cases[benchCase.name]),
	);
	return `# Benchmark

Measured on ${results.date} with \`${results.command}\`: ${results.machine}; ${results.versions}. Everything runs in real n8n with the packed package installed as a community package, against the local StepFun server in a process of its own. The figures behind the tables, run by run, are in [benchmark.json](benchmark.json).
${describeParts(results)}
![The benchmark as a chart](benchmark.svg)

## Targets

${targetsTable(results)}

### What is missed, and why

- **Memory of 100 images.** The node holds a few chunks of five images, never an image. But Node allocates each chunk of an answer outside of V8's heap, V8 collects that only when some 64 MB have piled up, and which moment the peak catches differs from run to run. The bare client, which only passes the chunks on, is over the target for the same reason. 20 images hardly fill those 64 MB, so that 100 take more; [running-long.md](running-long.md) shows that thousands take no more than hundreds.
- **Processor time.** The bare client sends a text that it has. For the node, n8n evaluates the prompt and the address of each item in an isolated V8, some 5 ms an item; authenticates; keeps each image as a temporary file, renames it and writes a file about it; and collects a heap of 180 MB instead of 10.
- **Memory of 20 edits.** Five input images of 20 MB stand in memory while they are sent. Read from n8n's store while they were sent, they took 99 MB in an experiment. But then the words of a server that refuses an upload before it has read it were lost at times, and the image was sent again; a test keeps that from coming back.
- **Load.** Sorting options as a language does took 9 of 13 ms and is gone. The rest is finding, reading and compiling the file, once in a start of some seconds.

${sections.join('\n\n')}
${results.load ? `\n${describeLoad(results.load)}\n` : ''}
## How it was measured

- **Wall time** runs from the execution's start to its end, as n8n's list of executions shows it. **Ideal** is what a client needs at least that knows the server's limits and has no work of its own.
- **Delivered** are the images that an execution which succeeded has in its items. An execution that fails hands nothing on, so whatever it had is lost, and billed.
- **Memory** is the highest resident memory (VmHWM) of n8n and its children from the start of the execution until it is stored, less the same figure of an empty workflow in the same process. In the memory cases every run has a fresh n8n; in the others the clients share one, so it is not given.
- **Saved** is the execution's row in n8n's SQLite database. The images themselves lie in n8n's binary store, as files.
- **Processor time** is that of n8n and its children until the execution is stored, less an empty workflow's; like memory, it is given where every run has a fresh n8n.
- **The bare client** is undici on the same Node.js, in a process of its own, which streams the answers' JSON to files; "images to files" decodes the Base64 text first. It knows the server's limits.
- Every answer carries an image of its own: n8n stores equal texts of an execution once, which would flatter clients that keep images as text.
- n8n's OpenAI node cannot edit with this API: for a model that is not OpenAI's its field for the input image is not there ("Could not get parameter binaryPropertyName"), so its execution fails before anything is sent.
- All figures are medians over the number of runs in the tables. Memory and the slow or failing clients got fewer than five, because a run of theirs takes up to a minute.
`;
}

function describeParts({ measuredAgain }: BenchmarkResults): string {
	if (measuredAgain.length === 0) return '';
	return `\n**Not one run:** ${measuredAgain.join(', ')} were measured by themselves later (\`npm run bench -- --case <name> --save\`), when the package may have been another.\n`;
}

function targetsTable(results: BenchmarkResults): string {
	const rows = judge(results).map(({ caseName, target, measured, isMet }) => {
		const title =
			CASES.find(({ name }) => name === caseName)?.title ?? "n8n's start and the package";
		return [title, target, measured, isMet ? 'met' : '**missed**'];
	});
	return table(['Case', 'Target', 'Measured', ''], rows);
}

function describeCase(benchCase: BenchCase, clients: ClientResult[]): string {
	const order = benchCase.clients.map(({ client }) => client);
	const rows = [...clients]
		.sort((a, b) => order.indexOf(a.client) - order.indexOf(b.client))
		.map((result) => describeClient(benchCase, result));
	const seconds = benchCase.idealMs / 1000;
	return `## ${benchCase.title}

Images of ${megabytes(benchCase.imageBytes)}; ideal ${seconds.toFixed(2)} s.

${table(
	[
		'Client',
		'Runs',
		'Wall',
		'To ideal',
		'Delivered',
		'Billed',
		'429s',
		'Memory over empty',
		'Saved per item',
		'Processor time per image',
	],
	rows,
)}`;
}

function describeClient(
	{ items, idealMs, measuresMemory }: BenchCase,
	{ client, runs }: ClientResult,
): string[] {
	const of = (value: (run: RunResult) => number) => median(runs.map(value));
	const wallMs = of((run) => run.wallMs);
	const delivered = of((run) => run.delivered);
	const reads = client === 'read-only';
	const hasRow = runs.every(({ savedBytes }) => savedBytes !== undefined);
	const saved = of((run) => run.savedBytes ?? 0) / items;
	const cpuMs = (of((run) => run.cpuSeconds) / items) * 1000;
	return [
		client === 'node' ? `**${CLIENT_TITLES[client]}**` : CLIENT_TITLES[client],
		String(runs.length),
		`${(wallMs / 1000).toFixed(2)} s`,
		// How fast a client fails is no measure of its speed.
		reads || delivered < items ? '–' : `${(wallMs / idealMs).toFixed(2)} ×`,
		reads ? '–' : `${delivered} of ${items}`,
		String(of((run) => run.billed)),
		String(of((run) => run.rejected429)),
		measuresMemory ? megabytes(of((run) => run.peakBytes)) : '–',
		hasRow ? `${(saved / 1000).toFixed(2)} kB` : '–',
		// Beside other clients in one n8n, its other work is as large as what is measured.
		!measuresMemory || reads || delivered < items ? '–' : `${cpuMs.toFixed(0)} ms`,
	];
}

function describeLoad({ starts, require: required, loader, tarballBytes }: LoadResult): string {
	const spread = (values: number[]) =>
		`${(median(values) / 1000).toFixed(2)} s (${(Math.min(...values) / 1000).toFixed(2)} to ${(Math.max(...values) / 1000).toFixed(2)})`;
	return `## n8n's start and the package

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
`;
}

function megabytes(bytes: number): string {
	const value = bytes / 1e6;
	const text =
		Number.isInteger(value) || Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(1);
	return `${text} MB`;
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
