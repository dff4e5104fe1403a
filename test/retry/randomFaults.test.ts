import { setTimeout as wait } from 'node:timers/promises';

import { LOCAL_API_KEY, startStepFunServer } from '../stepfun-server/server';
import { runGenerate } from '../kit/localRuns';
import { countOpenFiles } from '../kit/processFigures';
import { bytesOf } from '../kit/runNode';
import { waitFor } from '../kit/waitFor';
import { seededRandom } from '../stepfun-server/random-numbers';
import type { Fault, FaultRule } from '../stepfun-server/types';

const ITEMS = 200;
const SHARE_OF_FAULTS = 0.2;

interface Mishap {
	fault: Fault;
	/** Whether the item still gets its image. */
	passes: boolean;
	/** Whether the service charges an image that never arrives. */
	chargesInVain: boolean;
}

const mishap = (fault: Fault, passes: boolean, chargesInVain: boolean): Mishap => ({
	fault,
	passes,
	chargesInVain,
});

const MISHAPS: Mishap[] = [
	mishap({ status: 408 }, true, false),
	mishap({ status: 429 }, true, false),
	mishap({ status: 429, retryAfter: 0.01 }, true, false),
	mishap({ status: 500 }, true, false),
	mishap({ status: 502, body: '<html><title>Bad Gateway</title></html>' }, true, false),
	mishap({ status: 503, retryAfter: 0.01 }, true, false),
	mishap({ status: 504, body: '', billed: true }, true, true),
	mishap({ drop: 'before-answer' }, true, true),
	mishap({ drop: 'after-headers' }, true, true),
	mishap({ drop: 'mid-body' }, true, true),
	mishap({ cutBody: true }, true, true),
	mishap({ hang: true }, true, true),
	mishap({ status: 400 }, false, false),
	mishap({ status: 451 }, false, false),
	mishap({ html: true }, false, true),
	mishap({ noImage: true }, false, true),
	mishap({ notAnImage: true }, false, true),
	mishap({ contentFiltered: true }, false, true),
];

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

let accounts = 0;

test.each([2026, 11, 21])(
	'200 items through a server that fails at random (seed %i) all end well, once and in order',
	async (seed) => {
		const random = seededRandom(seed);
		const plans = Array.from({ length: ITEMS }, () => {
			const plan: Mishap[] = [];
			while (random() < SHARE_OF_FAULTS && plan.length < 3 && (plan.at(-1)?.passes ?? true)) {
				plan.push(MISHAPS[Math.floor(random() * MISHAPS.length)]);
			}
			return plan;
		});
		const faults = plans.flatMap((plan, item) =>
			plan.map(
				({ fault }): FaultRule => ({
					when: { promptIncludes: promptOf(item) },
					times: 1,
					fault,
				}),
			),
		);
		expect(faults.length).toBeGreaterThan(30);

		const descriptors = await countOpenFiles(process.pid);
		const key = `${LOCAL_API_KEY}-${++accounts}-faults`;
		const server = await startStepFunServer({
			keys: [key],
			drawing: 'once',
			faults,
			balance: 1000,
		});
		const { items, error } = await runGenerate(
			server,
			// Far more than an answer takes on a busy machine, since one that is late would count as a fault.
			{ prompt: '={{ $json.prompt }}', options: { timeout: 10 } },
			{
				items: plans.map((_, item) => ({ prompt: promptOf(item) })),
				credential: { apiKey: key, concurrentRequests: 20 },
				onError: 'continueRegularOutput',
			},
		);

		expect(error).toBeUndefined();
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual(plans.map((_, item) => ({ item })));

		for (const [item, plan] of plans.entries()) {
			const { json, binary } = items[item];
			const charged = server.billed.filter(({ prompt }) => prompt === promptOf(item));
			const sent = server.requests.filter(
				(request) => (request.json as { prompt: string }).prompt === promptOf(item),
			);
			// An image is bought again once at most.
			const secondInVain = plan.findIndex(
				(mishap, index) =>
					mishap.chargesInVain && plan.slice(0, index).some(({ chargesInVain }) => chargesInVain),
			);
			const met = secondInVain === -1 ? plan : plan.slice(0, secondInVain + 1);
			const inVain = met.filter(({ chargesInVain }) => chargesInVain).length;
			const isDelivered = secondInVain === -1 && plan.every(({ passes }) => passes);
			if (isDelivered) {
				expect([item, json.tries, json.error]).toEqual([item, plan.length + 1, undefined]);
				expect(charged).toHaveLength(inVain + 1);
				const image = await bytesOf(binary?.data);
				expect(image.equals(server.images.get(json.id as string)!)).toBe(true);
			} else {
				expect([item, typeof json.error, binary]).toEqual([item, 'string', undefined]);
				expect(charged).toHaveLength(inVain);
			}
			expect(sent).toHaveLength(met.length + (isDelivered ? 1 : 0));
		}

		await server.close();
		await untilOpenFilesAre(descriptors);
	},
	180_000,
);

test('30 runs that are cancelled at a random moment send nothing more and leave nothing open', async () => {
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
