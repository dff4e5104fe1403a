import type { ICredentialDataDecryptedObject } from 'n8n-workflow';

import { CREDENTIAL_TYPE } from '../n8n/example.cts';
import type { CredentialReference, N8nInstance } from '../n8n/instance.cts';
import { LOCAL_API_KEY, type StepFunServer } from '../stepfun-server/server.cts';

/** Anything with a base URL: the local server, or its Step Plan address. */
export type Target = Pick<StepFunServer, 'url'>;

/** The fields of a credential for a server, by default with the key that the local server takes. */
export function localCredential(
	{ url }: Target,
	changes: ICredentialDataDecryptedObject = {},
): ICredentialDataDecryptedObject {
	return { service: 'custom', baseUrl: url, apiKey: LOCAL_API_KEY, ...changes };
}

/** Stores such a credential in a running n8n. */
export async function createStepFunCredential(
	n8n: N8nInstance,
	target: Target,
	changes: ICredentialDataDecryptedObject = {},
	name = 'StepFun account',
): Promise<CredentialReference> {
	return await n8n.createCredential(CREDENTIAL_TYPE, name, localCredential(target, changes));
}
