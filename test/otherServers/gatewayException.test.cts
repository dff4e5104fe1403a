import { runGenerate } from '../kit/localRuns.cts';
import { startHostileServer, type HostileServer } from '../kit/hostileServer.cts';

let server: HostileServer;
beforeEach(async () => (server = await startHostileServer()));
afterEach(async () => await server.close());

const answer500 = async (headers: Record<string, string>) => {
	server.attackWith((_request, response) => {
		response.writeHead(500, headers).end('{"status":"failure","message":"Something went wrong"}');
	});
	return await runGenerate(server, { options: { maxTries: 3 } });
};

test('A gateway that fails over an answer, behind which an image was made, is asked once more at most', async () => {
	const { error } = await answer500({ 'x-portkey-gateway-exception': 'true' });
	expect(error?.httpCode).toBe('500');
	expect(server.requests).toHaveLength(2);
});

test('A server that fails itself is asked as often as Max Tries says', async () => {
	await answer500({});
	expect(server.requests).toHaveLength(3);
});
