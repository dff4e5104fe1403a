import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

import { runGenerate } from '../kit/localRuns.cts';

// A connection that never came about has carried no request, so that nothing can have been charged.

test('A connection that breaks before its TLS is there is tried again also where an image might be paid', async () => {
	let connections = 0;
	const server = createServer((socket) => {
		connections++;
		socket.on('error', () => undefined);
		socket.destroy();
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as AddressInfo;
	const { error } = await runGenerate(
		{ url: `https://127.0.0.1:${port}/v1` },
		{ options: { maxTries: 3 } },
		{ credential: { apiFormat: 'openai', apiKey: 'key-of-a-broken-tls' } },
	);
	server.close();
	expect(connections).toBe(3);
	expect(error?.description).toContain('Tried 3 times.');
	expect(error?.description).toContain('nothing was charged');
});

test('A server that knows no HTTPS is tried once, and nothing was charged', async () => {
	let connections = 0;
	const server = createServer((socket) => {
		connections++;
		socket.on('error', () => undefined);
		socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as AddressInfo;
	const { error } = await runGenerate(
		{ url: `https://127.0.0.1:${port}/v1` },
		{ options: { maxTries: 3 } },
		{ credential: { apiKey: 'key-of-a-server-without-tls' } },
	);
	server.close();
	expect(connections).toBe(1);
	expect(error?.description).toContain('does not support HTTPS');
	expect(error?.description).toContain('nothing was charged');
});
