import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { DOCUMENTS, withTables } from './tables.cts';

const changed = DOCUMENTS.filter((document) => {
	const file = resolve(__dirname, '../..', document);
	const before = readFileSync(file, 'utf8');
	const after = withTables(document, before);
	if (after !== before) writeFileSync(file, after);
	return after !== before;
});

console.log(
	changed.length > 0
		? `Updated the tables in ${changed.join(', ')}.`
		: `The tables in ${DOCUMENTS.join(', ')} were up to date.`,
);
