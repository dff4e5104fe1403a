import { userFolder } from './userFolder.cts';

import { CredentialTestContext } from 'n8n-core';
import {
	NodeHelpers,
	type ICredentialDataDecryptedObject,
	type INodeCredentialTestResult,
	type INodeParameters,
	type IWorkflowExecuteAdditionalData,
} from 'n8n-workflow';

import { StepFunApi } from '../../credentials/StepFunApi.credentials';
import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node';
import { initBinaryData } from './n8nDifferences.cts';

/**
 * Tests a credential as n8n does when a user saves it: with the node's function that the node names for it, on n8n's
 * own context for such functions (n8n: CredentialsTester).
 */
export async function testCredential(
	entered: ICredentialDataDecryptedObject,
): Promise<INodeCredentialTestResult> {
	const { properties, name } = new StepFunApi();
	const data = NodeHelpers.getNodeParameters(
		properties,
		entered as INodeParameters,
		true,
		true,
		null,
		null,
	) as ICredentialDataDecryptedObject;
	await initBinaryData('filesystem', `${userFolder}/storage`);

	const { description, methods } = new StepFunImage();
	const testedBy = description.credentials?.find((each) => each.name === name)?.testedBy;
	const test = methods.credentialTest[testedBy as keyof typeof methods.credentialTest];
	const context = new CredentialTestContext({} as IWorkflowExecuteAdditionalData);
	return await test.call(context, { id: '1', name: 'StepFun account', type: name, data });
}
