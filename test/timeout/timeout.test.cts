import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';

import { withTimeout } from '../../nodes/StepFunImage/transport/timeLimits';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('Listeners on the signal of a task are removed when the task ends, not when its time is up', async () => {
	const cancel = new AbortController();
	let freed = 0;
	const registry = new FinalizationRegistry(() => freed++);
	const tasks = Array.from(
		{ length: 20 },
		async () =>
			await withTimeout({ silenceMs: 600_000, totalMs: 600_000 }, cancel.signal, async (signal) => {
				const request = { headers: {} };
				registry.register(request, undefined);
				signal.addEventListener('abort', () => request.headers);
				await turn();
			}),
	);
	await Promise.all(tasks);
	tasks.length = 0;
	for (let round = 0; round < 50 && freed < 20; round++) {
		collectGarbage();
		await sleep(20);
	}
	expect(freed).toBe(20);
	expect(cancel.signal.aborted).toBe(false);
});
