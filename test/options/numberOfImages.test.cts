import { bytesOf } from '../kit/runNode.cts';
import { runGenerate } from '../kit/localRuns.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

let server: StepFunServer;
beforeAll(async () => (server = await startStepFunServer()));
afterEach(() => {
	server.reset();
	server.setFaults([]);
});
afterAll(async () => await server.close());

const seedsSent = () => server.requests.map(({ json }) => (json as { seed?: number }).seed);

describe('Option Number of Images', () => {
	test('Number of Images sends one request per image, with increasing seeds, and returns items paired with their input', async () => {
		const { items, error } = await runGenerate(
			server,
			{ options: { numberOfImages: 3, seed: 41 } },
			{ items: [{}, {}] },
		);
		expect(error).toBeUndefined();
		expect(seedsSent().sort()).toEqual([41, 41, 42, 42, 43, 43]);
		expect(items.map(({ json }) => json.variation)).toEqual([1, 2, 3, 1, 2, 3]);
		expect(items.map(({ json, pairedItem }) => [json.seed, pairedItem])).toEqual([
			[41, { item: 0 }],
			[42, { item: 0 }],
			[43, { item: 0 }],
			[41, { item: 1 }],
			[42, { item: 1 }],
			[43, { item: 1 }],
		]);
		expect(new Set(items.map(({ json }) => json.fileName)).size).toBe(6);
	});

	test('Number of Images sends no seed if none is set', async () => {
		await runGenerate(server, { options: { numberOfImages: 2 } });
		expect(seedsSent()).toEqual([undefined, undefined]);
	});

	test('Number of Images keeps the seed 0 if it means a random seed', async () => {
		await runGenerate(server, {
			model: 'step-2x-large',
			options: { numberOfImages: 3, seed: 0 },
		});
		expect(seedsSent()).toEqual([0, 0, 0]);
	});

	test('Several Images As puts the files into data_1, data_2 and so on of one item', async () => {
		const { items } = await runGenerate(server, {
			options: { numberOfImages: 2, seed: 7, severalImagesAs: 'fields' },
		});
		expect(items).toHaveLength(1);
		expect(Object.keys(items[0].binary ?? {})).toEqual(['data_1', 'data_2']);
		expect(items[0].json.images).toMatchObject([
			{ seed: 7, field: 'data_1' },
			{ seed: 8, field: 'data_2' },
		]);
		for (const [index, image] of (items[0].json.images as Array<{ id: string }>).entries()) {
			const bytes = await bytesOf(items[0].binary?.[`data_${index + 1}`]);
			expect(bytes.equals(server.images.get(image.id)!)).toBe(true);
		}
	});

	test('Several Images As keeps the shape of the combined item if one of two images fails', async () => {
		server.setFaults([{ when: { nth: 2 }, fault: { status: 400 } }]);
		const { items } = await runGenerate(
			server,
			{ options: { numberOfImages: 2, severalImagesAs: 'fields' } },
			{ onError: 'continueRegularOutput', credential: { concurrentRequests: 1 } },
		);
		expect(items[0].json.images).toMatchObject([{ variation: 1, field: 'data_1' }]);
		expect(Object.keys(items[0].binary ?? {})).toEqual(['data_1']);
		expect(items[1].json.error).toBe('The service refused the request: Fault 400');
	});

	test.each([0, 21, 1.5, 'many'])('Number of Images refuses %p', async (numberOfImages) => {
		const { error } = await runGenerate(server, { options: { numberOfImages } as never });
		expect(error?.message).toBe(
			`'Number of Images' must be a whole number from 1 to 20, but is ${numberOfImages}`,
		);
		expect(server.requests).toEqual([]);
	});

	test('Number of Images keeps the successful images if another one fails', async () => {
		server.setFaults([{ when: { nth: 2 }, fault: { status: 451 } }]);
		const { items } = await runGenerate(
			server,
			{ options: { numberOfImages: 3 } },
			{ onError: 'continueRegularOutput' },
		);
		expect(items).toHaveLength(3);
		expect(items.filter(({ binary }) => binary)).toHaveLength(2);
		expect(items[2].json.error).toContain('Moderation refused');
		expect(items.map(({ pairedItem }) => pairedItem)).toEqual(Array(3).fill({ item: 0 }));
	});
});
