import { deepStrictEqual } from 'node:assert';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { installN8n, type N8nInstallation } from '../n8n/install.cts';
import { OTHER_RELEASES } from '../n8n/releases.cts';
import type { Suite, TestContext } from './suite.cts';
import { runInN8n } from './versions/realRuns.cts';
import { versionsOf, type VersionResult } from './versions/results.cts';
import { runUnitSuite } from './versions/unitSuite.cts';

const RESULTS_FILE = resolve(__dirname, 'versions/results.json');

async function tryRelease(
	installation: N8nInstallation,
	{ folder, tarball, cleanUp, log }: TestContext,
): Promise<VersionResult> {
	const found = await versionsOf(installation);
	const name = `n8n ${found.n8n} (n8n-core ${found.n8nCore}, Node.js ${found.node})`;
	log(`Starting ${name}`);
	const userFolder = join(folder, found.n8n);
	await mkdir(userFolder);
	const runs = await runInN8n(installation, tarball, userFolder, cleanUp);
	log(`${runs.operations.join(', ')} did what they should in ${name}`);
	const tests = await runUnitSuite(installation, userFolder);
	log(`${tests.passed} tests passed and ${tests.skipped.length} were skipped on ${name}`);
	return { ...found, ...runs, tests };
}

/** Fails unless these releases do what results.json says they did. */
async function compareWithSaved(results: VersionResult[]): Promise<void> {
	const saved = JSON.parse(await readFile(RESULTS_FILE, 'utf8')) as VersionResult[];
	// Tests that pass grow in number with every change of the suite; one that is skipped is named.
	const expected = ({ n8n, n8nCore, operations, temporaryLink, tests }: VersionResult) => ({
		n8n,
		n8nCore,
		operations,
		temporaryLink,
		skipped: tests.skipped,
	});
	deepStrictEqual(
		results.map(expected),
		saved.map(expected),
		`${RESULTS_FILE} says something else; if the change is right, run this with --save`,
	);
}

/** The package on n8n 1.85.4 and on n8n 2.41.1. */
export const versionsSuite: Suite = {
	title: 'the package loads and runs on n8n 1.85.4 and 2.41.1, and the unit suite passes',
	async run(testContext) {
		const results: VersionResult[] = [];
		for (const release of OTHER_RELEASES) {
			const installation = await installN8n(testContext.log, release);
			results.push(await tryRelease(installation, testContext));
		}
		if (testContext.save) {
			await writeFile(RESULTS_FILE, `${JSON.stringify(results, null, '\t')}\n`);
			testContext.log(`Wrote ${RESULTS_FILE}; "npm run readme" makes the table of it`);
		} else await compareWithSaved(results);
	},
};
