import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startN8n, startN8nWorker, type N8nInstance, type N8nWorker } from '../../n8n/instance.cts';
import type { TestContext } from '../suite.cts';
import { startPostgres, type PostgresServer } from './postgresServer.cts';
import { startRedis, type RedisServer } from './redisServer.cts';

/** A running n8n in queue mode, and what it stands on. */
export interface QueueMode {
	main: N8nInstance;
	redis: RedisServer;
	postgres: PostgresServer;
	/** Starts workers that run this many executions at once each. */
	startWorkers(names: string[], concurrency: number): Promise<Worker[]>;
}

/** A worker, and what its log tells. */
export interface Worker extends N8nWorker {
	name: string;
	/** The ids of the executions that it began, and of those that it came to the end of. */
	readExecutions(): Promise<{ started: string[]; finished: string[] }>;
}

/**
 * How soon the queue notices that a worker is gone; n8n's defaults are 60, 10 and 30 seconds. Less would take a worker
 * on a busy machine for dead.
 */
const LOCK_SETTINGS = {
	QUEUE_WORKER_LOCK_DURATION: '20000',
	QUEUE_WORKER_LOCK_RENEW_TIME: '2000',
	QUEUE_WORKER_STALLED_INTERVAL: '5000',
};

/**
 * Starts Redis, PostgreSQL and n8n's main instance in queue mode, with binary data in the database. Main and workers
 * have a user folder each, as they have in containers, and the package in each.
 */
export async function startQueueMode(
	{ installation, tarball, folder, cleanUp }: TestContext,
	environment: Record<string, string>,
): Promise<QueueMode> {
	const redis = await startRedis(join(folder, 'redis'));
	cleanUp(() => redis.stop());
	const postgres = await startPostgres(join(folder, 'postgres'));
	cleanUp(() => postgres.stop());

	const shared = {
		...postgres.environment,
		// n8n's default of 2 is little for ten executions that store images in the database.
		DB_POSTGRESDB_POOL_SIZE: '10',
		...LOCK_SETTINGS,
		...environment,
		EXECUTIONS_MODE: 'queue',
		QUEUE_BULL_REDIS_HOST: '127.0.0.1',
		QUEUE_BULL_REDIS_PORT: String(redis.port),
		N8N_ENCRYPTION_KEY: randomBytes(16).toString('hex'),
		N8N_DEFAULT_BINARY_DATA_MODE: 'database',
	};
	async function optionsFor(name: string) {
		const userFolder = join(folder, name);
		await mkdir(userFolder);
		return { installation, tarball, userFolder, filesFolder: userFolder, environment: shared };
	}
	async function startWorker(name: string, concurrency: number): Promise<Worker> {
		const worker = await startN8nWorker(await optionsFor(name), concurrency);
		cleanUp(() => worker.stop());
		return {
			...worker,
			name,
			async readExecutions() {
				const log = await readFile(worker.logFile, 'utf8');
				const find = (what: string) =>
					[...log.matchAll(new RegExp(`Worker ${what} execution (\\d+)`, 'g'))].map(([, id]) => id);
				return { started: find('started'), finished: find('finished') };
			},
		};
	}

	// The main instance makes the tables, so it goes first.
	const main = await startN8n(await optionsFor('main'));
	cleanUp(() => main.stop());
	return {
		main,
		redis,
		postgres,
		async startWorkers(names, concurrency) {
			// All are waited for, so that each one that comes up is stopped at the end, too.
			const outcomes = await Promise.allSettled(
				names.map(async (name) => await startWorker(name, concurrency)),
			);
			return outcomes.map((outcome) => {
				if (outcome.status === 'rejected') throw outcome.reason;
				return outcome.value;
			});
		},
	};
}
