/**
 * Looks at an execution in n8n's database. Asking n8n itself would make it read the data back, and be measured doing
 * so. Runs on n8n's Node.js, which has node:sqlite.
 *
 * `wait <database> <id> <milliseconds>` waits until the execution is stored, and prints its status, time and size.
 * `files <database> <id>` prints the names of the binary files that its items have.
 */
// @ts-expect-error: the types of the Node.js that this repository supports do not have it yet.
import { DatabaseSync } from 'node:sqlite';

const [command, databaseFile, executionId, timeoutMs] = process.argv.slice(2);
const POLL_MS = 50;
/** An execution that keeps images as text can be longer than a string may be. */
const CHUNK_BYTES = 64_000_000;
/** Longer than a binary file's id, which may lie across two chunks. */
const OVERLAP_BYTES = 1_000;
const BINARY_ID = /filesystem[\w-]*:[\w/-]*\/binary_data\/([\w-]+)/g;

function query<T>(sql: string, ...parameters: Array<string | number>): T | undefined {
	const database = new DatabaseSync(databaseFile, { readOnly: true });
	try {
		return database.prepare(sql).get(...parameters) as T | undefined;
	} finally {
		database.close();
	}
}

function readSize(): number {
	const sql =
		'select length(cast(data as blob)) as bytes from execution_data where executionId = ?';
	return query<{ bytes: number }>(sql, executionId)?.bytes ?? 0;
}

function readFinished(): object | undefined {
	const row = query<{ status: string; startedAt: string; stoppedAt: string }>(
		'select status, startedAt, stoppedAt from execution_entity where id = ?',
		executionId,
	);
	if (!row?.stoppedAt || ['new', 'running', 'waiting'].includes(row.status)) return undefined;
	return {
		status: row.status,
		wallMs: Date.parse(row.stoppedAt) - Date.parse(row.startedAt),
		savedBytes: readSize(),
	};
}

function wait(): void {
	const deadline = Date.now() + Number(timeoutMs);
	const timer = setInterval(() => {
		let found: object | undefined;
		try {
			found = readFinished();
		} catch (error) {
			// n8n writes just now.
			if (!/locked|busy/i.test(String(error))) throw error;
		}
		if (!found && Date.now() < deadline) return;
		clearInterval(timer);
		process.stdout.write(JSON.stringify(found ?? { status: 'timeout', wallMs: 0, savedBytes: 0 }));
	}, POLL_MS);
}

function listFiles(): void {
	const names = new Set<string>();
	const size = readSize();
	for (let offset = 0; offset < size; offset += CHUNK_BYTES - OVERLAP_BYTES) {
		const chunk = query<{ bytes: Uint8Array }>(
			'select substr(cast(data as blob), ?, ?) as bytes from execution_data where executionId = ?',
			offset + 1,
			CHUNK_BYTES,
			executionId,
		);
		const text = Buffer.from(chunk?.bytes ?? []).toString('latin1');
		for (const [, name] of text.matchAll(BINARY_ID)) names.add(name);
	}
	process.stdout.write(JSON.stringify([...names]));
}

if (command === 'wait') wait();
else listFiles();
