import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import packageJson from '../../package.json';

const run = promisify(execFile);

const PACKAGE_FOLDER = resolve(__dirname, '../..');

/** The JavaScript that n8n loads from the package. */
const CODE = [
	...packageJson.n8n.nodes,
	...packageJson.n8n.credentials,
	'dist/nodes/StepFunImage/actions/index.js',
];

/** Fails unless the packed files include all code. Another build may have emptied dist/ in the meantime. */
export function checkPackedFiles(files: Array<{ path: string }>): void {
	const missing = CODE.filter((file) => !files.some(({ path }) => path === file));
	if (missing.length === 0) return;
	throw new Error(
		`The packed package lacks ${missing.join(', ')}. Another build may be writing to dist/ right now: let it finish, then try again.`,
	);
}

/**
 * Rebuilds dist/ and packs what npm would publish. Returns the path of the tarball in `folder`.
 *
 * @throws when the tarball lacks code
 */
export async function packPackage(folder: string): Promise<string> {
	await run(join(PACKAGE_FOLDER, 'node_modules/.bin/gulp'), ['bundle'], { cwd: PACKAGE_FOLDER });
	const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
		cwd: PACKAGE_FOLDER,
	});
	const [{ filename, files }] = JSON.parse(stdout) as Array<{
		filename: string;
		files: Array<{ path: string }>;
	}>;
	checkPackedFiles(files);
	return join(folder, filename);
}
