import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { N8nInstallation } from '../../n8n/install.cts';

/** What became of the tests that run the node. */
export interface SuiteResult {
	passed: number;
	/** Tests of what this n8n does not have, by name. */
	skipped: string[];
}

interface JestReport {
	numPassedTests: number;
	testResults: Array<{
		name: string;
		message: string;
		assertionResults: Array<{ fullName: string; status: string; failureMessages: string[] }>;
	}>;
}

/**
 * Runs the tests of the node in the engine of an n8n, on its Node.js.
 *
 * @param installation the n8n
 * @param folder takes the report
 * @throws when a test fails or does not run
 */
export async function runUnitSuite(
	{ folder: n8nFolder, nodeBinary, environment }: N8nInstallation,
	folder: string,
): Promise<SuiteResult> {
	const reportFile = join(folder, 'jest.json');
	const jest = createRequire(__filename).resolve('jest/bin/jest');
	const config = resolve(__dirname, 'jest.config.js');
	const output: Buffer[] = [];
	const code = await new Promise<number | null>((resolveCode, reject) => {
		const child = spawn(
			nodeBinary,
			[jest, '--config', config, '--forceExit', '--silent', '--json', `--outputFile=${reportFile}`],
			{ env: { ...environment, N8N_FOLDER: n8nFolder }, stdio: ['ignore', 'ignore', 'pipe'] },
		);
		child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
		child.on('error', reject);
		child.on('close', resolveCode);
	});
	if (code !== 0) {
		const text = Buffer.concat(output).toString();
		throw new Error(`The unit suite failed (jest ended with ${code}):\n${text.slice(-20_000)}`);
	}
	const report = JSON.parse(await readFile(reportFile, 'utf8')) as JestReport;
	const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
	if (report.numPassedTests === 0) throw new Error('The unit suite ran no test');
	return {
		passed: report.numPassedTests,
		// Jest runs the files in another order each time.
		skipped: tests
			.filter(({ status }) => status === 'pending')
			.map(({ fullName }) => fullName)
			.sort(),
	};
}
