import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { endProcess, findFreePort } from '../../n8n/instance.cts';
import { findProgram } from './debianProgram.cts';
import { waitFor } from '../../kit/waitFor.cts';

const run = promisify(execFile);

const HOST = '127.0.0.1';
const USER = 'n8n';
const DATABASE = 'postgres';
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** A running PostgreSQL of this run's own. */
export interface PostgresServer {
	/** The environment variables for n8n. */
	environment: Record<string, string>;
	/** Asks the database; returns the rows. */
	query<Row>(sql: string): Promise<Row[]>;
	/** Writes the whole database as text. */
	dump(file: string): Promise<void>;
	stop(): Promise<void>;
}

/** Starts PostgreSQL with a fresh database on a free port, with its files in this folder. */
export async function startPostgres(folder: string): Promise<PostgresServer> {
	const [initdb, postgres] = await Promise.all(
		['initdb', 'postgres'].map(async (name) => await findProgram(name, 'postgresql')),
	);
	const [psql, pgDump] = await Promise.all(
		['psql', 'pg_dump'].map(async (name) => await findProgram(name, 'postgresql-client')),
	);
	const user = await findServerUser();
	const password = randomBytes(16).toString('hex');
	const passwordFile = join(folder, 'password');
	await mkdir(folder);
	await writeFile(passwordFile, password, { mode: 0o600 });
	if (user) {
		await chown(folder, user.uid, user.gid);
		await chown(passwordFile, user.uid, user.gid);
		// The user of the server has to get through to its own folder.
		await chmod(dirname(folder), 0o711);
	}
	const data = join(folder, 'data');
	const options = { cwd: folder, ...user };
	await run(
		initdb,
		[
			...['--pgdata', data, '--username', USER, '--pwfile', passwordFile],
			...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C', '--no-sync'],
		],
		options,
	);
	const port = await findFreePort();
	const log = await open(join(folder, 'postgres.log'), 'w');
	const child = spawn(
		postgres,
		// Only the network, since the folder of sockets belongs to the system.
		['-D', data, '-h', HOST, '-p', String(port), '-k', '', '-c', 'fsync=off'],
		{ ...options, stdio: ['ignore', log.fd, log.fd] },
	);
	await log.close();

	const connection = {
		env: { ...process.env, PGPASSWORD: password },
		maxBuffer: MAX_OUTPUT_BYTES,
	};
	const address = ['-h', HOST, '-p', String(port), '-U', USER, '-d', DATABASE];
	async function query<Row>(sql: string): Promise<Row[]> {
		const asJson = `select coalesce(json_agg(found), '[]') from (${sql}) found`;
		const { stdout } = await run(psql, [...address, '-At', '-c', asJson], connection);
		return JSON.parse(stdout) as Row[];
	}
	// A fast shutdown: no waiting for clients to leave.
	const stop = async () => await endProcess(child, 'SIGINT');
	try {
		await waitFor('a response of PostgreSQL', async () =>
			query('select 1').then(
				() => true,
				() => false,
			),
		);
	} catch (error) {
		await stop();
		throw error;
	}

	return {
		environment: {
			DB_TYPE: 'postgresdb',
			DB_POSTGRESDB_HOST: HOST,
			DB_POSTGRESDB_PORT: String(port),
			DB_POSTGRESDB_USER: USER,
			DB_POSTGRESDB_PASSWORD: password,
			DB_POSTGRESDB_DATABASE: DATABASE,
		},
		query,
		dump: async (file) => void (await run(pgDump, [...address, '-f', file], connection)),
		stop,
	};
}

/** PostgreSQL refuses to run as root, so root runs it as the user that Debian made for it. */
async function findServerUser(): Promise<{ uid: number; gid: number } | undefined> {
	if (process.getuid?.() !== 0) return undefined;
	const idOf = async (option: string) => Number((await run('id', [option, 'postgres'])).stdout);
	return { uid: await idOf('-u'), gid: await idOf('-g') };
}
