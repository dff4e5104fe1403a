import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import packageJson from '../../package.json';
import versionResults from '../e2e/versions/results.json';
import { OTHER_RELEASES } from '../n8n/releases';
import { DOCUMENTS, withTables } from './tables';

const REPOSITORY = resolve(__dirname, '../..');
const MAX_LINES = 170;

const file = resolve(REPOSITORY, 'README.md');
const readme = readFileSync(file, 'utf8');

test.each(DOCUMENTS)(
	'The tables of %s are those of the catalogue and the node (npm run readme regenerates them)',
	(document) => {
		const text = readFileSync(resolve(REPOSITORY, document), 'utf8');
		expect(withTables(document, text)).toBe(text);
	},
);

test('The table of n8n versions is about the releases that are pinned', () => {
	expect(versionResults.map(({ n8n }) => n8n)).toEqual(
		OTHER_RELEASES.map(({ version }) => version),
	);
});

test(`The README has at most ${MAX_LINES} lines`, () => {
	expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_LINES);
});

test('Every picture and every file that the README links to exists', () => {
	const targets = [...readme.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)]
		.map(([, target]) => target)
		.filter((target) => !/^https?:/.test(target));
	expect(targets.length).toBeGreaterThan(3);
	expect(targets.filter((target) => !existsSync(resolve(dirname(file), target)))).toEqual([]);
});

test('Every npm script that the README names exists', () => {
	const scripts = [...readme.matchAll(/npm run ([\w-]+)/g)].map(([, script]) => script);
	expect(scripts).toContain('demo');
	expect(scripts.filter((script) => !(script in packageJson.scripts))).toEqual([]);
});
