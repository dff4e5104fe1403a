'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const esbuild = require('esbuild');
const { dest, parallel, series, src, watch: watchFiles } = require('gulp');
const packageJson = require('./package.json');

/** npm run dev sets this to build into a folder of n8n instead of dist/. */
const DIST = process.env.DIST_FOLDER ?? 'dist';

const ICONS = 'icons/*.{svg,png}';
const NODE_METADATA = ['nodes/**/*.node.json', 'nodes/**/__schema__/**/*.json'];

/** Runs a program with its output on the console. Rejects if the program fails. */
function run(command, args, options = {}) {
	return new Promise((resolve, reject) => {
		const child = spawn(command, args, { stdio: 'inherit', ...options });
		child.on('error', reject);
		child.on('exit', (code, signal) =>
			code === 0
				? resolve()
				: reject(new Error(`${command} ${args[0]} ended with ${signal ?? code}`)),
		);
	});
}

/** Runs a program of a development dependency. */
function runTool(name, args, options) {
	return run(path.join(__dirname, 'node_modules', '.bin', name), args, options);
}

function clean() {
	return fs.rm(DIST, { recursive: true, force: true });
}

/** Checks the sources as `n8n-node build` compiles them, then everything, including the tests. */
async function typecheck() {
	await runTool('tsc', ['--noEmit']);
	await runTool('tsc', ['--project', 'test/tsconfig.json']);
}

/** The actions have a file of their own: n8n loads the node at its start, and the actions when the node is first used. */
const separateActions = {
	name: 'separate-actions',
	setup(build) {
		build.onResolve({ filter: /^\.\/actions\/index\.js$/ }, ({ path: file }) => ({
			path: file,
			external: true,
		}));
	},
};

/**
 * Bundles each node and credential with its imports into one file, because a verified community package must not have
 * dependencies. The code is not minified, so that reviewers can read it.
 */
const bundleOptions = {
	entryPoints: [
		...[...packageJson.n8n.nodes, ...packageJson.n8n.credentials].map((file) =>
			file.replace(/^dist\//, '').replace(/\.js$/, '.ts'),
		),
		'nodes/StepFunImage/actions/index.ts',
	],
	plugins: [separateActions],
	// A require(), because n8n clears only the cache of require() when it reloads a node.
	supported: { 'dynamic-import': false },
	outdir: DIST,
	outbase: '.',
	bundle: true,
	format: 'cjs',
	platform: 'node',
	target: 'node20',
	// n8n provides it. A second copy would break instanceof checks on its error classes.
	external: ['n8n-workflow'],
	legalComments: 'inline',
};

async function bundle() {
	const { metafile } = await esbuild.build({
		...bundleOptions,
		metafile: true,
		logLevel: 'warning',
	});
	await writeThirdPartyLicenses(Object.keys(metafile.inputs));
}

/** The licenses of bundled packages require their text to be included. */
async function writeThirdPartyLicenses(bundledFiles) {
	const folders = bundledFiles.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
	const texts = [];
	for (const folder of [...new Set(folders)].filter(Boolean).sort()) {
		const { name, version } = JSON.parse(
			await fs.readFile(path.join(folder, 'package.json'), 'utf8'),
		);
		const licenseFile = (await fs.readdir(folder)).find((file) => /^licen[cs]e/i.test(file));
		if (!licenseFile) throw new Error(`${name} is bundled but carries no license text`);
		const text = await fs.readFile(path.join(folder, licenseFile), 'utf8');
		texts.push(`${name} ${version}\n\n${text.trim()}\n`);
	}
	if (texts.length > 0) {
		await fs.writeFile(
			path.join(DIST, 'THIRD-PARTY-LICENSES.txt'),
			texts.join(`\n${'-'.repeat(72)}\n\n`),
		);
	}
}

function copyIcons() {
	return src(ICONS, { encoding: false }).pipe(dest(path.join(DIST, 'icons')));
}

/** Codex files (category, aliases, links), and the output schemas that the editor shows before the first run. */
function copyNodeMetadata() {
	return src(NODE_METADATA, { base: '.' }).pipe(dest(DIST));
}

/** Edit and Image to Image have the output of Generate, so its schema is theirs too. */
async function copySharedSchemas() {
	const folder = 'nodes/StepFunImage/__schema__/v1.0.0/image';
	await fs.mkdir(path.join(DIST, folder), { recursive: true });
	for (const operation of ['edit', 'imageToImage']) {
		const copy = path.join(DIST, folder, `${operation}.json`);
		await fs.copyFile(path.join(folder, 'generate.json'), copy);
	}
}

const copyMetadata = parallel(copyNodeMetadata, copySharedSchemas);

/** Rebuilds whenever a source changes, until the process ends. */
async function watch() {
	const context = await esbuild.context({ ...bundleOptions, logLevel: 'info' });
	await context.watch();
	watchFiles(ICONS, copyIcons);
	watchFiles(NODE_METADATA, copyMetadata);
}

const bundleAndCopy = series(clean, parallel(bundle, copyIcons, copyMetadata));

/** n8n's own linter in strict mode, which requires an unchanged eslint.config.mjs. */
function lintAsN8nDoes() {
	return runTool('n8n-node', ['lint'], {
		// n8n's rules apply to **/*.ts. The .cts files in test/ have their own configuration, because tests may import
		// node:http and nodes may not.
		env: { ...process.env, ESLINT_FLAGS: 'unstable_config_lookup_from_file' },
	});
}

/** Checks the directions of imports that .dependency-cruiser.js allows. */
function checkImports() {
	return runTool('depcruise', ['--config', '.dependency-cruiser.js', 'nodes', 'credentials']);
}

function checkFormat() {
	return runTool('prettier', [
		'--check',
		'--log-level',
		'warn',
		'{nodes,credentials}/**/*.ts',
		'test/**/*.cts',
		'gulpfile.js',
		'.dependency-cruiser.js',
	]);
}

/**
 * Runs n8n's scan for verified community packages on the sources and on the packed package. It leaves out only the
 * check of npm's provenance statement, which does not exist before publication.
 */
async function scan() {
	const scanner = require.resolve('@n8n/scan-community-package/scanner/scanner.mjs');
	const { analyzePackage, SOURCE_FILE_PATTERNS } = await import(pathToFileURL(scanner));
	const workFolder = await fs.mkdtemp(path.join(os.tmpdir(), 'stepfun-image-scan-'));
	try {
		await run('npm', ['pack', '--silent', '--pack-destination', workFolder], {
			stdio: ['ignore', 'ignore', 'inherit'],
		});
		const [tarball] = await fs.readdir(workFolder);
		await run('tar', ['-xzf', tarball], { cwd: workFolder });
		const { size } = await fs.stat(path.join(workFolder, tarball));
		console.log(`Published package: ${(size / 1000).toFixed(1)} kB packed`);

		const packageFolder = path.join(workFolder, 'package');
		const sources = await analyzePackage(__dirname, SOURCE_FILE_PATTERNS);
		const published = await analyzePackage(packageFolder);
		const passed = [report('Sources', sources), report('Published package', published)];
		if (passed.includes(false)) throw new Error("n8n's scan found violations");
		await lintPackage(packageFolder);
		for (const missing of await findMissingMetadata()) {
			console.log(`NOTICE: before publication, set ${missing}`);
		}
	} finally {
		await fs.rm(workFolder, { recursive: true, force: true });
	}
}

/** Prints the scanner's findings for `subject`, and returns whether it passed. */
function report(subject, { passed, message, details }) {
	// If the scanner finds no files, it passes with a message, which must count as a failure.
	if (passed && !message) {
		console.log(`${subject}: passed n8n's scan`);
		return true;
	}
	console.log(`${subject}: ${message}\n${details ?? ''}`);
	return false;
}

/** Checks that package managers and Node.js interpret the package as intended. */
async function lintPackage(folder) {
	const { publint } = await import('publint');
	const { formatMessage } = await import('publint/utils');
	const { messages } = await publint({ pkgDir: folder, pack: false });
	if (messages.length === 0) {
		console.log('Published package: publint finds nothing');
		return;
	}
	throw new Error(messages.map((message) => formatMessage(message, packageJson)).join('\n'));
}

/**
 * Lists the metadata in package.json that is still a placeholder, which only a publisher can replace. Fails if an
 * address in another file differs from that in package.json.
 */
async function findMissingMetadata() {
	const { author, bugs, homepage, name, repository } = packageJson;
	const address = repository.url.replace(/^git\+/, '').replace(/\.git$/, '');
	const addresses = [
		['homepage in package.json', homepage],
		['bugs in package.json', bugs.url],
	];
	for (const file of ['CHANGELOG.md', ...(await listSources())]) {
		const text = await fs.readFile(file, 'utf8');
		for (const [found] of text.matchAll(/https:\/\/github\.com\/[^"'\s]+/g)) {
			if (found.includes(`/${name}`)) addresses.push([file, found]);
		}
	}
	const others = addresses.filter(([, found]) => !found.startsWith(address));
	if (others.length > 0) {
		const list = others.map(([place, found]) => `${place}: ${found}`).join('\n');
		throw new Error(`package.json says that the repository is ${address}, but:\n${list}`);
	}
	return [
		...(address.endsWith(`/${name}/${name}`) ? [`repository, now ${repository.url}`] : []),
		...(author.email.endsWith('.example') ? [`author.email, now ${author.email}`] : []),
	].map((missing) => `${missing}, in package.json`);
}

async function listSources() {
	const folders = ['nodes', 'credentials'];
	const lists = await Promise.all(
		folders.map(async (folder) =>
			(await fs.readdir(folder, { recursive: true })).map((file) => path.join(folder, file)),
		),
	);
	return lists.flat().filter((file) => /\.(ts|json)$/.test(file));
}

/** Fails until the publisher has replaced all placeholders. */
async function checkMetadata() {
	const missing = await findMissingMetadata();
	if (missing.length > 0) throw new Error(`Before publication, set:\n${missing.join('\n')}`);
}

exports.bundle = bundleAndCopy;
exports.build = series(typecheck, bundleAndCopy);
exports.typecheck = typecheck;
exports.watch = series(clean, parallel(copyIcons, copyMetadata), watch);
exports.lint = series(lintAsN8nDoes, checkImports, checkFormat);
exports.metadata = checkMetadata;
exports.scan = series(bundleAndCopy, scan);
