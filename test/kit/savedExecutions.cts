import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { N8nInstance } from '../n8n/instance.cts';

/**
 * Writes every execution that n8n keeps into files, as n8n hands it to its editor, to be searched for what must
 * not be in it.
 *
 * @returns how many there were
 */
export async function saveExecutions(n8n: N8nInstance, folder: string): Promise<number> {
	await mkdir(folder, { recursive: true });
	const { results } = await n8n.request<{ results: Array<{ id: string }> }>(
		'GET',
		'/rest/executions?limit=100',
	);
	for (const { id } of results) {
		const execution = await n8n.request('GET', `/rest/executions/${id}`);
		await writeFile(join(folder, `execution-${id}.json`), JSON.stringify(execution));
	}
	return results.length;
}
