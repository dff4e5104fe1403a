import { runGenerate } from '../kit/localRuns.cts';
import { LOCAL_API_KEY, startStepFunServer } from '../stepfun-server/server.cts';

const ROWS = 1_000;

test('Every row of a large run gets its own image, however early the first ones are finished', async () => {
	const apiKey = `${LOCAL_API_KEY}-own-images`;
	const server = await startStepFunServer({ drawing: 'once', keys: [apiKey], balance: 100_000 });
	try {
		const { items, error } = await runGenerate(
			server,
			{ output: 'url' },
			{
				items: Array.from({ length: ROWS }, (_, row) => ({ row })),
				credential: { apiKey, concurrentRequests: 50 },
			},
		);
		expect(error?.message).toBeUndefined();
		expect(server.billed).toHaveLength(ROWS);
		expect(new Set(items.map(({ json }) => json.id)).size).toBe(ROWS);
	} finally {
		await server.close();
	}
});
