import type { StepFunServerOptions } from '../stepfun-server/types';
import type { ClientName } from './results';

/** One row of the benchmark. */
export interface BenchCase {
	name: string;
	title: string;
	items: number;
	/** Size of the images that the server sends. */
	imageBytes: number;
	server: StepFunServerOptions;
	/** What a client that knows the server's limits needs at least. */
	idealMs: number;
	/** How the bare client, which knows the limits, keeps to them. */
	floor: { concurrency: number; perWindow?: number; windowMs?: number };
	/** Size of the input images of an edit; without it images are generated. */
	inputBytes?: number;
	/** Whether memory is what counts: every run gets a fresh n8n process. */
	measuresMemory: boolean;
	clients: Array<{ client: ClientName; runs: number }>;
}

const MB = 1_000_000;
const LATENCY_MS = 1_000;
/** Where memory counts, time only has to be there; a second would make the slow clients' runs take minutes. */
const MEMORY_LATENCY_MS = 200;
/** The scale is 1:30 (10 per 2 s stand for 10 per minute), so this stands for 1.5 s. */
const SCALED_LATENCY_MS = 50;

/** As many runs of this node and of the floor as their medians need, and some of what is compared. */
const all = (runs: { node: number; floor: number; loop: number; others: number }) =>
	[
		{ client: 'node', runs: runs.node },
		{ client: 'floor', runs: runs.floor },
		{ client: 'http-loop', runs: runs.loop },
		{ client: 'http', runs: runs.others },
		{ client: 'http-batched', runs: runs.others },
		{ client: 'openai', runs: runs.others },
	] satisfies BenchCase['clients'];

/** The cases in the order in which they run, those that decide most first. */
export const CASES: BenchCase[] = [
	{
		name: 'concurrency',
		title: '20 generations, server allows 5 at once, 1 s latency',
		items: 20,
		imageBytes: 1.5 * MB,
		server: { latencyMs: LATENCY_MS, concurrency: 5 },
		idealMs: 4_000,
		floor: { concurrency: 5 },
		measuresMemory: false,
		clients: all({ node: 5, floor: 5, loop: 5, others: 3 }),
	},
	{
		name: 'lower-limit',
		title: '20 generations, credential says 5, server allows 2',
		items: 20,
		imageBytes: 1.5 * MB,
		server: { latencyMs: LATENCY_MS, concurrency: 2 },
		idealMs: 10_000,
		floor: { concurrency: 2 },
		measuresMemory: false,
		clients: all({ node: 5, floor: 3, loop: 1, others: 1 }),
	},
	{
		name: 'rate',
		title: '60 generations, server allows 10 per 2 s',
		items: 60,
		imageBytes: 1.5 * MB,
		server: { latencyMs: SCALED_LATENCY_MS, requestsPer: { count: 10, windowMs: 2_000 } },
		idealMs: 10_000 + SCALED_LATENCY_MS,
		floor: { concurrency: 5, perWindow: 10, windowMs: 2_000 },
		measuresMemory: false,
		clients: all({ node: 5, floor: 3, loop: 3, others: 3 }),
	},
	{
		name: 'faults',
		title: '20 generations; one 500, one 429, one dropped connection, one cut body',
		items: 20,
		imageBytes: 1.5 * MB,
		server: {
			latencyMs: LATENCY_MS,
			concurrency: 5,
			faults: [
				{ when: { nth: 3 }, times: 1, fault: { status: 500 } },
				{ when: { nth: 5 }, times: 1, fault: { status: 429, retryAfter: 1 } },
				{ when: { nth: 8 }, times: 1, fault: { drop: 'before-answer' } },
				{ when: { nth: 11 }, times: 1, fault: { cutBody: true } },
			],
		},
		// 24 requests, 5 at a time.
		idealMs: 5_000,
		floor: { concurrency: 5 },
		measuresMemory: false,
		clients: all({ node: 5, floor: 0, loop: 2, others: 2 }).filter(
			({ client }) => client !== 'floor',
		),
	},
	{
		name: 'memory',
		title: '100 generations of 3 MB, no server limit',
		items: 100,
		imageBytes: 3 * MB,
		server: { latencyMs: MEMORY_LATENCY_MS },
		idealMs: 20 * MEMORY_LATENCY_MS,
		floor: { concurrency: 5 },
		measuresMemory: true,
		clients: [
			{ client: 'node', runs: 3 },
			{ client: 'floor', runs: 3 },
			{ client: 'floor-decoding', runs: 3 },
			{ client: 'openai', runs: 2 },
			{ client: 'http', runs: 1 },
			{ client: 'http-batched', runs: 1 },
			{ client: 'http-loop', runs: 1 },
		],
	},
	{
		name: 'memory-of-20',
		title: '20 generations of 3 MB, no server limit',
		items: 20,
		imageBytes: 3 * MB,
		server: { latencyMs: MEMORY_LATENCY_MS },
		idealMs: 4 * MEMORY_LATENCY_MS,
		floor: { concurrency: 5 },
		measuresMemory: true,
		clients: [{ client: 'node', runs: 3 }],
	},
	{
		name: 'edits',
		title: '20 edits of a 20 MB input, 20 MB results',
		items: 20,
		imageBytes: 20 * MB,
		inputBytes: 20 * MB,
		server: { latencyMs: MEMORY_LATENCY_MS },
		idealMs: 4 * MEMORY_LATENCY_MS,
		floor: { concurrency: 5 },
		measuresMemory: true,
		clients: [
			{ client: 'node', runs: 3 },
			{ client: 'read-only', runs: 1 },
			{ client: 'floor', runs: 3 },
			{ client: 'openai', runs: 1 },
			{ client: 'http', runs: 1 },
			{ client: 'http-loop', runs: 1 },
		],
	},
];
