import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

import { runGenerate } from '../kit/localRuns.cts';
import { TUNNELS_THROUGH_PROXY } from '../kit/n8nDifferences.cts';

// A connection that never came about has carried no request, so that nothing can have been charged.

afterEach(() => jest.restoreAllMocks());

/** Generates an image at an https:// address behind which there is no TLS. Returns the error and the connections. */
async function generateWithoutTls(
	end: (socket: Socket) => void,
	credential: Record<string, string>,
) {
	let connections = 0;
	const server = createServer((socket) => {
		connections++;
		socket.on('error', () => undefined);
		end(socket);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as AddressInfo;
	const { error } = await runGenerate(
		{ url: `https://127.0.0.1:${port}/v1` },
		{ options: { maxTries: 3 } },
		{ credential },
	);
	server.close();
	return { error, connections };
}

test('A connection that breaks before TLS is established is retried even if an image might be paid for', async () => {
	const { error, connections } = await generateWithoutTls((socket) => socket.destroy(), {
		apiFormat: 'openai',
		apiKey: 'key-of-a-broken-tls',
	});
	expect(connections).toBe(3);
	expect(error?.description).toContain('Tried 3 times.');
	expect(error?.description).toContain('nothing was charged');
});

test('A server without HTTPS is tried once, and nothing is charged', async () => {
	const { error, connections } = await generateWithoutTls(
		(socket) => socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
		{ apiKey: 'key-of-a-server-without-tls' },
	);
	expect(connections).toBe(1);
	expect(error?.description).toContain('does not support HTTPS');
	expect(error?.description).toContain('nothing was charged');
});

(TUNNELS_THROUGH_PROXY ? test : test.skip).each([
	['', 'Proxy connection ended before receiving CONNECT response'],
	['CONNECTED\r\n no colon\r\n\r\n', 'Invalid header from proxy CONNECT response'],
])('A proxy that answers %j instead of opening the connection is asked again', async (...row) => {
	const [answer, reason] = row;
	let connections = 0;
	const proxy = createServer((socket) => {
		connections++;
		socket.on('error', () => undefined);
		socket.once('data', () => socket.end(answer));
	});
	proxy.listen(0, '127.0.0.1');
	await once(proxy, 'listening');
	const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
	jest.replaceProperty(process, 'env', { ...process.env, HTTPS_PROXY: address });
	const { error } = await runGenerate(
		{ url: 'https://images.invalid/v1' },
		{ options: { maxTries: 2 } },
		{ credential: { apiFormat: 'openai', apiKey: `key-behind-a-proxy-${answer.length}` } },
	);
	proxy.close();
	expect(connections).toBe(2);
	expect(error?.message).toContain(reason);
	expect(error?.description).toContain('nothing was charged');
});
