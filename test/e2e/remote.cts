import { execFile } from 'node:child_process';
import { deepStrictEqual, match, rejects } from 'node:assert';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { EXPECTED_RUNS } from '../examples/checks.cts';
import { startN8n, type N8nInstance } from '../n8n/instance.cts';
import type { Suite } from './suite.cts';

const REPOSITORY = resolve(__dirname, '../..');

/** What CONTRIBUTING.md says that a key needs. */
const SCOPES = [
	...['create', 'read', 'delete', 'activate', 'deactivate'].map((scope) => `workflow:${scope}`),
	...['create', 'read', 'delete'].map((scope) => `credential:${scope}`),
	...['read', 'list'].map((scope) => `execution:${scope}`),
];

/** A key of the instance's public API, as its owner makes one in the settings. */
async function createApiKey(n8n: N8nInstance): Promise<string> {
	const { rawApiKey } = await n8n.request<{ rawApiKey: string }>('POST', '/rest/api-keys', {
		label: 'Demo and examples',
		scopes: SCOPES,
		expiresAt: null,
	});
	return rawApiKey;
}

/** Runs an npm script of this repository; returns what it printed. */
async function runScript(script: string, url: string, apiKey: string): Promise<string> {
	const { stdout } = await promisify(execFile)(
		'npm',
		['run', '--silent', script, '--', '--n8n', url],
		{ cwd: REPOSITORY, env: { ...process.env, N8N_API_KEY: apiKey } },
	);
	return stdout;
}

async function countLeftOvers(n8n: N8nInstance): Promise<number[]> {
	const left = await Promise.all([
		n8n.request<unknown[]>('GET', '/rest/workflows'),
		n8n.request<unknown[]>('GET', '/rest/credentials'),
	]);
	return left.map(({ length }) => length);
}

/** The demo and the examples in an n8n that is already running. */
export const remoteSuite: Suite = {
	title: 'npm run demo and npm run examples use a running n8n through its API, and tidy up there',
	async run({ installation, tarball, folder, cleanUp, log }) {
		const filesFolder = join(folder, 'files');
		await mkdir(filesFolder);
		const n8n = await startN8n({
			installation,
			tarball,
			userFolder: folder,
			filesFolder,
			// n8n 3's default. It concerns the installation from the editor, not a package that is installed.
			environment: { N8N_UNVERIFIED_PACKAGES_ENABLED: 'false' },
		});
		cleanUp(() => n8n.stop());
		const apiKey = await createApiKey(n8n);

		match(await runScript('demo', n8n.url, apiKey), /8 images of 4 products/);
		const expectedRuns = EXPECTED_RUNS.filter(({ withoutFolder }) => !withoutFolder).length;
		const printed = await runScript('examples', n8n.url, apiKey);
		match(printed, new RegExp(` ${expectedRuns} runs of \\d+ examples did what they should`));
		deepStrictEqual(await countLeftOvers(n8n), [0, 0]);
		log('The demo and the examples ran, and left neither a workflow nor a credential behind');

		await rejects(runScript('demo', n8n.url, 'wrong'), /responded to GET .* with 401/);
	},
};
