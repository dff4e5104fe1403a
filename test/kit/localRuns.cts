import type {
	ICredentialDataDecryptedObject,
	INodeExecutionData,
	INodeParameters,
} from 'n8n-workflow';

import { runNode, type NodeRun, type NodeRunResult } from './runNode.cts';
import { localCredential, type Target } from './stepFunCredential.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

type Rest = Partial<Omit<NodeRun, 'parameters' | 'credential'>> & {
	credential?: ICredentialDataDecryptedObject;
};

/** Runs the node's Generate with a prompt, against the local server. */
export async function runGenerate(
	server: Target,
	parameters: INodeParameters = {},
	rest: Rest = {},
): Promise<NodeRunResult> {
	return await runNode({
		parameters: { operation: 'generate', prompt: 'A red shoe', ...parameters },
		...rest,
		credential: localCredential(server, rest.credential),
	});
}

/** Runs the node's Edit with a prompt, against the local server. */
export async function runEdit(
	server: Target,
	items: INodeExecutionData[],
	parameters: INodeParameters = {},
	rest: Rest = {},
): Promise<NodeRunResult> {
	return await runNode({
		items,
		parameters: { operation: 'edit', prompt: 'Make it blue', ...parameters },
		...rest,
		credential: localCredential(server, rest.credential),
	});
}

/** Runs the node once, since the first run loads much of n8n, which would count where time is measured. */
export async function loadEngine(): Promise<void> {
	const server = await startStepFunServer({ drawing: 'once' });
	await runGenerate(server);
	await server.close();
}

/** The image requests' JSON bodies, in the order of arrival. */
export function sentJson(server: StepFunServer): unknown[] {
	return server.requests.map(({ json }) => json);
}

/** The text fields of the only request, which must be an edit. */
export function sentFields(server: StepFunServer): Record<string, string> | undefined {
	if (server.requests.length !== 1) {
		throw new Error(`there are ${server.requests.length} requests instead of one`);
	}
	return server.requests[0].fields;
}
