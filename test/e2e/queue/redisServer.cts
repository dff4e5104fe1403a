import { execFile, spawn } from 'node:child_process';
import { mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { endProcess, findFreePort } from '../../n8n/instance.cts';
import { findProgram } from './debianProgram.cts';
import { waitFor } from '../../kit/waitFor.cts';

/** A running Redis of this run's own. */
export interface RedisServer {
	port: number;
	/** All that every client said since the start, as text. */
	monitorFile: string;
	/** Writes what Redis holds into its folder, uncompressed. */
	save(): Promise<void>;
	stop(): Promise<void>;
}

/** Starts Redis on a free port with its files in this folder, and notes down every command it is given. */
export async function startRedis(folder: string): Promise<RedisServer> {
	const server = await findProgram('redis-server', 'redis-server');
	const client = await findProgram('redis-cli', 'redis-tools');
	const port = await findFreePort();
	await mkdir(folder);
	const log = await open(join(folder, 'redis.log'), 'w');
	const child = spawn(
		server,
		[
			...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
			// A compressed key would not be found.
			...['--save', '', '--rdbcompression', 'no'],
		],
		{ stdio: ['ignore', log.fd, log.fd] },
	);
	await log.close();
	const command = async (...words: string[]) =>
		(await promisify(execFile)(client, ['-p', String(port), ...words])).stdout.trim();
	try {
		await waitFor(
			'a response of Redis',
			async () => (await command('ping').catch(() => '')) === 'PONG',
		);
	} catch (error) {
		await endProcess(child);
		throw error;
	}

	const monitorFile = join(folder, 'monitor.log');
	const monitorLog = await open(monitorFile, 'w');
	const monitor = spawn(client, ['-p', String(port), 'monitor'], {
		stdio: ['ignore', monitorLog.fd, 'ignore'],
	});
	await monitorLog.close();
	const stop = async () => {
		await Promise.all([endProcess(child), endProcess(monitor)]);
	};
	try {
		await waitFor("Redis's monitor", async () => (await stat(monitorFile)).size > 0);
	} catch (error) {
		await stop();
		throw error;
	}
	return { port, monitorFile, save: async () => void (await command('save')), stop };
}
