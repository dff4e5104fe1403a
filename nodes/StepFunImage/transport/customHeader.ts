import type { ICredentialDataDecryptedObject } from 'n8n-workflow';

import { CUSTOM_SERVICE } from '../catalogue/hosts';

/**
 * The header of the user's own that goes along with each request, where the credential asks for one.
 *
 * @param credential the credential's fields, also those that its form hides
 * @returns name and value, or `undefined` when none is sent
 */
export function customHeader(
	credential: ICredentialDataDecryptedObject,
): { name: string; value: string } | undefined {
	const { service, addCustomHeader, headerName, headerSecret } = credential;
	const name = typeof headerName === 'string' ? headerName.trim() : '';
	const isWanted = service === CUSTOM_SERVICE && addCustomHeader === true && name !== '';
	return isWanted ? { name, value: headerSecret as string } : undefined;
}
