import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { N8nInstallation } from '../../n8n/install.cts';
import { endProcess, findFreePort } from '../../n8n/instance.cts';
import { waitFor } from '../../kit/waitFor.cts';

const FOLDER = resolve(__dirname, '../../../.portkey-gateway-install');
const SCRIPT = join(FOLDER, 'node_modules/@portkey-ai/gateway/build/start-server.js');
const LOOPBACK_ONLY = join(__dirname, 'loopbackOnly.cjs');

/**
 * The release, and the HTTP server below it. From 1.14.2 of the latter on, the gateway responds with 500 to whatever it
 * passes through unchanged, after the server behind it has responded (Portkey-AI/gateway, issue 1389). npm picks a newer
 * one by itself.
 */
const MANIFEST = JSON.stringify({
	private: true,
	dependencies: { '@portkey-ai/gateway': '1.15.2' },
	overrides: { '@hono/node-server': '1.14.1' },
});

/** A running Portkey gateway. */
export interface PortkeyGateway {
	origin: string;
	/** The addresses that it listens on, as Linux tells. */
	listeningOn(): Promise<string[]>;
	stop(): Promise<void>;
}

/** Installs the gateway by exact version into a folder of its own, or finds it there. Takes about 25 MB. */
export async function installPortkeyGateway(log: (line: string) => void): Promise<void> {
	const stampFile = join(FOLDER, 'installed');
	if (existsSync(stampFile) && (await readFile(stampFile, 'utf8')) === MANIFEST) return;
	log(`Installing the Portkey gateway into ${FOLDER}`);
	await rm(FOLDER, { recursive: true, force: true });
	await mkdir(FOLDER);
	await writeFile(join(FOLDER, 'package.json'), MANIFEST);
	const options = ['--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund'];
	await promisify(execFile)('npm', ['install', ...options], { cwd: FOLDER });
	await writeFile(stampFile, MANIFEST);
}

/**
 * Starts the gateway on a free port of the loopback interface, without its console, which would show every request's
 * headers.
 *
 * @param folder takes its log
 */
export async function startPortkeyGateway(
	folder: string,
	{ nodeBinary }: Pick<N8nInstallation, 'nodeBinary'>,
): Promise<PortkeyGateway> {
	const port = await findFreePort();
	const log = await open(join(folder, 'gateway.log'), 'w');
	const child = spawn(
		nodeBinary,
		['--require', LOOPBACK_ONLY, SCRIPT, '--headless', `--port=${port}`],
		// It would take a proxy, keys and hosts that it may reach from the environment.
		{ stdio: ['ignore', log.fd, log.fd], env: { PATH: process.env.PATH } },
	);
	await log.close();
	const origin = `http://127.0.0.1:${port}`;
	try {
		await waitFor('a response of the gateway', async () => {
			if (child.exitCode !== null) throw new Error(`The gateway ended with ${child.exitCode}`);
			return (await fetch(origin).catch(() => undefined))?.ok ?? false;
		});
	} catch (error) {
		await endProcess(child);
		throw error;
	}
	return {
		origin,
		listeningOn: () => listeningAddresses(port),
		stop: () => endProcess(child),
	};
}

/** Local addresses, in hexadecimal, of the sockets that wait for connections on a port. */
async function listeningAddresses(port: number): Promise<string[]> {
	const tables = await Promise.all(
		['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
	);
	const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
	return tables
		.flatMap((table) => table.split('\n').slice(1))
		.map((line) => line.trim().split(/\s+/))
		.filter(([, local = '', , state]) => state === '0A' && local.endsWith(suffix))
		.map(([, local]) => local.slice(0, -suffix.length));
}
