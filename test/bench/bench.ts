import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { build } from 'esbuild';
import sharp from 'sharp';
import { installN8n, type N8nInstallation } from '../n8n/install';
import { packPackage } from '../package/pack';
import { padImage } from '../stepfun-server/image-padding';
import { LOCAL_API_KEY } from '../stepfun-server/server';
import { CASES, type BenchCase } from './cases';
import { measureLoad } from './load';
import { startMeasuredN8n, type MeasuredN8n, type N8nSetup } from './n8n-runs';
import {
	CLIENT_TITLES,
	type BenchmarkResults,
	type ClientName,
	type ClientResult,
	type RunResult,
} from './results';
import { toMarkdown } from './report';
import { toSvg } from './chart';
import { forkServer, type ServerProcess } from './server';
import { makeWorkflow } from './workflows';

const run = promisify(execFile);

const DOCS = resolve(__dirname, '../../docs');
const RESULTS_FILE = join(DOCS, 'benchmark.json');
const LOAD_CASE = 'load';

interface Options {
	cases: string[];
	only?: ClientName;
	runs?: number;
	save: boolean;
	/** Writes the page and the chart anew from the figures that are there. */
	render: boolean;
}

/** Everything the runs share. */
interface Bench {
	installation: N8nInstallation;
	tarball: string;
	folder: string;
	inputFolder: string;
	server: ServerProcess;
	bareClient: string;
	probe: string;
	log: (line: string) => void;
	/** The n8n of the cases in which memory does not count. */
	sharedN8n?: MeasuredN8n;
}

function readOptions(): Options {
	const { values } = parseArgs({
		options: {
			case: { type: 'string', multiple: true },
			only: { type: 'string' },
			runs: { type: 'string' },
			save: { type: 'boolean' },
			render: { type: 'boolean' },
		},
	});
	const known = [...CASES.map(({ name }) => name), LOAD_CASE];
	const cases = values.case ?? known;
	const unknown = cases.find((name) => !known.includes(name));
	if (unknown) throw new Error(`There is no case '${unknown}'. Cases: ${known.join(', ')}`);
	if (values.only && !(values.only in CLIENT_TITLES)) {
		throw new Error(`Clients: ${Object.keys(CLIENT_TITLES).join(', ')}`);
	}
	const isWhole = !values.case && !values.only && !values.runs;
	return {
		cases,
		only: values.only as ClientName | undefined,
		runs: values.runs === undefined ? undefined : Number(values.runs),
		save: values.save ?? isWhole,
		render: values.render ?? false,
	};
}

async function bundle(script: string, folder: string): Promise<string> {
	const outfile = join(folder, `${script}.cjs`);
	await build({
		entryPoints: [join(__dirname, `${script}.ts`)],
		outfile,
		bundle: true,
		platform: 'node',
		format: 'cjs',
		target: 'node24',
		logLevel: 'warning',
	});
	return outfile;
}

async function makeInputs(folder: string, { items, inputBytes }: BenchCase): Promise<string[]> {
	const canvas = { width: 1024, height: 1024, channels: 3 as const, background: '#c04020' };
	const picture = await sharp({ create: canvas }).png().toBuffer();
	const bytes = padImage(picture, 'png', inputBytes ?? 0);
	const files = Array.from({ length: items }, (_, index) => join(folder, `input-${index + 1}.png`));
	for (const file of files) await writeFile(file, bytes);
	return files;
}

async function runBareClient(bench: Bench, benchCase: BenchCase, url: string, decode: boolean) {
	const folder = await mkdtemp(join(bench.folder, 'answers-'));
	const inputs = benchCase.inputBytes ? await makeInputs(bench.inputFolder, benchCase) : [];
	const { items, floor } = benchCase;
	const job = { url, apiKey: LOCAL_API_KEY, items, folder, decode, inputs, ...floor };
	const { stdout } = await run(bench.installation.nodeBinary, [
		bench.bareClient,
		JSON.stringify(job),
	]);
	await rm(folder, { recursive: true });
	const result = JSON.parse(stdout) as Omit<RunResult, 'status'>;
	return { status: 'success', ...result };
}

async function startN8nFor(bench: Bench): Promise<MeasuredN8n> {
	const { installation, tarball, probe, inputFolder } = bench;
	const userFolder = await mkdtemp(join(bench.folder, 'n8n-'));
	const setup: N8nSetup = { installation, tarball, probe, inputFolder, userFolder };
	const n8n = await startMeasuredN8n(setup);
	return {
		...n8n,
		async stop() {
			await n8n.stop();
			await rm(userFolder, { recursive: true, force: true, maxRetries: 3 });
		},
	};
}

async function runInN8n(
	bench: Bench,
	benchCase: BenchCase,
	client: Exclude<ClientName, 'floor' | 'floor-decoding'>,
	url: string,
) {
	if (benchCase.inputBytes) await makeInputs(bench.inputFolder, benchCase);
	const n8n = benchCase.measuresMemory
		? await startN8nFor(bench)
		: (bench.sharedN8n ??= await startN8nFor(bench));
	try {
		const service = await n8n.connect(url);
		const inputPattern = join(bench.inputFolder, '*.png');
		const workflow = makeWorkflow(client, benchCase, service, inputPattern);
		return await n8n.run(workflow, benchCase.inputBytes ? benchCase.items : 0);
	} finally {
		if (benchCase.measuresMemory) await n8n.stop();
	}
}

async function runCase(
	bench: Bench,
	benchCase: BenchCase,
	options: Options,
	keep: (result: ClientResult) => Promise<void>,
): Promise<void> {
	bench.log(benchCase.title);
	for (const { client, runs } of benchCase.clients) {
		if (options.only && client !== options.only) continue;
		const results: RunResult[] = [];
		for (let count = 0; count < (options.runs ?? runs); count++) {
			// A server of its own port each time: what a client learnt of one account must not help the next run.
			const url = await bench.server.start({
				...benchCase.server,
				image: { bytes: benchCase.imageBytes },
			});
			const measured =
				client === 'floor' || client === 'floor-decoding'
					? await runBareClient(bench, benchCase, url, client === 'floor-decoding')
					: await runInN8n(bench, benchCase, client, url);
			const result: RunResult = { ...measured, ...(await bench.server.counts()) };
			results.push(result);
			bench.log(`  ${client}: ${describeRun(result)}`);
			await keep({ client, runs: results });
		}
	}
}

function describeRun(result: RunResult): string {
	const { status, wallMs, delivered, billed, rejected429, maxInFlight } = result;
	const memory = `${Math.round(result.peakBytes / 1e6)} MB`;
	const saved = result.savedBytes === undefined ? '' : `, saved ${result.savedBytes} bytes`;
	return (
		`${status}, ${Math.round(wallMs)} ms, ${delivered} delivered, ${billed} billed, ${rejected429} times 429, ` +
		`${maxInFlight} at once, peak +${memory}${saved}, cpu ${result.cpuSeconds.toFixed(2)} s`
	);
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

async function readResults(): Promise<Partial<BenchmarkResults>> {
	try {
		return JSON.parse(await readFile(RESULTS_FILE, 'utf8')) as BenchmarkResults;
	} catch {
		return {};
	}
}

async function render(results: BenchmarkResults): Promise<void> {
	await writeFile(join(DOCS, 'benchmark.md'), toMarkdown(results));
	await writeFile(join(DOCS, 'benchmark.svg'), toSvg(results));
}

async function main(): Promise<void> {
	const options = readOptions();
	if (options.render) return await render((await readResults()) as BenchmarkResults);
	const startedAt = Date.now();
	const log = (line: string) =>
		console.log(`[${String(Math.round((Date.now() - startedAt) / 1000)).padStart(4)} s] ${line}`);
	const folder = await mkdtemp(join(tmpdir(), 'stepfun-image-bench-'));
	const server = forkServer();
	const bench: Bench = {
		installation: await installN8n(log),
		tarball: await packPackage(folder),
		folder,
		inputFolder: join(folder, 'inputs'),
		server,
		bareClient: await bundle('bare-client', folder),
		probe: await bundle('database-probe', folder),
		log,
	};
	await mkdir(bench.inputFolder);
	const isWhole = options.cases.length === CASES.length + 1 && !options.only;
	const before = isWhole ? {} : await readResults();
	const results: BenchmarkResults = {
		...before,
		...(await describeSetting(bench.installation)),
		command: 'npm run bench',
		measuredAgain: isWhole ? [] : [...new Set([...(before.measuredAgain ?? []), ...options.cases])],
		cases: before.cases ?? {},
	};
	// After each run, so that nothing is lost when the benchmark is stopped.
	const save = async () => {
		if (!options.save) return;
		await mkdir(DOCS, { recursive: true });
		await writeFile(RESULTS_FILE, `${JSON.stringify(results, null, 2)}\n`);
		await render(results);
	};
	try {
		for (const benchCase of CASES.filter(({ name }) => options.cases.includes(name))) {
			await runCase(bench, benchCase, options, async (result) => {
				const others = (results.cases[benchCase.name] ?? []).filter(
					({ client }) => client !== result.client,
				);
				results.cases[benchCase.name] = [...others, result];
				await save();
			});
		}
		await bench.sharedN8n?.stop();
		bench.sharedN8n = undefined;
		if (options.cases.includes(LOAD_CASE)) {
			log("n8n's start, the package's load and size");
			const starts = options.runs ?? 3;
			const { installation, tarball } = bench;
			results.load = await measureLoad({ installation, tarball, folder, starts, loads: 15 });
			console.log(JSON.stringify(results.load));
			await save();
		}
		console.log(toMarkdown(results));
	} finally {
		await bench.sharedN8n?.stop();
		await server.stop();
		await rm(folder, { recursive: true, force: true, maxRetries: 3 });
	}
}

main().catch((error: Error) => {
	console.error(`\nThe benchmark failed. ${error.stack}`);
	process.exitCode = 1;
});
