import { jsonParse, type IDataObject, type IExecuteFunctions } from 'n8n-workflow';

import { CREDENTIAL_TYPE, parseCredential, type Credential } from '../transport/credential';
import { yieldToEventLoop } from '../transport/wait';
import { memoize } from './memoize';

/** Reads an item's parameters and its credential. Throws n8n's error if there is no credential. */
export type ItemReader = (
	itemIndex: number,
) => Promise<{ parameters: IDataObject; credential: Credential }>;

/** Creates a function that reads an item; parameters without an expression only once, as they stay the same. */
export function createItemReader(functions: IExecuteFunctions): ItemReader {
	const { parameters } = functions.getNode();
	const fixed: IDataObject = {};
	// The credential's expressions may give each item other values, but most of the copies are equal.
	const parseOnce = memoize((fields: string) => parseCredential(jsonParse(fields)));
	return async (itemIndex) => {
		const values = { ...fixed };
		for (const name of Object.keys(parameters).filter((each) => !(each in fixed))) {
			// n8n takes tens of milliseconds for the first evaluation of an expression.
			await yieldToEventLoop();
			values[name] = functions.getNodeParameter(name, itemIndex) as IDataObject;
			if (!hasExpression(parameters[name])) fixed[name] = values[name];
		}
		const fields = await functions.getCredentials(CREDENTIAL_TYPE, itemIndex);
		return { parameters: values, credential: parseOnce(JSON.stringify(fields)) };
	};
}

function hasExpression(value: unknown): boolean {
	if (typeof value === 'string') return value.startsWith('=');
	return typeof value === 'object' && value !== null && Object.values(value).some(hasExpression);
}
