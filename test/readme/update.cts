import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { DOCUMENTS, withTables } from './tables.cts';

for (const document of DOCUMENTS) {
	const file = resolve(__dirname, '../..', document);
	writeFileSync(file, withTables(document, readFileSync(file, 'utf8')));
}
