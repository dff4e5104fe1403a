import { spawn } from 'node:child_process';
import { existsSync, watchFile, unwatchFile } from 'node:fs';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import packageJson from '../../package.json';
import { readArguments } from '../kit/readArguments.cts';
import { withCleanUp, type CleanUp } from '../n8n/cleanUp.cts';
import { CREDENTIAL_TYPE, NODE_TYPE, prepareExample } from '../n8n/example.cts';
import { installN8n } from '../n8n/install.cts';
import { endProcess, startN8n, type N8nInstance } from '../n8n/instance.cts';
import { LOCAL_API_KEY } from '../stepfun-server/server.cts';
import { inputImage } from '../stepfun-server/testRequests.cts';
import { startWatchedServer } from './watchedServer.cts';

const USAGE = `Usage: npm run dev -- [options]

  --port N          port of n8n (default 5678)
  --stepfun-port N  port of the StepFun test server (default 8787)

n8n's data stay in .n8n-dev/ until you remove that folder.
`;

const REPOSITORY = resolve(__dirname, '../..');
const USER_FOLDER = join(REPOSITORY, '.n8n-dev');
const FILES_FOLDER = join(USER_FOLDER, 'files');
const PACKAGE_FOLDER = join(USER_FOLDER, '.n8n/nodes/node_modules', packageJson.name);
const MANIFEST = join(REPOSITORY, 'package.json');
const OWNER = { email: 'owner@dev.example', password: 'Development-1' };
const BUILD_TIMEOUT_MS = 60_000;

function log(line: string): void {
	console.log(`[dev] ${line}`);
}

/** Builds into n8n's folder, now and after every change. n8n notices new builds by itself. */
async function startBuild(cleanUp: CleanUp): Promise<void> {
	await mkdir(PACKAGE_FOLDER, { recursive: true });
	await copyFile(MANIFEST, join(PACKAGE_FOLDER, 'package.json'));
	const built = packageJson.n8n.nodes.map((file) => join(PACKAGE_FOLDER, file));
	const child = spawn(join(REPOSITORY, 'node_modules/.bin/gulp'), ['watch', '--silent'], {
		cwd: REPOSITORY,
		env: { ...process.env, DIST_FOLDER: join(PACKAGE_FOLDER, 'dist') },
		stdio: ['ignore', 'inherit', 'inherit'],
	});
	cleanUp(() => endProcess(child));
	// gulp begins with removing what an earlier run built.
	await sleep(1000);
	const deadline = Date.now() + BUILD_TIMEOUT_MS;
	while (!built.every((file) => existsSync(file))) {
		if (Date.now() > deadline) throw new Error('the build did not come to an end');
		await sleep(100);
	}
}

/**
 * Gives a new n8n a credential for the test server, all examples, and photos for edit-folder. In the example of an agent,
 * developers choose the credential of their own chat model.
 */
async function furnish(n8n: N8nInstance, stepFunUrl: string): Promise<void> {
	const credential = await n8n.createCredential(CREDENTIAL_TYPE, 'StepFun test server', {
		service: 'custom',
		baseUrl: stepFunUrl,
		apiKey: LOCAL_API_KEY,
	});
	const photosFolder = join(FILES_FOLDER, 'photos');
	await mkdir(photosFolder, { recursive: true });
	for (const name of ['lamp', 'teapot', 'shoes']) {
		await writeFile(join(photosFolder, `${name}.jpg`), await inputImage(1024, 768, 'jpeg'));
	}
	const files = await readdir(join(REPOSITORY, 'examples'));
	for (const file of files.filter((name) => name.endsWith('.json'))) {
		const workflow = await prepareExample(basename(file, '.json'), {
			credentials: { [CREDENTIAL_TYPE]: credential },
			filesFolder: FILES_FOLDER,
		});
		await n8n.createWorkflow(workflow);
	}
}

async function main(): Promise<void> {
	const options = readArguments(USAGE, {
		port: { type: 'string', default: '5678' },
		'stepfun-port': { type: 'string', default: '8787' },
	});
	if (!options) return;
	const interrupted = new Promise<void>((resolveInterrupt) => {
		process.once('SIGINT', resolveInterrupt);
		process.once('SIGTERM', resolveInterrupt);
	});
	await withCleanUp(async (cleanUp) => {
		const isNew = !existsSync(join(USER_FOLDER, '.n8n/database.sqlite'));
		await mkdir(FILES_FOLDER, { recursive: true });
		const stepFunUrl = await startWatchedServer(Number(options['stepfun-port']), cleanUp);
		const installation = await installN8n(log);
		await startBuild(cleanUp);

		const start = async () =>
			await startN8n({
				installation,
				userFolder: USER_FOLDER,
				filesFolder: FILES_FOLDER,
				port: Number(options.port),
				owner: OWNER,
				environment: {
					// The same with every start, as it has to open the stored credentials.
					N8N_ENCRYPTION_KEY: 'of-no-secret-but-test-keys',
					N8N_DEV_RELOAD: 'true',
				},
			});
		log('Starting n8n');
		let n8n = await start();
		cleanUp(() => n8n.stop());
		if (!(await n8n.listNodeTypes()).includes(NODE_TYPE)) {
			throw new Error(`n8n did not load ${NODE_TYPE}; ${join(USER_FOLDER, 'n8n.log')} says why`);
		}
		if (isNew) await furnish(n8n, stepFunUrl);

		let restarting = Promise.resolve();
		watchFile(MANIFEST, { interval: 1000 }, () => {
			restarting = restarting.then(async () => {
				log('package.json changed: restarting n8n');
				await copyFile(MANIFEST, join(PACKAGE_FOLDER, 'package.json'));
				await n8n.stop();
				n8n = await start();
				log('n8n is back');
			});
		});
		cleanUp(async () => unwatchFile(MANIFEST));
		cleanUp(() => restarting);

		log(`n8n:   ${n8n.url}   login ${OWNER.email}, password ${OWNER.password}`);
		log(`StepFun test server:   ${stepFunUrl}`);
		log('Edit nodes/ and credentials/: n8n reloads them, and the editor after a refresh.');
		log('Edit test/stepfun-server/: the server restarts. Edit package.json: n8n restarts.');
		log('Ctrl+C ends everything; .n8n-dev/ keeps your workflows.');
		await interrupted;
	});
}

main().catch((error: Error) => {
	console.error(`\n[dev] ${error.message}`);
	process.exitCode = 1;
});
