import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

const POSTGRES_FOLDER = '/usr/lib/postgresql';

/**
 * Finds a program of Debian's, on the search path or where Debian puts PostgreSQL's server.
 *
 * @throws an error that names the package to install
 */
export async function findProgram(name: string, debianPackage: string): Promise<string> {
	const versions = existsSync(POSTGRES_FOLDER) ? await readdir(POSTGRES_FOLDER) : [];
	const newestFirst = versions.sort((one, other) => Number(other) - Number(one));
	const folders = [
		// The programs of one version fit together, so they go before wrappers on the search path.
		...newestFirst.map((version) => join(POSTGRES_FOLDER, version, 'bin')),
		...(process.env.PATH ?? '').split(delimiter),
		// Where Debian puts servers, which is not on everyone's search path.
		'/usr/sbin',
	];
	const found = folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
	if (found) return found;
	throw new Error(
		`${name} is missing. On Debian or Ubuntu: apt-get install --no-install-recommends ${debianPackage}`,
	);
}
