import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { readArguments, usageError } from '../kit/readArguments.cts';
import { withCleanUp } from '../n8n/cleanUp.cts';
import { installN8n } from '../n8n/install.cts';
import { packPackage } from '../package/pack.cts';
import type { Suite, TestContext } from './suite.cts';
import { ON_REQUEST, SUITES } from './suites.cts';

const USAGE = `Usage: npm run e2e -- [options]

  --only SUITES  run these suites, separated by commas (default: all but ${ON_REQUEST.join(', ')})
  --save         write the measurements into the repository

Suites:
${Object.entries(SUITES)
	.map(([name, { title }]) => `  ${name.padEnd(10)} ${title}\n`)
	.join('')}`;

type Log = (line: string) => void;

/** Runs one suite in a folder of its own, and undoes what it set up. */
async function runSuite(
	{ run }: Suite,
	packed: Pick<TestContext, 'installation' | 'tarball' | 'save'>,
	log: Log,
): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'stepfun-image-e2e-'));
	await withCleanUp(async (cleanUp) => {
		cleanUp(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
		await run({ ...packed, folder, log, cleanUp });
	});
}

function choose(only: string | undefined): Array<[string, Suite]> {
	const all = Object.entries(SUITES);
	if (only === undefined) return all.filter(([name]) => !ON_REQUEST.includes(name));
	const names = only.split(',');
	const unknown = names.filter((name) => !(name in SUITES));
	if (unknown.length > 0) {
		throw usageError(`There is no suite '${unknown.join("', '")}'`, USAGE);
	}
	return all.filter(([name]) => names.includes(name));
}

async function main(): Promise<void> {
	const options = readArguments(USAGE, {
		only: { type: 'string' },
		save: { type: 'boolean', default: false },
	});
	if (!options) return;
	const suites = choose(options.only);
	const startedAt = Date.now();
	const log: Log = (line) =>
		console.log(`[${String(Math.round((Date.now() - startedAt) / 1000)).padStart(4)} s] ${line}`);

	const packFolder = await mkdtemp(join(tmpdir(), 'stepfun-image-packed-'));
	try {
		const packed = {
			installation: await installN8n(log),
			tarball: await packPackage(packFolder),
			save: options.save,
		};
		const failed: string[] = [];
		for (const [name, suite] of suites) {
			log(`--- ${name}: ${suite.title}`);
			try {
				await runSuite(suite, packed, (line) => log(`${name}: ${line}`));
				log(`ok      ${name}`);
			} catch (error) {
				failed.push(name);
				log(`FAILED  ${name}: ${inspect(error)}`);
			}
		}
		if (failed.length > 0) throw new Error(`${failed.join(', ')} of ${suites.length} suites`);
		log(`All ${suites.length} suites hold: ${suites.map(([name]) => name).join(', ')}`);
	} finally {
		await rm(packFolder, { recursive: true, force: true });
	}
}

main().catch((error: Error) => {
	console.error(`\nThe end-to-end run failed. ${error.message}`);
	process.exitCode = 1;
});
