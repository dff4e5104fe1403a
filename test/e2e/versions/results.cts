import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import type { N8nInstallation } from '../../n8n/install.cts';
import type { RealRuns } from './realRuns.cts';
import type { SuiteResult } from './unitSuite.cts';

/** What one release of n8n was found to do, as results.json keeps it. */
export interface VersionResult extends RealRuns {
	n8n: string;
	n8nCore: string;
	/** The Node.js that everything ran on. */
	node: string;
	tests: SuiteResult;
}

/** The versions of an installation: of n8n, of its engine, and of the Node.js that it runs on. */
export async function versionsOf({
	n8nScript,
	nodeBinary,
}: N8nInstallation): Promise<Pick<VersionResult, 'n8n' | 'n8nCore' | 'node'>> {
	const fromN8n = createRequire(n8nScript);
	const versionOf = (file: string) => (fromN8n(file) as { version: string }).version;
	const { stdout } = await promisify(execFile)(nodeBinary, ['--version']);
	return {
		n8n: versionOf('../package.json'),
		n8nCore: versionOf('n8n-core/package.json'),
		node: stdout.trim().replace(/^v/, ''),
	};
}
