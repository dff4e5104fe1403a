import { findCase } from './cases.cts';
import {
	median,
	runsOf,
	type BenchmarkResults,
	type ClientName,
	type LoadResult,
	type RunResult,
} from './results.cts';

/** A target of this node and what was measured. */
export interface Verdict {
	caseName: string;
	target: string;
	measured: string;
	isMet: boolean;
}

/** A figure out of the results; undefined where it was not measured. */
type Measurement = (results: BenchmarkResults) => number | undefined;

interface Target {
	caseName: string;
	/** The target in words. */
	target: string;
	value: Measurement;
	/** What the value is divided by: the target is a ratio. */
	relativeTo?: Measurement;
	/** Of the value, and of what it is divided by. */
	unit: keyof typeof FORMATS;
	atMost?: number;
	atLeast?: number;
}

const FORMATS = {
	seconds: (ms: number) => `${(ms / 1000).toFixed(2)} s`,
	milliseconds: (ms: number) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`,
	megabytes: (bytes: number) => `${Math.round(bytes / 1e6)} MB`,
	kilobytes: (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`,
	count: String,
};

function measured(
	caseName: string,
	client: ClientName,
	value: (run: RunResult) => number | undefined,
	summarize: (values: number[]) => number = median,
): Measurement {
	return (results) => {
		const values = runsOf(results, caseName, client).map(value);
		const known = values.filter((each) => each !== undefined);
		return known.length > 0 ? summarize(known) : undefined;
	};
}

const wall = (caseName: string, client: ClientName) =>
	measured(caseName, client, ({ wallMs }) => wallMs);
const stall = (caseName: string, client: ClientName) =>
	measured(caseName, client, ({ stallMs }) => stallMs);
const peak = (caseName: string) => measured(caseName, 'node', ({ peakBytes }) => peakBytes);
const cpuPerItem = (caseName: string, client: ClientName) =>
	measured(caseName, client, ({ cpuSeconds }) => (cpuSeconds * 1000) / findCase(caseName).items);
const ideal =
	(caseName: string): Measurement =>
	() =>
		findCase(caseName).idealMs;
const smallest = (values: number[]) => Math.min(...values);
const largest = (values: number[]) => Math.max(...values);
const load =
	(value: (result: LoadResult) => number): Measurement =>
	(results) =>
		results.load && value(results.load);

function allDelivered(caseName: string): Target {
	const { items } = findCase(caseName);
	return {
		caseName,
		target: `all ${items} delivered, in every run`,
		value: measured(caseName, 'node', ({ delivered }) => delivered, smallest),
		unit: 'count',
		atLeast: items,
	};
}

function nearIdeal(caseName: string, atMost: number): Target {
	return {
		caseName,
		target: `at most ${atMost.toFixed(2)} × the ideal time`,
		value: wall(caseName, 'node'),
		relativeTo: ideal(caseName),
		unit: 'seconds',
		atMost,
	};
}

function fewRefusals(caseName: string, atMost: number): Target {
	return {
		caseName,
		target: atMost === 0 ? 'no 429 from the server' : `at most ${atMost} times 429, in every run`,
		value: measured(caseName, 'node', ({ rejected429 }) => rejected429, largest),
		unit: 'count',
		atMost,
	};
}

function lowPeak(caseName: string, megabytes: number): Target {
	return {
		caseName,
		target: `peak memory at most ${megabytes} MB over an empty workflow`,
		value: peak(caseName),
		unit: 'megabytes',
		atMost: megabytes * 1e6,
	};
}

const TARGETS: Target[] = [
	allDelivered('stall'),
	{
		caseName: 'stall',
		target: "n8n's event loop is blocked for at most 120 ms",
		value: stall('stall', 'node'),
		unit: 'milliseconds',
		atMost: 120,
	},
	{
		caseName: 'stall',
		target: "n8n's event loop is blocked no longer than with n8n's OpenAI node",
		value: stall('stall', 'node'),
		relativeTo: stall('stall', 'openai'),
		unit: 'milliseconds',
		atMost: 1,
	},
	allDelivered('small'),
	{
		caseName: 'small',
		target: 'at most 5 ms of processor time per item',
		value: cpuPerItem('small', 'node'),
		unit: 'milliseconds',
		atMost: 5,
	},
	{
		caseName: 'small',
		target: "at most 0.6 × the time of n8n's OpenAI node",
		value: wall('small', 'node'),
		relativeTo: wall('small', 'openai'),
		unit: 'seconds',
		atMost: 0.6,
	},
	allDelivered('concurrency'),
	nearIdeal('concurrency', 1.08),
	fewRefusals('concurrency', 0),
	{
		caseName: 'concurrency',
		target: 'at least 1.08 × as fast as the loop by 5',
		value: wall('concurrency', 'http-loop'),
		relativeTo: wall('concurrency', 'node'),
		unit: 'seconds',
		atLeast: 1.08,
	},
	{
		caseName: 'concurrency',
		target: "at least 4.5 × as fast as n8n's OpenAI node",
		value: wall('concurrency', 'openai'),
		relativeTo: wall('concurrency', 'node'),
		unit: 'seconds',
		atLeast: 4.5,
	},
	allDelivered('lower-limit'),
	nearIdeal('lower-limit', 1.1),
	fewRefusals('lower-limit', 2),
	allDelivered('rate'),
	nearIdeal('rate', 1.15),
	allDelivered('faults'),
	allDelivered('faults-retry'),
	{
		caseName: 'faults-retry',
		target: '20 images paid for, in every run',
		value: measured('faults-retry', 'node', ({ billed }) => billed, largest),
		unit: 'count',
		atMost: 20,
	},
	allDelivered('memory'),
	{
		caseName: 'memory',
		target: "processor time per image at most 1.8 × the bare client's",
		value: cpuPerItem('memory', 'node'),
		relativeTo: cpuPerItem('memory', 'baseline'),
		unit: 'milliseconds',
		atMost: 1.8,
	},
	lowPeak('memory', 90),
	{
		caseName: 'memory',
		target: 'saved execution data at most 2 kB per item',
		value: measured(
			'memory',
			'node',
			({ savedBytes }) => savedBytes && savedBytes / findCase('memory').items,
		),
		unit: 'kilobytes',
		atMost: 2_000,
	},
	allDelivered('memory-of-300'),
	{
		caseName: 'memory-of-300',
		target: 'peak memory at most 1.15 × that of 100 images',
		value: peak('memory-of-300'),
		relativeTo: peak('memory'),
		unit: 'megabytes',
		atMost: 1.15,
	},
	allDelivered('edits'),
	lowPeak('edits', 200),
	{
		caseName: 'load',
		target: "at most 15 ms for the whole package in n8n's loader",
		value: load(({ loader }) => median(loader)),
		unit: 'milliseconds',
		atMost: 15,
	},
	{
		caseName: 'load',
		target: 'at most 60 kB packed',
		value: load(({ tarballBytes }) => tarballBytes),
		unit: 'kilobytes',
		atMost: 60_000,
	},
];

/** The most that a case may take of memory, in bytes, if there is a target for it. */
export function peakTarget(caseName: string): number | undefined {
	return TARGETS.find(
		({ caseName: name, unit, relativeTo }) =>
			name === caseName && unit === 'megabytes' && !relativeTo,
	)?.atMost;
}

/** Evaluates all targets for which there are measurements. */
export function judge(results: BenchmarkResults): Verdict[] {
	return TARGETS.flatMap((target) => judgeOne(target, results) ?? []);
}

function judgeOne(target: Target, results: BenchmarkResults): Verdict | undefined {
	const { caseName, value, relativeTo, unit, atMost = Infinity, atLeast = -Infinity } = target;
	const format = FORMATS[unit];
	const figure = value(results);
	if (figure === undefined) return undefined;
	const isWithin = (number: number) => number <= atMost && number >= atLeast;
	if (!relativeTo) {
		const measuredText = format(figure);
		return { caseName, target: target.target, measured: measuredText, isMet: isWithin(figure) };
	}
	const divisor = relativeTo(results);
	if (divisor === undefined) return undefined;
	const ratio = figure / divisor;
	// The peak of a run can be lower than that of an empty workflow, and has no ratio then.
	const isRatio = divisor > 0;
	const ratioText = isRatio ? `${ratio.toFixed(3)} ×` : 'no ratio';
	return {
		caseName,
		target: target.target,
		measured: `${ratioText} (${format(figure)} to ${format(divisor)})`,
		isMet: isRatio && isWithin(ratio),
	};
}
