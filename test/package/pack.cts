import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const PACKAGE_FOLDER = resolve(__dirname, '../..');

/** Rebuilds dist/ and packs what npm would publish. Returns the path of the tarball in `folder`. */
export async function packPackage(folder: string): Promise<string> {
	await run(join(PACKAGE_FOLDER, 'node_modules/.bin/gulp'), ['bundle'], { cwd: PACKAGE_FOLDER });
	const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
		cwd: PACKAGE_FOLDER,
	});
	const [{ filename }] = JSON.parse(stdout) as Array<{ filename: string }>;
	return join(folder, filename);
}
