/**
 * Loads the community packages of a node_modules folder with the code n8n itself uses at its start, and prints what
 * it found as JSON. A process of its own, because jest would put its own module loader in place of Node's.
 */
import { PackageDirectoryLoader, scanDirectoryForPackages } from 'n8n-core';

async function main(nodeModulesFolder: string): Promise<void> {
	const loaders = await scanDirectoryForPackages(nodeModulesFolder);
	for (const loader of loaders) await loader.loadAll();
	const found = loaders
		.filter((loader) => loader instanceof PackageDirectoryLoader)
		.map(({ packageName, types }) => ({ packageName, ...types }));
	process.stdout.write(JSON.stringify(found));
}

void main(process.argv[2]);
