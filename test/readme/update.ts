import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { withTables } from './tables';

const readme = resolve(__dirname, '../../README.md');
writeFileSync(readme, withTables(readFileSync(readme, 'utf8')));
