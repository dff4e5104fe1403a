import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { readArguments, usageError } from '../kit/readArguments.cts';
import { withCleanUp, type CleanUp } from '../n8n/cleanUp.cts';
import { installN8n, type N8nInstallation } from '../n8n/install.cts';
import { packPackage } from '../package/pack.cts';
import { CASES } from './cases.cts';
import { toSvg } from './chart.cts';
import type { BenchmarkContext } from './context.cts';
import { measureLoad } from './load.cts';
import { toMarkdown } from './report.cts';
import { CLIENT_TITLES, type BenchmarkResults, type ClientName } from './results.cts';
import { createCaseRunner } from './runCase.cts';
import { forkServer } from './server.cts';

const run = promisify(execFile);

const DOCS = resolve(__dirname, '../../docs');
const LOAD_CASE = 'load';
const ALL_CASES = [...CASES.map(({ name }) => name), LOAD_CASE];

const USAGE = `Usage: npm run bench -- [options]

  --only CASES      measure these cases, separated by commas (default: all)
  --client CLIENTS  measure these clients, separated by commas (default: all)
  --runs N          runs of each client (default: as each case says)
  --save            save the figures of a part of the benchmark in docs/, as those of all of it are
  --output FOLDER   save the figures, the page and the chart in this folder
  --render          only regenerate the page and the chart from the saved figures

Cases: ${ALL_CASES.join(', ')}
Clients: ${Object.keys(CLIENT_TITLES).join(', ')}
`;

interface Options {
	cases: string[];
	clients?: ClientName[];
	runs?: number;
	/** Where the figures, the page and the chart go; without it they are only printed. */
	output?: string;
	/** Regenerates the page and the chart from the saved figures. */
	render: boolean;
}

function readOptions(): Options | undefined {
	const values = readArguments(USAGE, {
		only: { type: 'string' },
		client: { type: 'string' },
		runs: { type: 'string' },
		save: { type: 'boolean' },
		output: { type: 'string' },
		render: { type: 'boolean' },
	});
	if (!values) return undefined;
	const choose = (list: string | undefined, known: string[], what: string) => {
		const chosen = list?.split(',');
		const unknown = chosen?.find((name) => !known.includes(name));
		if (unknown !== undefined) throw usageError(`There is no ${what} '${unknown}'`, USAGE);
		return chosen;
	};
	const runs = values.runs === undefined ? undefined : Number(values.runs);
	if (runs !== undefined && !(runs >= 1)) throw usageError('--runs takes a number from 1', USAGE);
	const cases = choose(values.only, ALL_CASES, 'case');
	const clients = choose(values.client, Object.keys(CLIENT_TITLES), 'client');
	const isWhole = !cases && !clients && !runs;
	const saves = values.save ?? (isWhole || values.render);
	return {
		cases: cases ?? ALL_CASES,
		clients: clients as ClientName[] | undefined,
		runs,
		output: values.output ?? (saves ? DOCS : undefined),
		render: values.render ?? false,
	};
}

async function bundle(script: string, folder: string): Promise<string> {
	const outfile = join(folder, `${script}.cjs`);
	await build({
		entryPoints: [join(__dirname, `${script}.cts`)],
		outfile,
		bundle: true,
		platform: 'node',
		format: 'cjs',
		target: 'node24',
		logLevel: 'warning',
	});
	return outfile;
}

async function describeSetting(installation: N8nInstallation) {
	const { stdout: nodeVersion } = await run(installation.nodeBinary, ['--version']);
	const n8nPackage = join(installation.folder, 'node_modules/n8n/package.json');
	const { version } = JSON.parse(await readFile(n8nPackage, 'utf8')) as { version: string };
	const gigabytes = Math.round(totalmem() / 1024 ** 3);
	const kernel = /^\d+\.\d+/.exec(release())?.[0] ?? '';
	return {
		date: new Date().toISOString().slice(0, 10),
		machine: `${cpus().length} cores (${cpus()[0].model.trim()}), ${gigabytes} GB of memory, Linux ${kernel}`,
		versions: `n8n ${version} on Node.js ${nodeVersion.trim()}, SQLite, binary data in the file system`,
	};
}

async function readResults(folder: string): Promise<BenchmarkResults | undefined> {
	const text = await readFile(join(folder, 'benchmark.json'), 'utf8').catch(() => undefined);
	return text === undefined ? undefined : (JSON.parse(text) as BenchmarkResults);
}

async function render(results: BenchmarkResults, folder: string): Promise<void> {
	await writeFile(join(folder, 'benchmark.md'), toMarkdown(results));
	await writeFile(join(folder, 'benchmark.svg'), toSvg(results));
}

/** What the results say that a run of these options starts with. */
async function startResults(
	{ cases, clients, output }: Options,
	installation: N8nInstallation,
): Promise<BenchmarkResults> {
	const isWhole = cases.length === ALL_CASES.length && !clients;
	const before = isWhole || !output ? undefined : await readResults(output);
	return {
		...before,
		...(await describeSetting(installation)),
		command: 'npm run bench',
		measuredAgain: before ? [...new Set([...before.measuredAgain, ...cases])] : [],
		cases: before?.cases ?? {},
	};
}

async function prepare(log: BenchmarkContext['log'], cleanUp: CleanUp): Promise<BenchmarkContext> {
	const installation = await installN8n(log);
	const folder = await mkdtemp(join(tmpdir(), 'stepfun-image-bench-'));
	cleanUp(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
	const inputFolder = join(folder, 'inputs');
	await mkdir(inputFolder);
	const tarball = await packPackage(folder);
	const scripts = {
		bareClient: await bundle('bareClient', folder),
		storedExecution: await bundle('storedExecution', folder),
		eventLoopMonitor: await bundle('eventLoopMonitor', folder),
	};
	const server = forkServer();
	cleanUp(() => server.stop());
	return { installation, tarball, folder, inputFolder, server, scripts, log };
}

async function measure(options: Options, cleanUp: CleanUp): Promise<void> {
	const startedAt = Date.now();
	const log = (line: string) =>
		console.log(`[${String(Math.round((Date.now() - startedAt) / 1000)).padStart(4)} s] ${line}`);
	const context = await prepare(log, cleanUp);
	const results = await startResults(options, context.installation);
	// After each run, so that nothing is lost when the benchmark is stopped.
	const save = async () => {
		if (!options.output) return;
		await mkdir(options.output, { recursive: true });
		const json = `${JSON.stringify(results, null, 2)}\n`;
		await writeFile(join(options.output, 'benchmark.json'), json);
		await render(results, options.output);
	};
	const runner = createCaseRunner(context);
	cleanUp(() => runner.stop());
	for (const benchmarkCase of CASES.filter(({ name }) => options.cases.includes(name))) {
		await runner.run(benchmarkCase, options, async (result) => {
			const others = (results.cases[benchmarkCase.name] ?? []).filter(
				({ client }) => client !== result.client,
			);
			results.cases[benchmarkCase.name] = [...others, result];
			await save();
		});
	}
	await runner.stop();
	if (options.cases.includes(LOAD_CASE)) {
		log("load: n8n's start, the package's load and size");
		results.load = await measureLoad({ ...context, starts: options.runs ?? 3, loads: 15 });
		await save();
	}
	console.log(toMarkdown(results));
	log('done');
}

async function main(): Promise<void> {
	const options = readOptions();
	if (!options) return;
	if (!options.render) return await withCleanUp((cleanUp) => measure(options, cleanUp));
	const results = await readResults(DOCS);
	if (!results) throw new Error('There are no figures yet.');
	await render(results, options.output ?? DOCS);
}

main().catch((error: Error) => {
	console.error(`\nThe benchmark failed. ${error.message}`);
	process.exitCode = 1;
});
