'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const esbuild = require('esbuild');
const { dest, parallel, series, src, watch: watchFiles } = require('gulp');
const packageJson = require('./package.json');

/** npm run dev builds straight into a folder of n8n, and leaves dist/ alone. */
const DIST = process.env.DIST_FOLDER ?? 'dist';

const ICONS = 'icons/*.{svg,png}';
const NODE_METADATA = ['nodes/**/*.node.json', 'nodes/**/__schema__/**/*.json'];

/** Runs a program, its output in ours, and fails when it does. */
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

/** The sources as n8n-node build compiles them, then everything, the tests among it. */
async function typecheck() {
	await runTool('tsc', ['--noEmit']);
	await runTool('tsc', ['--project', 'test/tsconfig.json']);
}

/**
 * One file per node and credential, with everything it imports inside: a verified community package may have no
 * dependencies. The code is not minified, so that whoever reviews the package can read what it does.
 */
const bundleOptions = {
	entryPoints: [...packageJson.n8n.nodes, ...packageJson.n8n.credentials].map((file) =>
		file.replace(/^dist\//, '').replace(/\.js$/, '.ts'),
	),
	outdir: DIST,
	outbase: '.',
	bundle: true,
	format: 'cjs',
	platform: 'node',
	target: 'node20',
	// n8n brings it; a second copy would break instanceof checks on its error classes.
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

/** The licenses of bundled packages ask for their text to go along with the code. */
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

/** Codex files (category, aliases, links) and the output schemas which the editor shows before a first run. */
function copyNodeMetadata() {
	return src(NODE_METADATA, { base: '.' }).pipe(dest(DIST));
}

/** Builds again whenever a source changes, until the process is ended. */
async function watch() {
	const context = await esbuild.context({ ...bundleOptions, logLevel: 'info' });
	await context.watch();
	watchFiles(ICONS, copyIcons);
	watchFiles(NODE_METADATA, copyNodeMetadata);
}

const bundleAndCopy = series(clean, parallel(bundle, copyIcons, copyNodeMetadata));

/** n8n's own linter in strict mode, which demands eslint.config.mjs as n8n ships it. */
function lintAsN8nDoes() {
	return runTool('n8n-node', ['lint'], {
		// n8n's rules concern **/*.ts. The .cts files of test/ have a configuration of their own: a test server may import
		// node:http, a node may not.
		env: { ...process.env, ESLINT_FLAGS: 'unstable_config_lookup_from_file' },
	});
}

/** Imports run in one direction: .dependency-cruiser.js says which. */
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
 * n8n's verification of community packages, on the same two things: the sources, and what npm would publish.
 * Only the check of npm's provenance statement is left out, as there is none before the publication.
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

/** Prints what the scanner found in `subject` and returns whether it passed. */
function report(subject, { passed, message, details }) {
	// The scanner lets a package pass in which it finds no file to look at; its message then says so.
	if (passed && !message) {
		console.log(`${subject}: passed n8n's scan`);
		return true;
	}
	console.log(`${subject}: ${message}\n${details ?? ''}`);
	return false;
}

/** Whether package managers and Node.js understand the package as it is meant. */
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
 * What only a publisher can fill in, as far as package.json still holds its placeholder. Fails when an address
 * elsewhere is not that of package.json.
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

/** Fails until everything is filled in that only a publisher can. */
async function checkMetadata() {
	const missing = await findMissingMetadata();
	if (missing.length > 0) throw new Error(`Before publication, set:\n${missing.join('\n')}`);
}

exports.bundle = bundleAndCopy;
exports.build = series(typecheck, bundleAndCopy);
exports.typecheck = typecheck;
exports.watch = series(clean, parallel(copyIcons, copyNodeMetadata), watch);
exports.lint = series(lintAsN8nDoes, checkImports, checkFormat);
exports.metadata = checkMetadata;
exports.scan = series(bundleAndCopy, scan);
