import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer, request, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A server that passes requests on, whatever host they name. */
export interface Forwarder {
	origin: string;
	/** The addresses that were asked for, as they arrived: a proxy is sent whole ones, a server paths. */
	readonly asked: string[];
	stop(): Promise<void>;
}

/**
 * Starts a forwarder on a free port of the loopback interface.
 *
 * @param upstream where everything goes
 * @param tlsFolder takes a certificate that the server signs itself; without it, the server speaks plain HTTP
 */
export async function startForwarder(upstream: string, tlsFolder?: string): Promise<Forwarder> {
	const asked: string[] = [];
	const forward: RequestListener = (incoming, response) => {
		const { method, headers, url = '/' } = incoming;
		asked.push(url);
		const { pathname, search } = new URL(url, upstream);
		const outgoing = request(`${upstream}${pathname}${search}`, { method, headers }, (received) => {
			response.writeHead(received.statusCode ?? 502, received.headers);
			received.pipe(response);
		});
		outgoing.on('error', () => response.destroy());
		incoming.pipe(outgoing);
	};
	const server = tlsFolder
		? createTlsServer(await createCertificate(tlsFolder), forward)
		: createServer(forward);
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const { port } = server.address() as AddressInfo;
	return {
		origin: `${tlsFolder ? 'https' : 'http'}://127.0.0.1:${port}`,
		asked,
		stop: async () => {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}

/** A self-signed certificate for this machine. OpenSSL comes with Debian's PostgreSQL. */
async function createCertificate(folder: string): Promise<{ key: Buffer; cert: Buffer }> {
	await mkdir(folder);
	const [keyFile, certificateFile] = ['key.pem', 'certificate.pem'].map((name) =>
		join(folder, name),
	);
	await promisify(execFile)('openssl', [
		...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=127.0.0.1'],
		...['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certificateFile],
	]);
	return { key: await readFile(keyFile), cert: await readFile(certificateFile) };
}
