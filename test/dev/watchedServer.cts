import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { waitFor } from '../kit/waitFor.cts';
import type { CleanUp } from '../n8n/cleanUp.cts';
import { endProcess } from '../n8n/instance.cts';
import { LOCAL_API_KEY } from '../stepfun-server/server.cts';

const START_TIMEOUT_MS = 30_000;

/**
 * Starts the StepFun test server, and restarts it whenever one of its sources changes. Returns the base URL of its API
 * once it responds.
 *
 * @throws when the port is in use, or the server does not start
 */
export async function startWatchedServer(port: number, cleanUp: CleanUp): Promise<string> {
	const url = `http://127.0.0.1:${port}/v1`;
	const responds = async () =>
		await fetch(`${url}/models`, { headers: { Authorization: `Bearer ${LOCAL_API_KEY}` } }).then(
			({ ok }) => ok,
			() => false,
		);
	if (await responds()) throw new Error(`another StepFun test server is running on port ${port}`);
	const child = spawn(
		process.execPath,
		// tsx has a watch mode too, but it loads sharp as an ES module, which fails on Node.js 20.
		[
			'--watch',
			'--watch-preserve-output',
			'--require',
			'tsx/cjs',
			'test/stepfun-server/start.cts',
			'--port',
			String(port),
		],
		{ cwd: resolve(__dirname, '../..'), stdio: ['ignore', 'inherit', 'inherit'] },
	);
	cleanUp(() => endProcess(child));
	await waitFor(`the StepFun test server on port ${port}`, responds, {
		timeoutMs: START_TIMEOUT_MS,
	}).catch(() => {
		throw new Error(
			`the StepFun test server does not respond on port ${port}; its output above says why`,
		);
	});
	return url;
}
