import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import packageJson from '../../package.json';
import versionResults from '../e2e/versions/results.json';
import { OTHER_RELEASES } from '../n8n/releases';
import { withTables } from './tables';

const file = resolve(__dirname, '../../README.md');
const readme = readFileSync(file, 'utf8');

test('the tables are those of the catalogue and the node (npm run readme makes them anew)', () => {
	expect(withTables(readme)).toBe(readme);
});

test('the table of n8n versions is about the releases that are pinned', () => {
	expect(versionResults.map(({ n8n }) => n8n)).toEqual(
		OTHER_RELEASES.map(({ version }) => version),
	);
});

test('every picture and every file that it links to is there', () => {
	const targets = [...readme.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)]
		.map(([, target]) => target)
		.filter((target) => !/^https?:/.test(target));
	expect(targets.length).toBeGreaterThan(3);
	expect(targets.filter((target) => !existsSync(resolve(dirname(file), target)))).toEqual([]);
});

test('every npm script that it names is there', () => {
	const scripts = [...readme.matchAll(/npm run ([\w-]+)/g)].map(([, script]) => script);
	expect(scripts).toContain('demo');
	expect(scripts.filter((script) => !(script in packageJson.scripts))).toEqual([]);
});
