import { setTimeout as wait } from 'node:timers/promises';
import type { INodeExecutionData, IPairedItemData } from 'n8n-workflow';

import { LOCAL_API_KEY, startStepFunServer } from '../stepfun-server/server.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { countOpenFiles } from '../kit/processFigures.cts';
import { bytesOf, type NodeRun } from '../kit/runNode.cts';
import { waitFor } from '../kit/waitFor.cts';
import { seededRandom } from '../stepfun-server/randomNumbers.cts';
import type { Fault, FaultRule } from '../stepfun-server/types.cts';

const SHARE_OF_FAULTS = 0.3;
/** Far more than a response takes on a busy machine, since one that is late would count as a fault. */
const TIMEOUT_SECONDS = 6;

interface Mishap {
	fault: Fault;
	/**
	 * What the node makes of it: the request is sent again, brings its image all the same, fails in this run of the
	 * node, or fails for good, so that n8n's Retry On Fail does not send it again.
	 */
	outcome: 'repeated' | 'delivered' | 'failed' | 'settled';
	/** Whether the service charges an image that never arrives. */
	chargesWithoutImage: boolean;
	/** What the error says where this is the end of an item. */
	says: RegExp;
}

const mishap = (
	fault: Fault,
	outcome: Mishap['outcome'],
	chargesWithoutImage: boolean,
	says = /^$/,
): Mishap => ({ fault, outcome, chargesWithoutImage, says });

/** A key of escapes alone: wherever a reader cuts it, it cuts one. */
const LONG_KEY = '\\u006b'.repeat(100);

const NOT_COMPLETE = /did not arrive completely/;
const REFUSED = /^The service refused the request/;
const MODERATED = /^Moderation refused the request/;

const MISHAPS: Mishap[] = [
	mishap({ status: 408 }, 'repeated', false),
	mishap({ status: 429 }, 'repeated', false),
	mishap({ status: 429, retryAfter: 0.01 }, 'repeated', false),
	mishap({ status: 500 }, 'repeated', false),
	mishap({ status: 502, body: '<html><title>Bad Gateway</title></html>' }, 'repeated', false),
	mishap({ status: 503, retryAfter: 0.01 }, 'repeated', false),
	mishap({ status: 504, body: '', billed: true }, 'repeated', true, /took too long/),
	mishap({ drop: 'before-response' }, 'repeated', true, /^The connection to .* failed/),
	mishap({ drop: 'after-headers' }, 'repeated', true, NOT_COMPLETE),
	mishap({ drop: 'mid-body' }, 'repeated', true, NOT_COMPLETE),
	mishap({ cutBody: true }, 'repeated', true, NOT_COMPLETE),
	mishap({ hang: true }, 'repeated', true, new RegExp(`${TIMEOUT_SECONDS} seconds`)),
	mishap({ behindJson: ';' }, 'delivered', false),
	mishap({ behindJson: '\0' }, 'delivered', false),
	mishap({ behindJson: '{"data":[]}' }, 'delivered', false),
	mishap({ behindJson: '<!-- served by a proxy -->' }, 'delivered', false),
	mishap({ withoutLastBrace: true }, 'delivered', false),
	mishap({ firstMember: `"${LONG_KEY}":"value"` }, 'delivered', false),
	mishap({ lateLink: true }, 'delivered', false),
	// Longer than the timeout, but never silent.
	mishap({ dripMs: (TIMEOUT_SECONDS + 2) * 1000 }, 'delivered', false),
	mishap({ status: 400 }, 'failed', false, REFUSED),
	mishap({ status: 451 }, 'failed', false, MODERATED),
	mishap({ status: 400, endlessBody: true }, 'failed', false, REFUSED),
	mishap({ status: 451, endlessBody: true }, 'failed', false, MODERATED),
	mishap({ status: 400, dripMs: 2 * TIMEOUT_SECONDS * 1000 }, 'failed', false, REFUSED),
	mishap({ html: true }, 'failed', true, /not as an image API: Sign in/),
	mishap({ noImage: true }, 'settled', true, /responded without an image/),
	mishap({ notAnImage: true }, 'settled', true, /is not an image/),
	mishap({ contentFiltered: true }, 'settled', true, /content_filtered/),
];

interface Scenario {
	onError: NonNullable<NodeRun['onError']>;
	/** How often n8n's Retry On Fail runs the node; 1 is without it. */
	maxRuns: number;
	itemCount: number;
	/** How many requests may fail where each failure stops the node. */
	maxFailed: number;
}

const SCENARIOS: Scenario[] = [
	{ onError: 'stopWorkflow', maxRuns: 1, itemCount: 60, maxFailed: 0 },
	{ onError: 'stopWorkflow', maxRuns: 3, itemCount: 60, maxFailed: 2 },
	{ onError: 'continueRegularOutput', maxRuns: 1, itemCount: 200, maxFailed: Infinity },
	{ onError: 'continueRegularOutput', maxRuns: 2, itemCount: 100, maxFailed: Infinity },
	{ onError: 'continueErrorOutput', maxRuns: 1, itemCount: 60, maxFailed: Infinity },
	{ onError: 'continueErrorOutput', maxRuns: 2, itemCount: 100, maxFailed: Infinity },
];

/** What goes wrong with each item, request by request. Where failures stop the node, it gets only what it survives. */
function planMishaps({ onError, itemCount, maxFailed }: Scenario, random: () => number) {
	let failed = 0;
	const mayFollow = (next: Mishap, plan: Mishap[]) =>
		onError !== 'stopWorkflow' ||
		(next.outcome !== 'settled' &&
			(next.outcome !== 'failed' || failed < maxFailed) &&
			(!next.chargesWithoutImage || plan.every(({ chargesWithoutImage }) => !chargesWithoutImage)));
	return Array.from({ length: itemCount }, () => {
		const plan: Mishap[] = [];
		while (random() < SHARE_OF_FAULTS && plan.length < 3 && plan.at(-1)?.outcome !== 'delivered') {
			const candidates = MISHAPS.filter((next) => mayFollow(next, plan));
			const next = candidates[Math.floor(random() * candidates.length)];
			if (next.outcome === 'failed') failed++;
			plan.push(next);
		}
		return plan;
	});
}

/** What becomes of an item. In one run of the node, an image is bought again once at most. */
function predict(plan: Mishap[], maxRuns: number) {
	let sent = 0;
	let chargedWithoutImage = 0;
	let met: Mishap | undefined;
	for (let run = 1; run <= maxRuns && met?.outcome !== 'settled'; run++) {
		let chargedInThisRun = 0;
		do {
			met = plan[sent++];
			if (met === undefined || met.outcome === 'delivered') {
				return { isDelivered: true, sent, chargedWithoutImage };
			}
			if (met.chargesWithoutImage) {
				chargedWithoutImage++;
				chargedInThisRun++;
			}
		} while (met.outcome === 'repeated' && chargedInThisRun < 2);
	}
	return { isDelivered: false, sent, chargedWithoutImage, says: met?.says };
}

/** Sockets take a moment to close. */
const untilOpenFilesAre = async (most: number) =>
	await waitFor(
		'the end of every connection',
		async () => (await countOpenFiles(process.pid)) <= most,
		{
			timeoutMs: 2_000,
		},
	);

const promptOf = (item: number) => `Picture number ${item};`;

/** Runs a workflow whose items go wrong as planned. */
async function runThroughFaults(scenario: Scenario, index: number) {
	const random = seededRandom(300 + index);
	const plans = planMishaps(scenario, random);
	const faults = plans.flatMap((plan, item) =>
		plan.map(
			({ fault }): FaultRule => ({ when: { promptIncludes: promptOf(item) }, times: 1, fault }),
		),
	);
	const key = `${LOCAL_API_KEY}-${index}-faults`;
	const server = await startStepFunServer({
		keys: [key],
		drawing: 'once',
		faults,
		balance: 1000,
	});
	const result = await runGenerate(
		server,
		{
			prompt: '={{ $json.prompt }}',
			output: '={{ $json.output }}',
			options: { timeout: TIMEOUT_SECONDS },
		},
		{
			items: plans.map((plan, item) => ({
				prompt: promptOf(item),
				output:
					random() < 0.3 || plan.some(({ fault }) => 'lateLink' in fault) ? 'fileAndUrl' : 'file',
			})),
			credential: { apiKey: key, concurrentRequests: 20 },
			onError: scenario.onError,
			retryOnFail: scenario.maxRuns > 1 ? { maxTries: scenario.maxRuns } : undefined,
		},
	);
	return { plans, server, result };
}

describe('Items through a server that fails at random', () => {
	let descriptors: number;
	let runs: Array<Awaited<ReturnType<typeof runThroughFaults>>>;

	// Most of a run is waiting, so all of them wait together.
	beforeAll(async () => {
		descriptors = await countOpenFiles(process.pid);
		runs = await Promise.all(SCENARIOS.map(runThroughFaults));
	}, 180_000);

	afterAll(async () => {
		await Promise.all(runs.map(async ({ server }) => await server.close()));
		await untilOpenFilesAre(descriptors);
	});

	test('run into every fault', () => {
		const planned = new Set(runs.flatMap(({ plans }) => plans.flat()));
		expect(MISHAPS.filter((each) => !planned.has(each))).toEqual([]);
		// If failures stop the node, it stops in every run.
		for (const [index, { maxFailed, maxRuns }] of SCENARIOS.entries()) {
			const failures = runs[index].plans.flat().filter(({ outcome }) => outcome === 'failed');
			if (maxFailed < Infinity) expect([maxRuns, failures.length]).toEqual([maxRuns, maxFailed]);
		}
	});

	test.each(SCENARIOS.map((scenario, index) => ({ ...scenario, index })))(
		'end well, once and in order: $itemCount items, On Error $onError, $maxRuns runs at most',
		async ({ onError, maxRuns, itemCount, index }) => {
			const { plans, server, result } = runs[index];
			const { items, errorItems, error } = result;
			expect(error).toBeUndefined();
			const originsOf = (output: INodeExecutionData[]) =>
				output.map(({ pairedItem }) => (pairedItem as IPairedItemData).item);
			const all = Array.from({ length: itemCount }, (_, item) => item);
			const failed = all.filter((item) => !predict(plans[item], maxRuns).isDelivered);
			const expectedErrors = onError === 'continueErrorOutput' ? failed : [];
			expect(originsOf(errorItems)).toEqual(expectedErrors);
			expect(originsOf(items)).toEqual(all.filter((item) => !expectedErrors.includes(item)));

			const outputs = new Map(
				[...items, ...errorItems].map((output) => [originsOf([output])[0], output]),
			);
			for (const item of all) {
				const { json, binary } = outputs.get(item)!;
				const charged = server.billed.filter(({ prompt }) => prompt === promptOf(item));
				const sent = server.requests.filter(
					(request) => (request.json as { prompt: string }).prompt === promptOf(item),
				);
				const expected = predict(plans[item], maxRuns);
				if (expected.isDelivered) {
					expect([item, json.error]).toEqual([item, undefined]);
					const tries = maxRuns === 1 ? expected.sent : expect.any(Number);
					expect([item, json.tries]).toEqual([item, tries]);
					// All pictures are the same; whose it is, its ID tells.
					expect(charged.map(({ id }) => id)).toContain(json.id);
					const image = await bytesOf(binary?.data);
					expect(image.equals(server.images.get(json.id as string)!)).toBe(true);
				} else {
					expect([item, json.error, binary]).toEqual([
						item,
						expect.stringMatching(expected.says!),
						undefined,
					]);
				}
				const images = expected.isDelivered ? 1 : 0;
				expect([item, charged.length]).toEqual([item, expected.chargedWithoutImage + images]);
				// One more than was asked for, at most.
				if (maxRuns === 1) expect(charged.length).toBeLessThanOrEqual(2);
				expect([item, sent.length]).toEqual([item, expected.sent]);
			}
		},
	);
});

test('30 runs that are canceled at a random moment send nothing more and leave nothing open', async () => {
	const random = seededRandom(30);
	const descriptors = await countOpenFiles(process.pid);
	const key = `${LOCAL_API_KEY}-cancelled`;
	const server = await startStepFunServer({
		keys: [key],
		drawing: 'once',
		latencyMs: 40,
		faults: [{ when: { probability: 0.2 }, fault: { status: 503 } }],
		balance: 1000,
	});

	for (let round = 0; round < 30; round++) {
		const { status, items } = await runGenerate(
			server,
			{},
			{
				items: Array.from({ length: 40 }, () => ({})),
				credential: { apiKey: key },
				onError: 'continueRegularOutput',
				onStart: (cancel) => void wait(random() * 300).then(cancel),
			},
		);
		// 40 items take longer than the latest moment, so none of these runs comes to its end.
		expect(status).toBe('canceled');
		for (const [item, { json, binary, pairedItem }] of items.entries()) {
			expect(pairedItem).toEqual({ item });
			// What had arrived before stays; everything else says why it is missing.
			if (!binary) expect(json.error).toContain('canceled');
		}
		// What was on its way at that moment may still arrive; the rest must not come after it.
		await wait(250);
		const sentByThen = server.requests.length;
		expect(sentByThen).toBeLessThan((round + 1) * 40);
		await wait(100);
		expect(server.requests.length - sentByThen).toBe(0);
	}

	await server.close();
	await untilOpenFilesAre(descriptors);
}, 60_000);
