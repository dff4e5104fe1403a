/** Who fetches the images inside n8n. `no-requests` makes the items and fetches nothing. */
export type N8nClientName =
	| 'node'
	| 'http'
	| 'http-batched'
	| 'http-loop'
	| 'openai'
	| 'no-requests';

/** Who fetches the images; the baseline does so without n8n. */
export type ClientName = N8nClientName | 'baseline' | 'baseline-decoding';

/** How each client is called in tables and charts. */
export const CLIENT_TITLES: Record<ClientName, string> = {
	node: 'this node',
	http: 'HTTP Request + Convert to File',
	'http-batched': 'HTTP Request in batches of 5 per 1.5 s',
	'http-loop': 'HTTP Request in Loop Over Items by 5',
	openai: "n8n's OpenAI node",
	'no-requests': 'the items without any request',
	baseline: 'bare undici client, responses to files',
	'baseline-decoding': 'bare undici client, images to files',
};

/** What one run of one client took and brought. Memory is in bytes, above what was in use before. */
export interface RunResult {
	/** n8n's status of the execution; `success` for the bare client. */
	status: string;
	wallMs: number;
	delivered: number;
	billed: number;
	rejected429: number;
	maxInFlight: number;
	/** Peak resident memory, saving the execution included, above the peak of an empty workflow. */
	peakBytes: number;
	/** The execution's row in n8n's database. */
	savedBytes?: number;
	cpuSeconds: number;
	/** The longest time for which n8n's event loop was blocked; absent outside n8n. */
	stallMs?: number;
}

/** The runs of one client in one case. */
export interface ClientResult {
	client: ClientName;
	runs: RunResult[];
}

/** What the load case measured. Times are in milliseconds. */
export interface LoadResult {
	starts: { with: number[]; without: number[] };
	/** `require()` of the node's file in a process that has n8n-workflow, as n8n has. */
	require: number[];
	/** n8n's own loader reading the whole package, credential and icons included. */
	loader: number[];
	tarballBytes: number;
}

/** Everything that docs/benchmark.json holds. */
export interface BenchmarkResults {
	date: string;
	command: string;
	/** Cases that were measured by themselves after that, when the package may have been another. */
	measuredAgain: string[];
	machine: string;
	versions: string;
	cases: Record<string, ClientResult[]>;
	load?: LoadResult;
}

/** The runs of a client in a case; none if it was left out. */
export function runsOf(results: BenchmarkResults, name: string, client: ClientName): RunResult[] {
	return results.cases[name]?.find((result) => result.client === client)?.runs ?? [];
}

/** The middle value; of an even number the mean of the two in the middle. */
export function median(values: number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	const half = sorted.length / 2;
	return Number.isInteger(half) ? (sorted[half - 1] + sorted[half]) / 2 : sorted[Math.floor(half)];
}
