import { spawn } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import {
	DEFAULT_RELEASE,
	installationFolder,
	installationManifest,
	nodePackage,
	type N8nRelease,
} from './releases.cts';

/** A real n8n, and the Node.js it runs on, which is newer than the one this repository needs. */
export interface N8nInstallation {
	/** The folder of package.json and node_modules. */
	folder: string;
	/** The Node.js program. */
	nodeBinary: string;
	/** n8n's command line program, to be run by that Node.js. */
	n8nScript: string;
	/** This process's environment, with that Node.js found first. */
	environment: NodeJS.ProcessEnv;
}

const PROGRESS_EVERY_MS = 20_000;

/**
 * Installs a release of n8n, or finds it installed. The first time takes some minutes and about 2.3 GB of disk.
 *
 * @param log called before steps that take time
 * @param release without it the default one, in .n8n-install/
 */
export async function installN8n(
	log: (line: string) => void,
	release: N8nRelease = DEFAULT_RELEASE,
): Promise<N8nInstallation> {
	const folder = installationFolder(release);
	const stampFile = join(folder, 'installed');
	const manifest = `${JSON.stringify(installationManifest(release), null, 2)}\n`;
	// A native module is compiled for one platform.
	const stamp = `${process.platform} ${process.arch}, before ${release.before}\n${manifest}`;

	if (!existsSync(stampFile) || (await readFile(stampFile, 'utf8')) !== stamp) {
		log(`Installing n8n ${release.version} into ${folder}: some minutes and about 2.3 GB, once.`);
		// What another version left behind would decide which packages npm takes.
		await rm(folder, { recursive: true, force: true, maxRetries: 3 });
		await mkdir(folder, { recursive: true });
		await writeFile(join(folder, 'package.json'), manifest);
		// n8n's dependencies hold 16 install scripts; all but that of sqlite3 are for features which are not used here.
		await runWithProgress(
			'Downloading n8n',
			'npm',
			[
				'install',
				`--before=${release.before}`,
				'--ignore-scripts',
				'--legacy-peer-deps',
				'--no-audit',
				'--no-fund',
			],
			{ folder, environment: withHeapLimit(process.env), log },
		);
		await buildDatabaseDriver(folder, release, log);
		await writeFile(stampFile, stamp);
		log('n8n is installed.');
	}

	return {
		folder,
		n8nScript: join(folder, 'node_modules/n8n/bin/n8n'),
		...findNode(folder, release),
	};
}

/**
 * With --before, npm reads the whole history of every package, and keeps up to 3.4 GB of it unless it has to be frugal.
 */
function withHeapLimit(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
	const { NODE_OPTIONS = '' } = environment;
	return { ...environment, NODE_OPTIONS: `${NODE_OPTIONS} --max-old-space-size=1500`.trim() };
}

function findNode(
	folder: string,
	release: N8nRelease,
): Pick<N8nInstallation, 'nodeBinary' | 'environment'> {
	const installed = findNodePackage(folder, release);
	if (installed) {
		const binFolder = join(installed, 'bin');
		return {
			nodeBinary: join(binFolder, 'node'),
			environment: { ...process.env, PATH: `${binFolder}${delimiter}${process.env.PATH}` },
		};
	}
	const wanted = readWantedNode(folder);
	if (wanted.isRunning) return { nodeBinary: process.execPath, environment: process.env };
	throw new Error(
		`n8n needs Node.js ${wanted.range}, which npm does not offer for ${process.platform} ${process.arch}. ` +
			'Run this with such a Node.js.',
	);
}

/** The versions of Node.js that the installed n8n asks for, and whether this process's is one of them. */
function readWantedNode(folder: string): { range: string; isRunning: boolean } {
	const fromN8n = createRequire(join(folder, 'node_modules/n8n/package.json'));
	const { engines } = fromN8n('./package.json') as { engines: { node: string } };
	const { satisfies } = fromN8n('semver') as {
		satisfies(version: string, range: string): boolean;
	};
	return { range: engines.node, isRunning: satisfies(process.versions.node, engines.node) };
}

function findNodePackage(folder: string, release: N8nRelease): string | undefined {
	const wanted = nodePackage(release);
	return wanted && join(folder, 'node_modules', wanted.name);
}

/** n8n's database driver comes as C++ source; a ready-made binary is downloaded where GitHub can be reached. */
async function buildDatabaseDriver(
	folder: string,
	release: N8nRelease,
	log: (line: string) => void,
): Promise<void> {
	if (await copyDatabaseDriver(folder)) return;
	const { environment } = findNode(folder, release);
	const nodeFolder = findNodePackage(folder, release);
	const headers = nodeFolder && existsSync(join(nodeFolder, 'include/node'));
	try {
		await runWithProgress(
			"Building n8n's database driver (sqlite3)",
			'npm',
			[
				'rebuild',
				'sqlite3',
				'--ignore-scripts=false',
				...(headers ? [`--nodedir=${nodeFolder}`] : []),
			],
			{ folder, environment, log },
		);
	} catch (error) {
		const missing = await findMissingBuildTools();
		if (missing.length === 0) throw error;
		throw new Error(
			`sqlite3, n8n's database driver, could not be built: ${missing.join(', ')} missing. ` +
				'On Debian or Ubuntu: apt-get install python3 make g++',
			{ cause: error },
		);
	}
}

/**
 * Takes the driver that was built for the default n8n, which is of use to every Node.js, since it uses Node-API alone.
 * False where there is none, or one of another version.
 */
async function copyDatabaseDriver(folder: string): Promise<boolean> {
	const [built, wanted] = [installationFolder(DEFAULT_RELEASE), folder].map((each) =>
		join(each, 'node_modules/sqlite3'),
	);
	const binary = 'build/Release/node_sqlite3.node';
	if (built === wanted || !existsSync(join(built, binary))) return false;
	const [builtVersion, wantedVersion] = await Promise.all(
		[built, wanted].map(
			async (each) =>
				(JSON.parse(await readFile(join(each, 'package.json'), 'utf8')) as { version: string })
					.version,
		),
	);
	if (builtVersion !== wantedVersion) return false;
	await mkdir(join(wanted, 'build/Release'), { recursive: true });
	await copyFile(join(built, binary), join(wanted, binary));
	return true;
}

async function findMissingBuildTools(): Promise<string[]> {
	const missing: string[] = [];
	for (const tool of ['python3', 'make', 'g++']) {
		const found = await new Promise<boolean>((resolveFound) => {
			spawn(tool, ['--version'], { stdio: 'ignore' })
				.on('error', () => resolveFound(false))
				.on('exit', (code) => resolveFound(code === 0));
		});
		if (!found) missing.push(tool);
	}
	return missing;
}

interface RunOptions {
	folder: string;
	environment: NodeJS.ProcessEnv;
	log: (line: string) => void;
}

/** Runs a program which says nothing useful for minutes; its output goes to a file and is shown when it fails. */
async function runWithProgress(
	title: string,
	command: string,
	args: string[],
	{ folder, environment, log }: RunOptions,
): Promise<void> {
	const startedAt = Date.now();
	const elapsed = () => `${Math.round((Date.now() - startedAt) / 1000)} s`;
	const output: string[] = [];
	const logFile = createWriteStream(join(folder, 'install.log'), { flags: 'a' });

	log(`${title} ...`);
	const ticker = setInterval(() => log(`${title} ... ${elapsed()}`), PROGRESS_EVERY_MS);
	try {
		const code = await new Promise<number | null>((resolveCode, reject) => {
			const child = spawn(command, args, { cwd: folder, env: environment });
			for (const stream of [child.stdout, child.stderr]) {
				stream.on('data', (chunk: Buffer) => {
					output.push(chunk.toString());
					logFile.write(chunk);
				});
			}
			child.on('error', reject);
			child.on('close', resolveCode);
		});
		if (code !== 0) {
			const lastLines = output.join('').split('\n').slice(-30).join('\n');
			throw new Error(`${title} failed (${command} ${args.join(' ')}):\n${lastLines}`);
		}
	} finally {
		clearInterval(ticker);
		logFile.end();
	}
	log(`${title}: done after ${elapsed()}`);
}
