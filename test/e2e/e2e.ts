import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { withCleanUp } from '../n8n/clean-up';
import { installN8n } from '../n8n/install';
import { packPackage } from '../package/pack';
import type { Part, Surroundings } from './suite';
import { PARTS } from './suites';

type Log = (line: string) => void;

/** Runs one part in a folder of its own, and undoes what it set up. */
async function runPart(
	{ run }: Part,
	packed: Pick<Surroundings, 'installation' | 'tarball' | 'save'>,
	log: Log,
): Promise<void> {
	const folder = await mkdtemp(join(tmpdir(), 'stepfun-image-e2e-'));
	await withCleanUp(async (cleanUp) => {
		cleanUp(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
		await run({ ...packed, folder, log, cleanUp });
	});
}

function choose(only: string | undefined): Array<[string, Part]> {
	const all = Object.entries(PARTS);
	if (only === undefined) return all;
	const names = only.split(',');
	const unknown = names.filter((name) => !(name in PARTS));
	if (unknown.length > 0) {
		throw new Error(`No part ${unknown.join(', ')}. There are: ${Object.keys(PARTS).join(', ')}`);
	}
	return all.filter(([name]) => names.includes(name));
}

async function main(): Promise<void> {
	const { values: options } = parseArgs({
		options: { only: { type: 'string' }, save: { type: 'boolean', default: false } },
	});
	const parts = choose(options.only);
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
		for (const [name, part] of parts) {
			log(`--- ${name}: ${part.title}`);
			try {
				await runPart(part, packed, (line) => log(`${name}: ${line}`));
				log(`ok      ${name}`);
			} catch (error) {
				failed.push(name);
				log(`FAILED  ${name}: ${inspect(error)}`);
			}
		}
		if (failed.length > 0) throw new Error(`${failed.join(', ')} of ${parts.length} parts`);
		log(`All ${parts.length} parts hold: ${parts.map(([name]) => name).join(', ')}`);
	} finally {
		await rm(packFolder, { recursive: true, force: true });
	}
}

main().catch((error: Error) => {
	console.error(`\nThe end-to-end run failed. ${error.message}`);
	process.exitCode = 1;
});
