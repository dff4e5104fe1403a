import { jsonParse, type IDataObject, type IExecuteFunctions } from 'n8n-workflow';

import { valueAt, type Field } from '../request/routing';
import { CREDENTIAL_TYPE, parseCredential } from '../transport/credential';
import { yieldToEventLoop } from '../transport/wait';
import { memoize } from './memoize';

export type ItemReader = ReturnType<typeof createItemReader>;

/**
 * Creates a function that reads an item's parameters and its credential; parameters without an expression only once, as
 * they stay the same. It throws n8n's error if there is no credential.
 *
 * @param fields the fields of the panel, which errors name
 */
export function createItemReader(functions: IExecuteFunctions, fields: Field[]) {
	const { parameters } = functions.getNode();
	const fixed: IDataObject = {};
	// The credential's expressions may give each item other values, but most of the copies are equal.
	const parseOnce = memoize((json: string) => parseCredential(jsonParse(json)));
	const readValue = (path: string[], itemIndex: number) =>
		functions.getNodeParameter(path.join('.'), itemIndex) as IDataObject;
	/** Adds the field to n8n's error for an expression, which says only what is wrong. Reads options again to find it. */
	const nameField = (
		error: Error & { description?: string | null },
		name: string,
		itemIndex: number,
	) => {
		const fails = ({ path }: Field) => {
			try {
				readValue(path, itemIndex);
				return false;
			} catch {
				return true;
			}
		};
		const { label = name } =
			fields
				.filter(({ path }) => path[0] === name && hasExpression(valueAt(parameters, path)))
				.findLast(fails) ?? {};
		error.message = `The expression in '${label}' failed: ${error.message}`;
		error.description ??= `Correct the expression in '${label}'.`;
		return error;
	};
	return async (itemIndex: number) => {
		const values = { ...fixed };
		for (const name of Object.keys(parameters).filter((each) => !(each in fixed))) {
			// n8n takes tens of milliseconds for the first evaluation of an expression.
			await yieldToEventLoop();
			try {
				values[name] = readValue([name], itemIndex);
			} catch (error) {
				throw nameField(error as Error, name, itemIndex);
			}
			if (!hasExpression(parameters[name])) fixed[name] = values[name];
		}
		const decrypted = await functions.getCredentials(CREDENTIAL_TYPE, itemIndex);
		return { parameters: values, credential: parseOnce(JSON.stringify(decrypted)) };
	};
}

function hasExpression(value: unknown): boolean {
	if (typeof value === 'string') return value.startsWith('=');
	return typeof value === 'object' && value !== null && Object.values(value).some(hasExpression);
}
