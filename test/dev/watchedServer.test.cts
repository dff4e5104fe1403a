import { withCleanUp } from '../n8n/cleanUp.cts';
import { findFreePort } from '../n8n/instance.cts';
import { LOCAL_API_KEY } from '../stepfun-server/server.cts';
import { startWatchedServer } from './watchedServer.cts';

const requestModels = async (url: string) =>
	await fetch(`${url}/models`, { headers: { Authorization: `Bearer ${LOCAL_API_KEY}` } });

it('npm run dev starts the StepFun test server, and ends it', async () => {
	let url = '';
	await withCleanUp(async (cleanUp) => {
		const port = await findFreePort();
		url = await startWatchedServer(port, cleanUp);
		expect((await requestModels(url)).status).toBe(200);
		await expect(startWatchedServer(port, cleanUp)).rejects.toThrow(`running on port ${port}`);
	});
	await expect(requestModels(url)).rejects.toThrow();
});
