import type { StepFunServerOptions } from '../stepfun-server/types.cts';
import type { ClientName } from './results.cts';

/** One measured situation: some rows, and how the server behaves. */
export interface BenchmarkCase {
	name: string;
	title: string;
	/** What the case shows, in a paragraph of the report that stays true whatever the figures are. */
	explanation: string;
	items: number;
	/** The images that the server sends. */
	image: NonNullable<StepFunServerOptions['image']> & { bytes: number };
	server: StepFunServerOptions;
	/** What a client that knows the server's limits needs at least; absent where only the client's own work counts. */
	idealMs?: number;
	/** How the bare client, which knows the limits, keeps to them. */
	baseline: { concurrency: number; perWindow?: number; windowMs?: number };
	/** Size of the input images of an edit; without it images are generated. */
	inputBytes?: number;
	/** Sets two options by expression, beside the prompt. */
	setsOptions?: boolean;
	/** Turns on n8n's Retry On Fail, and turns off this node's own tries. */
	retryOnFail?: boolean;
	/** Gives every run its own n8n process, so that its memory and processor time can be measured separately. */
	freshN8n: boolean;
	clients: Array<{ client: ClientName; runs: number }>;
}

const MB = 1_000_000;
const LATENCY_MS = 1_000;
/** Where memory counts, time only has to be there; a second would make the slow clients' runs take minutes. */
const MEMORY_LATENCY_MS = 200;
/** The scale is 1:30 (10 per 2 s stand for 10 per minute), so this stands for 1.5 s. */
const SCALED_LATENCY_MS = 50;
const SMALL_IMAGE = { format: 'webp', quality: 10, bytes: 10_000 } as const;
const LARGE_IMAGE = { bytes: 1.5 * MB };

/** The clients of n8n, and this node most often, because its median is what the targets are held against. */
function n8nClients(runs: { node: number; loop: number; others: number }) {
	return [
		{ client: 'node', runs: runs.node },
		{ client: 'http-loop', runs: runs.loop },
		{ client: 'http', runs: runs.others },
		{ client: 'http-batched', runs: runs.others },
		{ client: 'openai', runs: runs.others },
	] satisfies BenchmarkCase['clients'];
}

/** The cases in the order in which they run, those that decide most first. */
export const CASES: BenchmarkCase[] = [
	{
		name: 'stall',
		title: '1,000 rows, prompt and two options as expressions, no latency',
		explanation:
			"While n8n's event loop is blocked, n8n answers no webhook, and the editor does not react. Every row sets the prompt and two options by expression: seed and negative prompt or, in the OpenAI node, which has neither, the two options that it offers for this model. The run without requests shows n8n's own share.",
		items: 1_000,
		image: SMALL_IMAGE,
		server: {},
		baseline: { concurrency: 5 },
		setsOptions: true,
		freshN8n: true,
		clients: [
			{ client: 'node', runs: 3 },
			{ client: 'openai', runs: 3 },
			{ client: 'http', runs: 1 },
			{ client: 'no-requests', runs: 1 },
		],
	},
	{
		name: 'small',
		title: '1,000 generations of 10 kB, no latency',
		explanation:
			"The server responds at once and the images are tiny, so this case measures only the work of the client and of n8n. In a profile, n8n's own work for each item takes most of this node's time: it reads the credential from its database and decrypts it, evaluates the prompt's expression, and creates a folder and a file for each image.",
		items: 1_000,
		image: SMALL_IMAGE,
		server: {},
		baseline: { concurrency: 5 },
		freshN8n: true,
		clients: [
			{ client: 'node', runs: 3 },
			{ client: 'baseline', runs: 3 },
			{ client: 'openai', runs: 3 },
			{ client: 'http', runs: 1 },
		],
	},
	{
		name: 'concurrency',
		title: '20 generations, server allows 5 at once, 1 s latency',
		explanation:
			'The server refuses a sixth concurrent request with status 429. The ideal time is that of four rounds of five requests. A loop waits for the slowest request of each round; a client without a limit loses the run.',
		items: 20,
		image: LARGE_IMAGE,
		server: { latencyMs: LATENCY_MS, concurrency: 5 },
		idealMs: 4_000,
		baseline: { concurrency: 5 },
		freshN8n: false,
		clients: [...n8nClients({ node: 5, loop: 5, others: 1 }), { client: 'baseline', runs: 3 }],
	},
	{
		name: 'lower-limit',
		title: '20 generations, credential says 5, server allows 2',
		explanation:
			'The credential allows more requests than the server, so the node must learn the actual limit from refusals. The bare client knows it.',
		items: 20,
		image: LARGE_IMAGE,
		server: { latencyMs: LATENCY_MS, concurrency: 2 },
		idealMs: 10_000,
		baseline: { concurrency: 2 },
		freshN8n: false,
		clients: [...n8nClients({ node: 3, loop: 1, others: 1 }), { client: 'baseline', runs: 1 }],
	},
	{
		name: 'rate',
		title: '60 generations, server allows 10 per 2 s',
		explanation:
			'This case scales a limit of 10 requests per minute down to 2 seconds. The credential does not contain the limit. Batches of five per 1.5 s happen to stay below it.',
		items: 60,
		image: LARGE_IMAGE,
		server: { latencyMs: SCALED_LATENCY_MS, requestsPer: { count: 10, windowMs: 2_000 } },
		idealMs: 10_000 + SCALED_LATENCY_MS,
		baseline: { concurrency: 5, perWindow: 10, windowMs: 2_000 },
		freshN8n: false,
		clients: [...n8nClients({ node: 3, loop: 1, others: 1 }), { client: 'baseline', runs: 1 }],
	},
	{
		name: 'faults',
		title: '20 generations; one 500, one 429, one dropped connection, one cut body',
		explanation:
			'Each of the four faults occurs once. A client that gives up after the first one has paid for images that it never delivers. The dropped and the truncated response are billed, so 20 images cost at least 22.',
		items: 20,
		image: LARGE_IMAGE,
		server: {
			latencyMs: LATENCY_MS,
			concurrency: 5,
			faults: [
				{ when: { nth: 3 }, times: 1, fault: { status: 500 } },
				{ when: { nth: 5 }, times: 1, fault: { status: 429, retryAfter: 1 } },
				{ when: { nth: 8 }, times: 1, fault: { drop: 'before-response' } },
				{ when: { nth: 11 }, times: 1, fault: { cutBody: true } },
			],
		},
		// 24 requests, 5 at a time.
		idealMs: 5_000,
		baseline: { concurrency: 5 },
		freshN8n: false,
		clients: n8nClients({ node: 3, loop: 1, others: 1 }),
	},
	{
		name: 'faults-retry',
		title: "20 generations, one 500, n8n's Retry On Fail",
		explanation:
			"One request fails once, and n8n's Retry On Fail runs the node again. A client that does not keep its images pays for them again. This node's own retries are turned off here (Max Tries 1), because they would make the second run unnecessary.",
		items: 20,
		image: LARGE_IMAGE,
		server: {
			latencyMs: LATENCY_MS,
			faults: [{ when: { nth: 7 }, times: 1, fault: { status: 500 } }],
		},
		baseline: { concurrency: 5 },
		retryOnFail: true,
		freshN8n: false,
		clients: n8nClients({ node: 3, loop: 1, others: 1 }),
	},
	{
		name: 'memory',
		title: '100 generations of 3 MB, no server limit',
		explanation:
			"This case measures the peak memory, including that for saving the execution. Clients that keep images as text in the items hold all images in memory, and n8n saves them in its database. Node.js allocates the memory for what arrives outside of V8's heap, and V8 collects n8n's whole heap for each 64 MB of it that waits, so this node frees the memory of each chunk at once.",
		items: 100,
		image: { bytes: 3 * MB },
		server: { latencyMs: MEMORY_LATENCY_MS },
		idealMs: 20 * MEMORY_LATENCY_MS,
		baseline: { concurrency: 5 },
		freshN8n: true,
		clients: [
			{ client: 'node', runs: 3 },
			{ client: 'baseline', runs: 3 },
			{ client: 'baseline-decoding', runs: 1 },
			{ client: 'openai', runs: 1 },
			{ client: 'http', runs: 1 },
			{ client: 'http-loop', runs: 1 },
		],
	},
	{
		name: 'memory-of-300',
		title: '300 generations of 3 MB, no server limit',
		explanation:
			'Three times as many images as above, which are 600 MB more. The difference from the case above shows how much the memory depends on the number of images. The peaks of single runs of one case also vary by tens of megabytes.',
		items: 300,
		image: { bytes: 3 * MB },
		server: { latencyMs: MEMORY_LATENCY_MS },
		idealMs: 60 * MEMORY_LATENCY_MS,
		baseline: { concurrency: 5 },
		freshN8n: true,
		clients: [{ client: 'node', runs: 3 }],
	},
	{
		name: 'edits',
		title: '20 edits of a 20 MB input, 20 MB results',
		explanation:
			"This case has the largest images, for input and output. n8n's OpenAI node cannot edit with this API: it has no field for the input image if the model is not OpenAI's, so its execution fails before anything is sent. The run without requests reads only the inputs, and shows n8n's own share.",
		items: 20,
		image: { bytes: 20 * MB },
		inputBytes: 20 * MB,
		server: { latencyMs: MEMORY_LATENCY_MS },
		idealMs: 4 * MEMORY_LATENCY_MS,
		baseline: { concurrency: 5 },
		freshN8n: true,
		clients: [
			{ client: 'node', runs: 3 },
			{ client: 'no-requests', runs: 1 },
			{ client: 'baseline', runs: 3 },
			{ client: 'openai', runs: 1 },
			{ client: 'http', runs: 1 },
		],
	},
];

/** The case of a name, which must be one of `CASES`. */
export function findCase(name: string): BenchmarkCase {
	const found = CASES.find((each) => each.name === name);
	if (!found) throw new Error(`There is no case '${name}'`);
	return found;
}
