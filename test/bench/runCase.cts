import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { padImage } from '../stepfun-server/imagePadding.cts';
import { LOCAL_API_KEY } from '../stepfun-server/server.cts';
import type { BenchmarkCase } from './cases.cts';
import type { BenchmarkContext } from './context.cts';
import { SETTLE_MS, startMeasuredN8n, type MeasuredN8n } from './n8nRuns.cts';
import type { ClientName, ClientResult, N8nClientName, RunResult } from './results.cts';
import { makeWorkflow } from './workflows.cts';

const WARM_UP_BYTES = 100_000;

type Measured = Omit<RunResult, 'billed' | 'rejected429' | 'maxInFlight'>;

/** Measures cases one after the other, and shares one n8n among those that allow it. */
export interface CaseRunner {
	/**
	 * Runs the clients of a case in turns, so that a slow minute of the machine hits all of them.
	 *
	 * @param keep is called after every run with all runs of that client so far
	 */
	run(
		benchmarkCase: BenchmarkCase,
		limits: { clients?: ClientName[]; runs?: number },
		keep: (result: ClientResult) => Promise<void>,
	): Promise<void>;
	stop(): Promise<void>;
}

/** Starts nothing yet: n8n starts with the first case that needs it. */
export function createCaseRunner(context: BenchmarkContext): CaseRunner {
	let shared: WarmedN8n | undefined;

	const measure = async (client: ClientName, benchmarkCase: BenchmarkCase): Promise<Measured> => {
		if (client === 'baseline' || client === 'baseline-decoding') {
			return await runBareClient(context, benchmarkCase, client === 'baseline-decoding');
		}
		if (!benchmarkCase.freshN8n) {
			shared ??= await startN8nFor(context);
			return await runInN8n(context, shared, client, benchmarkCase);
		}
		const n8n = await startN8nFor(context);
		try {
			return await runInN8n(context, n8n, client, benchmarkCase);
		} finally {
			await n8n.stop();
		}
	};

	return {
		async run(benchmarkCase, limits, keep) {
			context.log(`${benchmarkCase.name}: ${benchmarkCase.title}`);
			const chosen = benchmarkCase.clients
				.filter(({ client }) => limits.clients?.includes(client) ?? true)
				.map(({ client, runs }) => ({
					client,
					left: limits.runs ?? runs,
					runs: [] as RunResult[],
				}));
			while (chosen.some(({ left }) => left > 0)) {
				for (const each of chosen.filter(({ left }) => left > 0)) {
					each.left--;
					const measured = await measure(each.client, benchmarkCase);
					const result = { ...measured, ...(await context.server.counts()) };
					each.runs.push(result);
					context.log(`  ${each.client}: ${describeRun(result)}`);
					await keep({ client: each.client, runs: each.runs });
				}
			}
		},
		stop: async () => await shared?.stop(),
	};
}

/** An n8n that knows which workflows it has warmed up for. */
interface WarmedN8n extends MeasuredN8n {
	warmedUp: Set<string>;
}

async function startN8nFor(context: BenchmarkContext): Promise<WarmedN8n> {
	const { installation, tarball, inputFolder, scripts } = context;
	const userFolder = await mkdtemp(join(context.folder, 'n8n-'));
	const n8n = await startMeasuredN8n({
		installation,
		tarball,
		inputFolder,
		userFolder,
		...scripts,
	});
	return {
		...n8n,
		warmedUp: new Set(),
		async stop() {
			await n8n.stop();
			await rm(userFolder, { recursive: true, force: true, maxRetries: 3 });
		},
	};
}

async function runInN8n(
	context: BenchmarkContext,
	n8n: WarmedN8n,
	client: N8nClientName,
	benchmarkCase: BenchmarkCase,
): Promise<Measured> {
	// Loading a client's code takes n8n up to a second, once; what counts is every run after that.
	const kind = `${client} ${benchmarkCase.inputBytes ? 'edits' : 'generates'}`;
	if (!n8n.warmedUp.has(kind)) {
		n8n.warmedUp.add(kind);
		await runWorkflow(context, n8n, client, {
			...benchmarkCase,
			items: 2,
			inputBytes: benchmarkCase.inputBytes && WARM_UP_BYTES,
			image: { bytes: WARM_UP_BYTES },
			server: {},
		});
		await sleep(SETTLE_MS);
	}
	return await runWorkflow(context, n8n, client, benchmarkCase);
}

async function runWorkflow(
	context: BenchmarkContext,
	n8n: MeasuredN8n,
	client: N8nClientName,
	benchmarkCase: BenchmarkCase,
): Promise<Measured> {
	const service = await n8n.connect(await startServer(context, benchmarkCase));
	const inputs = await makeInputs(context, benchmarkCase);
	const workflow = makeWorkflow(client, benchmarkCase, service, join(inputs.folder, '*.png'));
	const measured = await n8n.run(workflow, inputs.files.length, benchmarkCase.image.bytes);
	await rm(inputs.folder, { recursive: true });
	return measured;
}

/** A server of its own port each time: what a client learnt of one account must not help the next run. */
async function startServer(
	{ server }: BenchmarkContext,
	{ server: options, image }: BenchmarkCase,
): Promise<string> {
	return await server.start({ ...options, image });
}

async function runBareClient(
	context: BenchmarkContext,
	benchmarkCase: BenchmarkCase,
	decode: boolean,
): Promise<Measured> {
	const url = await startServer(context, benchmarkCase);
	const folder = await mkdtemp(join(context.folder, 'responses-'));
	const inputs = await makeInputs(context, benchmarkCase);
	const { items, baseline } = benchmarkCase;
	const job = {
		url,
		apiKey: LOCAL_API_KEY,
		items,
		folder,
		decode,
		inputs: inputs.files,
		...baseline,
	};
	const { stdout } = await promisify(execFile)(context.installation.nodeBinary, [
		context.scripts.bareClient,
		JSON.stringify(job),
	]);
	await rm(folder, { recursive: true });
	await rm(inputs.folder, { recursive: true });
	return { status: 'success', ...(JSON.parse(stdout) as Omit<Measured, 'status'>) };
}

/** The files that a case edits, in a folder of their own; none if it generates. */
async function makeInputs(
	{ inputFolder }: BenchmarkContext,
	{ items, inputBytes }: BenchmarkCase,
): Promise<{ folder: string; files: string[] }> {
	const folder = await mkdtemp(join(inputFolder, 'case-'));
	if (!inputBytes) return { folder, files: [] };
	const canvas = { width: 1024, height: 1024, channels: 3 as const, background: '#c04020' };
	const picture = await sharp({ create: canvas }).png().toBuffer();
	const bytes = padImage(picture, 'png', inputBytes);
	const files = Array.from({ length: items }, (_, index) => join(folder, `input-${index + 1}.png`));
	for (const file of files) await writeFile(file, bytes);
	return { folder, files };
}

function describeRun(result: RunResult): string {
	const { status, wallMs, delivered, billed, rejected429, maxInFlight, stallMs } = result;
	const memory = `${Math.round(result.peakBytes / 1e6)} MB`;
	const saved = result.savedBytes === undefined ? '' : `, saved ${result.savedBytes} bytes`;
	const stall = stallMs === undefined ? '' : `, stall ${Math.round(stallMs)} ms`;
	return (
		`${status}, ${Math.round(wallMs)} ms${stall}, ${delivered} delivered, ${billed} billed, ` +
		`${rejected429} times 429, ${maxInFlight} at once, peak +${memory}${saved}, ` +
		`cpu ${result.cpuSeconds.toFixed(2)} s`
	);
}
