import { startCommandLine } from './commandLine.cts';
import { startStepFunServer, type StepFunServer, type StepFunServerOptions } from './server.cts';
import {
	edit,
	filePart,
	generate,
	GENERATION,
	get,
	inputImage,
	postJson,
	until,
} from './testRequests.cts';

const servers: StepFunServer[] = [];

afterEach(async () => {
	await Promise.all(servers.splice(0).map(async (server) => await server.close()));
});

async function start(options: StepFunServerOptions): Promise<StepFunServer> {
	const server = await startStepFunServer({ drawing: 'once', ...options });
	servers.push(server);
	return server;
}

const SMALL = { model: 'step-2x-large', size: '256x256' };
const other = { Authorization: 'Bearer other-key' };

async function many(server: StepFunServer, count: number) {
	return await Promise.all(
		Array.from({ length: count }, async () => await generate(server, SMALL)),
	);
}

function count(replies: Array<{ status: number }>, status: number): number {
	return replies.filter((reply) => reply.status === status).length;
}

test('over the concurrency limit: 429, without Retry-After', async () => {
	const server = await start({ concurrency: 3, latencyMs: 150 });
	const replies = await many(server, 8);
	expect([count(replies, 200), count(replies, 429)]).toEqual([3, 5]);
	const refused = replies.find(({ status }) => status === 429);
	expect(refused?.body.error?.type).toBe('rate_limit_exceeded');
	expect(refused?.headers.has('retry-after')).toBe(false);
	expect([server.maxInFlight, server.rejected429, server.billed.length]).toEqual([3, 5, 3]);
	expect(count(await many(server, 3), 200)).toBe(3);
});

test('at the concurrency limit, a client that waits for its responses is never refused', async () => {
	const server = await start({ concurrency: 4 });
	const lane = async () => {
		const statuses: number[] = [];
		for (let nth = 0; nth < 25; nth++) statuses.push((await generate(server, SMALL)).status);
		return statuses;
	};
	const statuses = await Promise.all([lane(), lane(), lane(), lane()]);
	expect(new Set(statuses.flat())).toEqual(new Set([200]));
	expect(server.billed).toHaveLength(100);
});

test('the 429 of the concurrency limit can carry Retry-After', async () => {
	const server = await start({ concurrency: 1, latencyMs: 100, retryAfter: 3 });
	const refused = (await many(server, 2)).find(({ status }) => status === 429);
	expect(refused?.headers.get('retry-after')).toBe('3');
});

test('a request the client gave up and one that was refused free their place', async () => {
	const server = await start({ concurrency: 1, faults: [{ times: 1, fault: { hang: true } }] });
	const client = new AbortController();
	const body = JSON.stringify({ ...GENERATION, ...SMALL });
	const headers = {
		Authorization: 'Bearer local-stepfun-key',
		'Content-Type': 'application/json',
	};
	const given = fetch(`${server.url}/images/generations`, {
		method: 'POST',
		headers,
		body,
		signal: client.signal,
	});
	void until(() => server.requests.length > 0).then(() => client.abort());
	await expect(given).rejects.toThrow();
	let status = 429;
	// What was given up leaves its place a moment later.
	while (status === 429) ({ status } = await generate(server, { steps: 0 }));
	expect(status).toBe(400);
	expect((await generate(server, SMALL)).status).toBe(200);
});

test('limits count per key, free requests not at all', async () => {
	const server = await start({
		keys: ['local-stepfun-key', 'other-key'],
		requestsPer: { count: 1, windowMs: 60_000 },
	});
	const post = async (headers = {}) =>
		(await postJson(server, 'images/generations', { ...GENERATION, ...SMALL }, headers)).status;
	expect((await get(server, 'models')).status).toBe(200);
	expect([await post(), await post(), await post(other), await post(other)]).toEqual([
		200, 429, 200, 429,
	]);
	expect((await get(server, 'models')).status).toBe(200);
});

test('over the requests of a window: 429 with the seconds left; then a new window', async () => {
	const server = await start({ requestsPer: { count: 2, windowMs: 1300 } });
	const replies = [...(await many(server, 2)), ...(await many(server, 2))];
	expect(replies.map(({ status }) => status)).toEqual([200, 200, 429, 429]);
	const seconds = Number(replies[2].headers.get('retry-after'));
	expect([1, 2]).toContain(seconds);
	await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
	expect(count(await many(server, 3), 200)).toBe(2);
	expect(server.rejected429).toBe(3);
});

test('latency by number of the request', async () => {
	const server = await start({ latencyMs: (nth) => (nth === 2 ? 3_000 : 0) });
	const timed = async () => {
		const begin = performance.now();
		await generate(server, SMALL);
		return performance.now() - begin;
	};
	await timed();
	expect(await timed()).toBeGreaterThan(2_900);
	expect(await timed()).toBeLessThan(2_900);
});

test("a failure of the server's own is a 500 that says so", async () => {
	const server = await start({
		latencyMs: () => {
			throw new Error('no latency today');
		},
	});
	const { status, body } = await generate(server, SMALL);
	expect([status, body.error?.message]).toEqual([
		500,
		'The local server failed: Error: no latency today',
	]);
});

test('charges the price of each picture, and responds with 402 when the balance is used up', async () => {
	const server = await start({ balance: { voucher: 0.03, cash: 0.11 } });
	const image = filePart(await inputImage(64, 64));
	expect((await generate(server, { prompt: 'one', seed: 1 })).status).toBe(200);
	expect((await edit(server, { image, prompt: 'two', seed: '2' })).status).toBe(200);
	expect(await (await get(server, 'accounts')).json()).toMatchObject({
		balance: 0.1,
		total_cash_balance: 0.11,
		total_voucher_balance: 0.03,
	});
	expect((await generate(server, SMALL)).status).toBe(200);
	const { status, body } = await generate(server);
	expect([status, body.error?.type]).toEqual([402, 'insufficient_balance']);
	expect(server.balance).toBe(0);
	expect(server.billed).toMatchObject([
		{ path: '/v1/images/generations', operation: 'generate', prompt: 'one', seed: 1, price: 0.02 },
		{ path: '/v1/images/edits', operation: 'edit', prompt: 'two', seed: 2, price: 0.02 },
		{ model: 'step-2x-large', price: 0.1 },
	]);
	server.reset();
	expect([server.balance, server.billed.length, server.requests.length]).toEqual([0.14, 0, 0]);
});

test('a postpaid account is never used up, and prices can be set', async () => {
	const server = await start({
		balance: { type: 'postpaid' },
		prices: { 'step-2x-large': 2.5 },
	});
	expect((await generate(server, SMALL)).status).toBe(200);
	expect([server.balance, server.billed[0].price]).toEqual([-2.5, 2.5]);
});

test('a response the client did not wait for is charged', async () => {
	const server = await start({ latencyMs: 120 });
	const client = new AbortController();
	const given = fetch(`${server.url}/images/generations`, {
		method: 'POST',
		headers: { Authorization: 'Bearer local-stepfun-key', 'Content-Type': 'application/json' },
		body: JSON.stringify({ ...GENERATION, ...SMALL }),
		signal: client.signal,
	});
	void until(() => server.requests.length > 0).then(() => client.abort());
	await expect(given).rejects.toThrow();
	await until(() => server.billed.length > 0);
	expect(server.requests).toMatchObject([{ aborted: true, billed: true }]);
	expect(server.billed).toHaveLength(1);
});

test('the command line starts the server, prints where it is and stops on SIGTERM', async () => {
	const server = await startCommandLine(['--concurrency', '2']);
	expect(server.printed.join('\n')).toMatch(/API Key\s+local-stepfun-key/);
	expect((await generate(server, SMALL)).status).toBe(200);
	expect(await server.stop()).toBe(0);
	expect(server.printed.at(-1)).toMatch(/^POST \/v1\/images\/generations {2}200 {2}\d+ ms$/);
});

test('SIGTERM ends the command line at once, also with a request in work', async () => {
	const server = await startCommandLine(['--latency', '60000', '--requests-per-minute', '1']);
	const replies = [generate(server, SMALL), generate(server, SMALL)];
	const ended = Promise.allSettled(replies);
	// The other one is in work, and refused it.
	expect((await Promise.race(replies)).status).toBe(429);
	expect(await server.stop()).toBe(0);
	expect((await ended).filter(({ status }) => status === 'rejected')).toHaveLength(1);
});
