import { runGenerate } from '../kit/localRuns.cts';
import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';

let server: HostileServer;
beforeEach(async () => (server = await startHostileServer()));
afterEach(async () => await server.close());

const respondWith500 = async (headers: Record<string, string>) => {
	server.attackWith((_request, response) => {
		response.writeHead(500, headers).end('{"status":"failure","message":"Something went wrong"}');
	});
	return await runGenerate(server, { options: { maxTries: 3 } });
};

test('A gateway that fails after an image was made is tried at most once more', async () => {
	const { error } = await respondWith500({ 'x-portkey-gateway-exception': 'true' });
	expect(error?.httpCode).toBe('500');
	expect(error?.description).toContain('Try again later. The image may have been charged.');
	expect(error?.description).not.toContain('came late');
	expect(server.requests).toHaveLength(2);
});

test('A server that fails itself is tried up to Max Tries', async () => {
	await respondWith500({});
	expect(server.requests).toHaveLength(3);
});
