import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { version } from '../../package.json';
import { readArguments } from '../kit/readArguments.cts';
import { installInN8n } from './install.cts';
import { packPackage } from './pack.cts';

const USAGE = `Usage: npm run install-in-n8n -- [options]

  --user-folder FOLDER  the folder of n8n's .n8n folder (default: N8N_USER_FOLDER, else your home folder)
`;

async function main(): Promise<void> {
	const options = readArguments(USAGE, { 'user-folder': { type: 'string' } });
	if (!options) return;
	const userFolder = options['user-folder'] ?? process.env.N8N_USER_FOLDER ?? homedir();
	const workFolder = await mkdtemp(join(tmpdir(), 'stepfun-image-pack-'));
	try {
		const nodesFolder = await installInN8n(await packPackage(workFolder), userFolder);
		console.log(`StepFun Image ${version} is installed in ${nodesFolder}. Restart n8n to load it.`);
	} finally {
		await rm(workFolder, { recursive: true, force: true });
	}
}

main().catch((error: Error) => {
	console.error(`StepFun Image was not installed. ${error.message}`);
	process.exitCode = 1;
});
