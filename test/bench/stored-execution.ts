/**
 * Waits until n8n has stored an execution, and prints what the database holds of it. Asking n8n itself would make it
 * read the data back, and be measured doing so. Runs on n8n's Node.js, which has node:sqlite.
 */
// @ts-expect-error: the types of the Node.js that this repository supports do not have it yet.
import { DatabaseSync } from 'node:sqlite';

const [databaseFile, executionId, timeoutMs] = process.argv.slice(2);
const POLL_MS = 50;

function read(): object | undefined {
	const database = new DatabaseSync(databaseFile, { readOnly: true });
	try {
		const row = database
			.prepare('select status, startedAt, stoppedAt from execution_entity where id = ?')
			.get(executionId) as { status: string; startedAt: string; stoppedAt: string } | undefined;
		if (!row?.stoppedAt || ['new', 'running', 'waiting'].includes(row.status)) return undefined;
		const size = database
			.prepare(
				'select length(cast(data as blob)) as bytes from execution_data where executionId = ?',
			)
			.get(executionId) as { bytes: number } | undefined;
		return {
			status: row.status,
			wallMs: Date.parse(row.stoppedAt) - Date.parse(row.startedAt),
			savedBytes: size?.bytes ?? 0,
		};
	} finally {
		database.close();
	}
}

const deadline = Date.now() + Number(timeoutMs);
const timer = setInterval(() => {
	let found: object | undefined;
	try {
		found = read();
	} catch (error) {
		// n8n writes just now.
		if (!/locked|busy/i.test(String(error))) throw error;
	}
	if (!found && Date.now() < deadline) return;
	clearInterval(timer);
	process.stdout.write(JSON.stringify(found ?? { status: 'timeout', wallMs: 0, savedBytes: 0 }));
}, POLL_MS);
