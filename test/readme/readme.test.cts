import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import versionResults from '../e2e/versions/results.json';
import { OTHER_RELEASES } from '../n8n/releases.cts';
import { DOCUMENTS, withTables } from './tables.cts';

const REPOSITORY = resolve(__dirname, '../..');
const MAX_LINES = 170;

test.each(DOCUMENTS)(
	'The tables of %s match the catalogue and the node (npm run readme regenerates them)',
	(document) => {
		const text = readFileSync(resolve(REPOSITORY, document), 'utf8');
		expect(withTables(document, text)).toBe(text);
	},
);

test('The table of n8n versions lists the pinned releases', () => {
	expect(versionResults.map(({ n8n }) => n8n)).toEqual(
		OTHER_RELEASES.map(({ version }) => version),
	);
});

test(`The README has at most ${MAX_LINES} lines`, () => {
	const readme = readFileSync(resolve(REPOSITORY, 'README.md'), 'utf8');
	expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(MAX_LINES);
});
