import { randomBytes } from 'node:crypto';
import { waitFor } from '../kit/waitFor.cts';
import { startN8n, type N8nInstance, type Owner } from '../n8n/instance.cts';
import type { StepFunServer } from '../stepfun-server/types.cts';
import type { TestContext } from './suite.cts';

/** Returns what starts n8n in the suite's folder, the first time and again, with the same owner and encryption key. */
export function restartableN8n({ installation, tarball, folder, cleanUp }: TestContext) {
	const encryptionKey = randomBytes(16).toString('hex');
	let owner: Owner | undefined;
	return async (environment: Record<string, string> = {}): Promise<N8nInstance> => {
		const n8n = await startN8n({
			installation,
			tarball,
			userFolder: folder,
			filesFolder: folder,
			owner,
			environment: { N8N_ENCRYPTION_KEY: encryptionKey, ...environment },
		});
		owner = n8n.owner;
		cleanUp(() => n8n.stop());
		return n8n;
	};
}

/** Waits until every request to the server has ended, which those of a killed n8n do, too. */
export async function waitForConnections({ requests }: StepFunServer): Promise<void> {
	await waitFor('the end of every connection', () =>
		requests.every(({ respondedAt }) => respondedAt !== undefined),
	);
}
