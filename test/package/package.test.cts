import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { ICredentialType, INodeTypeDescription, Themed } from 'n8n-workflow';
import packageJson from '../../package.json';
import { checkPackedFiles, packPackage } from './pack.cts';

const run = promisify(execFile);

const REPOSITORY = resolve(__dirname, '../..');

/** Of the modules that n8n's rule no-restricted-imports permits, those which n8n or Node.js itself provides here. */
const ALLOWED_MODULES = ['n8n-workflow', 'node:crypto'];

/** Facts of package.json that n8n's verification, or an installation inside n8n, depends on. */
describe('package.json', () => {
	it('depends only on n8n-workflow, which n8n has', () => {
		expect(packageJson).not.toHaveProperty('dependencies');
		expect(packageJson).not.toHaveProperty('optionalDependencies');
		expect(packageJson).not.toHaveProperty('bundledDependencies');
		expect(packageJson).not.toHaveProperty('overrides');
		expect(packageJson.peerDependencies).toEqual({ 'n8n-workflow': '*' });
	});

	it('runs no script when it is installed', () => {
		const lifecycle = ['preinstall', 'install', 'postinstall', 'prepare', 'prepack', 'postpack'];
		expect(Object.keys(packageJson.scripts).filter((name) => lifecycle.includes(name))).toEqual([]);
	});

	it('is found as a community package and asks for the strict rules', () => {
		expect(packageJson.name).toMatch(/^n8n-nodes-/);
		expect(packageJson.keywords).toContain('n8n-community-node-package');
		expect(packageJson.license).toBe('MIT');
		expect(packageJson.n8n.n8nNodesApiVersion).toBe(1);
		expect(packageJson.n8n.strict).toBe(true);
	});

	it('publishes only dist/', () => {
		expect(packageJson.files).toEqual(['dist']);
	});

	it('lists every node and credential of the sources', async () => {
		const sources = [
			...(await readdir(join(REPOSITORY, 'nodes'), { recursive: true }))
				.filter((file) => file.endsWith('.node.ts'))
				.map((file) => `nodes/${file}`),
			...(await readdir(join(REPOSITORY, 'credentials')))
				.filter((file) => file.endsWith('.credentials.ts'))
				.map((file) => `credentials/${file}`),
		];
		const listed = [...packageJson.n8n.nodes, ...packageJson.n8n.credentials];
		expect(listed.sort()).toEqual(
			sources.map((file) => `dist/${file.replace(/\.ts$/, '.js')}`).sort(),
		);
	});
});

describe('the packed package', () => {
	let workFolder: string;
	let tarball: string;
	let packageFolder: string;
	let files: string[];

	beforeAll(async () => {
		workFolder = await mkdtemp(join(tmpdir(), 'stepfun-image-package-'));
		tarball = await packPackage(workFolder);
		// The layout of n8n's folder for community packages.
		packageFolder = join(workFolder, 'node_modules', packageJson.name);
		await mkdir(packageFolder, { recursive: true });
		await run('tar', ['-xzf', tarball, '-C', packageFolder, '--strip-components=1']);
		files = (await readdir(packageFolder, { recursive: true, withFileTypes: true }))
			.filter((entry) => entry.isFile())
			.map((entry) => join(entry.parentPath, entry.name).slice(packageFolder.length + 1));
	}, 60_000);

	afterAll(async () => {
		await rm(workFolder, { recursive: true, force: true });
	});

	it('contains the code, its metadata and its documents, and is small', async () => {
		expect(files).toEqual(
			expect.arrayContaining([
				'LICENSE',
				'README.md',
				'package.json',
				...packageJson.n8n.nodes,
				...packageJson.n8n.credentials,
				'dist/nodes/StepFunImage/actions/index.js',
				'dist/nodes/StepFunImage/StepFunImage.node.json',
				'dist/nodes/StepFunImage/__schema__/v1.0.0/image/edit.json',
				'dist/nodes/StepFunImage/__schema__/v1.0.0/image/generate.json',
				'dist/nodes/StepFunImage/__schema__/v1.0.0/image/imageToImage.json',
			]),
		);
		expect(files.filter((file) => /\.(ts|map|tsbuildinfo)$/.test(file))).toEqual([]);
		expect((await stat(tarball)).size).toBeLessThan(90_000);
	});

	it('is not accepted if another build has removed code while it was packed', () => {
		const withoutCode = files.filter((file) => !file.endsWith('.js')).map((path) => ({ path }));
		expect(() => checkPackedFiles(withoutCode)).toThrow(
			/lacks dist\/nodes\/StepFunImage\/StepFunImage\.node\.js, .*Another build/,
		);
	});

	it('requires nothing that n8n forbids in a verified package', async () => {
		for (const file of files.filter((name) => name.endsWith('.js'))) {
			const code = await readFile(join(packageFolder, file), 'utf8');
			const required = [...code.matchAll(/\brequire\(["']([^"']+)["']\)/g)].map(([, name]) => name);
			const packed = (name: string) => files.includes(join(dirname(file), name));
			expect(required.filter((name) => !ALLOWED_MODULES.includes(name) && !packed(name))).toEqual(
				[],
			);
		}
	});

	it('is loaded by n8n with its node, its credential and their icons', async () => {
		const { stdout } = await run(
			process.execPath,
			[
				'--require',
				'tsx/cjs',
				join(__dirname, 'loadLikeN8n.cts'),
				join(workFolder, 'node_modules'),
			],
			// n8n sets NODE_PATH too, so that community packages find the n8n-workflow of n8n.
			{
				env: {
					...process.env,
					NODE_ENV: 'production',
					NODE_PATH: join(REPOSITORY, 'node_modules'),
				},
				maxBuffer: 10_000_000,
			},
		);
		const [loaded, ...others] = JSON.parse(stdout) as Array<{
			packageName: string;
			nodes: INodeTypeDescription[];
			credentials: ICredentialType[];
		}>;
		expect(others).toEqual([]);
		expect(loaded.packageName).toBe(packageJson.name);
		expect(loaded.nodes.map(({ name }) => name)).toEqual(['stepFunImage']);
		expect(loaded.credentials.map(({ name }) => name)).toEqual(['stepFunApi']);
		for (const { iconUrl } of [...loaded.nodes, ...loaded.credentials]) {
			const icons = iconUrl as Extract<Themed<string>, object>;
			for (const icon of [icons.light, icons.dark]) {
				expect(
					existsSync(join(packageFolder, icon.replace(`icons/${packageJson.name}/`, ''))),
				).toBe(true);
			}
		}
	}, 30_000);
});

describe('npm run install-in-n8n', () => {
	it('puts the package where n8n looks for community packages', async () => {
		const userFolder = await mkdtemp(join(tmpdir(), 'stepfun-image-install-'));
		try {
			const { stdout } = await run(
				'npm',
				['run', '--silent', 'install-in-n8n', '--', '--user-folder', userFolder],
				{ cwd: REPOSITORY },
			);
			expect(stdout).toContain('Restart n8n to load it.');
			const installed = join(userFolder, '.n8n/nodes/node_modules', packageJson.name);
			const missing = [...packageJson.n8n.nodes, ...packageJson.n8n.credentials].filter(
				(file) => !existsSync(join(installed, file)),
			);
			expect(missing).toEqual([]);
		} finally {
			await rm(userFolder, { recursive: true, force: true });
		}
	}, 60_000);
});
