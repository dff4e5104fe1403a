import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { N8nInstallation } from '../n8n/install.cts';
import { startN8n } from '../n8n/instance.cts';
import type { LoadResult } from './results.cts';

const run = promisify(execFile);
const NODE_TYPE = 'n8n-nodes-stepfun-image.stepFunImage';
const START_TIMEOUT_MS = 120_000;

/** What measuring the load takes. */
export interface LoadSetup {
	installation: N8nInstallation;
	tarball: string;
	/** An empty folder. */
	folder: string;
	/** n8n starts with the package, and as many without. */
	starts: number;
	/** Fresh processes that load the package outside n8n. */
	loads: number;
}

/**
 * Measures what the package adds to n8n's start. The difference of two starts of some seconds drowns in their own
 * spread, so the loading is also measured alone, in fresh processes that have loaded n8n-core, as n8n has by then.
 */
export async function measureLoad(setup: LoadSetup): Promise<LoadResult> {
	const { installation, tarball, folder } = setup;
	const userFolder = await mkdtemp(join(folder, 'load-'));
	const n8n = await startN8n({ installation, tarball, userFolder, filesFolder: folder });
	// Started again just like this, but timed.
	const environment = await readEnvironment(n8n.pid);
	await n8n.stop();

	const packages = join(userFolder, '.n8n/nodes');
	const elsewhere = join(userFolder, 'nodes-elsewhere');
	const starts: LoadResult['starts'] = { with: [], without: [] };
	for (let count = 0; count < setup.starts; count++) {
		starts.with.push(await timeStart(installation, environment, true));
		await rename(packages, elsewhere);
		await mkdir(packages);
		starts.without.push(await timeStart(installation, environment, false));
		await rename(packages, join(userFolder, `empty-${count}`));
		await rename(elsewhere, packages);
	}

	const installed = join(packages, 'node_modules/n8n-nodes-stepfun-image');
	const script = join(folder, 'time-load.cjs');
	await writeFile(script, LOAD_SCRIPT);
	const time = async (what: 'require' | 'loader') => {
		const times: number[] = [];
		for (let count = 0; count < setup.loads; count++) {
			const { stdout } = await run(
				installation.nodeBinary,
				[script, installation.n8nScript, installed, what],
				// n8n too makes its own packages found from wherever a community package lies.
				{
					env: {
						...installation.environment,
						NODE_PATH: join(installation.folder, 'node_modules'),
					},
				},
			);
			times.push(Number(stdout));
		}
		return times;
	};
	return {
		starts,
		require: await time('require'),
		loader: await time('loader'),
		tarballBytes: (await stat(tarball)).size,
	};
}

/** One time per process, since a second would find everything loaded. */
const LOAD_SCRIPT = `
const { createRequire } = require('node:module');
const { join } = require('node:path');
const [n8nScript, installed, what] = process.argv.slice(2);
const fromN8n = createRequire(n8nScript);
fromN8n('n8n-workflow');
const { PackageDirectoryLoader } = fromN8n('n8n-core');
async function main() {
	const startedAt = performance.now();
	if (what === 'require') require(join(installed, 'dist/nodes/StepFunImage/StepFunImage.node.js'));
	else await new PackageDirectoryLoader(installed).loadAll();
	process.stdout.write(String(performance.now() - startedAt));
}
main();
`;

async function readEnvironment(pid: number): Promise<Record<string, string>> {
	const lines = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0').filter(Boolean);
	return Object.fromEntries(
		lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
	);
}

/** Milliseconds from starting the process to its list of nodes, which must or must not have ours. */
async function timeStart(
	{ nodeBinary, n8nScript }: N8nInstallation,
	environment: Record<string, string>,
	isInstalled: boolean,
): Promise<number> {
	const url = `http://localhost:${environment.N8N_PORT}`;
	const startedAt = performance.now();
	const child = spawn(nodeBinary, [n8nScript, 'start'], {
		cwd: environment.N8N_USER_FOLDER,
		env: environment,
		stdio: 'ignore',
	});
	const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
	try {
		while (performance.now() - startedAt < START_TIMEOUT_MS) {
			const ready = await fetch(`${url}/healthz/readiness`).catch(() => undefined);
			if (ready?.ok) {
				const elapsed = performance.now() - startedAt;
				await checkListed(environment, isInstalled);
				return elapsed;
			}
			await sleep(10);
		}
		throw new Error('n8n did not start');
	} finally {
		child.kill('SIGTERM');
		const killer = setTimeout(() => child.kill('SIGKILL'), 10_000);
		await gone;
		clearTimeout(killer);
	}
}

/** n8n writes the list that its editor gets into a file before it says that it is ready. */
async function checkListed(environment: Record<string, string>, isInstalled: boolean) {
	const cache = join(environment.N8N_USER_FOLDER, '.cache/n8n/public/types/nodes.json');
	const list = await readFile(cache, 'utf8').catch(() => '');
	const isListed = list.includes(`"${NODE_TYPE}"`);
	if (list !== '' && isListed !== isInstalled) {
		throw new Error(`${NODE_TYPE} is ${isListed ? '' : 'not '}listed`);
	}
}
