import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Installs a packed community package in the way that n8n documents for an installation by hand:
 * https://docs.n8n.io/integrations/community-nodes/installation-and-management/manual-installation/
 *
 * @param userFolder the folder of n8n's .n8n folder
 * @param environment decides which npm is used
 * @returns the folder that n8n loads its community packages from
 */
export async function installInN8n(
	tarball: string,
	userFolder: string,
	environment: NodeJS.ProcessEnv = process.env,
): Promise<string> {
	const nodesFolder = join(userFolder, '.n8n/nodes');
	const manifest = join(nodesFolder, 'package.json');
	await mkdir(nodesFolder, { recursive: true });
	// Without it npm would look for a project in the folders above.
	if (!existsSync(manifest)) await writeFile(manifest, '{}');
	// npm notes where a package came from and looks there again with every later installation.
	const kept = join(nodesFolder, basename(tarball));
	await copyFile(tarball, kept);
	await promisify(execFile)(
		'npm',
		// n8n brings n8n-workflow itself, so, like n8n's own installer, leave the peer dependency alone.
		['install', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', kept],
		{ cwd: nodesFolder, env: environment },
	);
	return nodesFolder;
}
