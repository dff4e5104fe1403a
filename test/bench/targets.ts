import { CASES } from './cases';
import { median, type BenchmarkResults, type ClientName, type RunResult } from './results';

/** A target of this node and what was measured. */
export interface Verdict {
	caseName: string;
	target: string;
	measured: string;
	isMet: boolean;
}

const MB = 1e6;
const MAX_TARBALL_BYTES = 60_000;

/** Judges every target of which there are measurements. */
export function judge(results: BenchmarkResults): Verdict[] {
	return [
		...judgeConcurrency(results),
		...judgeTime(results, 'lower-limit', 1.35),
		...judgeTime(results, 'rate', 1.25),
		...judgeDelivered(results, 'faults'),
		...judgeMemory(results),
		...judgeLoad(results),
	];
}

/** The runs of a client in a case; none if it was left out. */
export function runsOf(results: BenchmarkResults, name: string, client: ClientName): RunResult[] {
	return results.cases[name]?.find((result) => result.client === client)?.runs ?? [];
}

function medianOf(
	results: BenchmarkResults,
	name: string,
	client: ClientName,
	value: (run: RunResult) => number,
): number | undefined {
	const runs = runsOf(results, name, client);
	return runs.length > 0 ? median(runs.map(value)) : undefined;
}

function judgeDelivered(results: BenchmarkResults, caseName: string): Verdict[] {
	const runs = runsOf(results, caseName, 'node');
	if (runs.length === 0) return [];
	const { items } = caseOf(caseName);
	const delivered = runs.map((run) => run.delivered);
	return [
		{
			caseName,
			target: `all ${items} delivered`,
			measured: `${Math.min(...delivered)} in the worst of ${runs.length} runs`,
			isMet: delivered.every((count) => count === items),
		},
	];
}

function judgeTime(results: BenchmarkResults, caseName: string, most: number): Verdict[] {
	const wallMs = medianOf(results, caseName, 'node', (run) => run.wallMs);
	if (wallMs === undefined) return [];
	const { idealMs } = caseOf(caseName);
	const ratio = wallMs / idealMs;
	return [
		...judgeDelivered(results, caseName),
		{
			caseName,
			target: `at most ${most.toFixed(2)} × the ideal ${(idealMs / 1000).toFixed(2)} s`,
			measured: `${ratio.toFixed(2)} × (${(wallMs / 1000).toFixed(2)} s)`,
			isMet: ratio <= most,
		},
	];
}

function judgeConcurrency(results: BenchmarkResults): Verdict[] {
	const caseName = 'concurrency';
	const wallOf = (client: ClientName) => medianOf(results, caseName, client, (run) => run.wallMs);
	const node = wallOf('node');
	const verdicts = judgeTime(results, caseName, 1.1);
	if (node === undefined) return verdicts;
	const refused = Math.max(...runsOf(results, caseName, 'node').map((run) => run.rejected429));
	verdicts.push({
		caseName,
		target: 'no 429 seen by the server',
		measured: String(refused),
		isMet: refused === 0,
	});
	const openAi = wallOf('openai');
	if (openAi !== undefined) {
		verdicts.push({
			caseName,
			target: "at least 4.5 × faster than n8n's OpenAI node",
			measured: `${(openAi / node).toFixed(2)} ×`,
			isMet: openAi / node >= 4.5,
		});
	}
	const loop = wallOf('http-loop');
	if (loop !== undefined) {
		verdicts.push({
			caseName,
			target: 'faster than the loop by 5',
			measured: `${(loop / node).toFixed(2)} × as fast`,
			isMet: loop > node,
		});
	}
	return verdicts;
}

function judgeMemory(results: BenchmarkResults): Verdict[] {
	const verdicts: Verdict[] = [];
	const peakOf = (name: string) => medianOf(results, name, 'node', (run) => run.peakBytes);
	const most = (caseName: string, megabytes: number, peak: number) =>
		verdicts.push({
			caseName,
			target: `peak memory at most ${megabytes} MB over an empty workflow`,
			measured: `${Math.round(peak / MB)} MB`,
			isMet: peak <= megabytes * MB,
		});
	const peak = peakOf('memory');
	const peakOf20 = peakOf('memory-of-20');
	if (peak !== undefined) most('memory', 60, peak);
	if (peak !== undefined && peakOf20 !== undefined) {
		verdicts.push({
			caseName: 'memory',
			target: 'at most 1.2 × the peak of 20 items',
			measured: `${(peak / peakOf20).toFixed(2)} × (${Math.round(peakOf20 / MB)} MB)`,
			isMet: peak / peakOf20 <= 1.2,
		});
	}
	const saved = medianOf(results, 'memory', 'node', (run) => run.savedBytes ?? 0);
	if (saved !== undefined) {
		const perItem = saved / caseOf('memory').items;
		verdicts.push({
			caseName: 'memory',
			target: 'saved execution data at most 2 kB an item',
			measured: `${(perItem / 1000).toFixed(2)} kB`,
			isMet: perItem <= 2_000,
		});
	}
	const cpu = medianOf(results, 'memory', 'node', (run) => run.cpuSeconds);
	const floor = medianOf(results, 'memory', 'floor', (run) => run.cpuSeconds);
	if (cpu !== undefined && floor !== undefined) {
		const { items } = caseOf('memory');
		verdicts.push({
			caseName: 'memory',
			target: "processor time per image at most 2 × the bare undici client's",
			measured: `${(cpu / floor).toFixed(2)} × (${Math.round((cpu / items) * 1000)} ms to ${Math.round((floor / items) * 1000)} ms)`,
			isMet: cpu / floor <= 2,
		});
	}
	const edits = peakOf('edits');
	if (edits !== undefined) most('edits', 250, edits);
	return verdicts;
}

function judgeLoad({ load }: BenchmarkResults): Verdict[] {
	if (!load) return [];
	const loadMs = median(load.require);
	return [
		{
			caseName: 'load',
			target: 'below 5 ms of load',
			measured: `${loadMs.toFixed(1)} ms for the node's file, ${median(load.loader).toFixed(1)} ms for the whole package in n8n's loader`,
			isMet: loadMs < 5,
		},
		{
			caseName: 'load',
			target: 'at most 60 kB packed',
			measured: `${(load.tarballBytes / 1000).toFixed(1)} kB`,
			isMet: load.tarballBytes <= MAX_TARBALL_BYTES,
		},
	];
}

function caseOf(name: string) {
	const found = CASES.find((each) => each.name === name);
	if (!found) throw new Error(`There is no case '${name}'`);
	return found;
}
