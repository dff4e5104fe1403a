import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// n8n keeps its instance settings and its binary data below this folder, and reads the setting when
// its modules are loaded; so this file is imported before n8n-core.
export const userFolder = mkdtempSync(join(tmpdir(), 'n8n-nodes-stepfun-image-'));
process.env.N8N_USER_FOLDER = userFolder;
process.env.N8N_ENCRYPTION_KEY = 'the key of a test instance';
process.env.N8N_LOG_LEVEL = 'silent';

// At the end of each test file, because the images of all files together would take gigabytes. The end-to-end tests use
// the kit without Jest.
const remove = () => rmSync(userFolder, { recursive: true, force: true, maxRetries: 3 });
if ('afterAll' in globalThis) afterAll(remove);
else process.once('exit', remove);
