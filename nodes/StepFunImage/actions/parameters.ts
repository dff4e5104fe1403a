import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';

/** Creates a function that reads an item's parameters; those without an expression only once, as they stay the same. */
export function createParameterReader(
	functions: IExecuteFunctions,
): (itemIndex: number) => IDataObject {
	const { parameters } = functions.getNode();
	const fixed: IDataObject = {};
	return (itemIndex) => {
		const values = { ...fixed };
		for (const name of Object.keys(parameters).filter((each) => !(each in fixed))) {
			values[name] = functions.getNodeParameter(name, itemIndex) as IDataObject;
			if (!hasExpression(parameters[name])) fixed[name] = values[name];
		}
		return values;
	};
}

function hasExpression(value: unknown): boolean {
	if (typeof value === 'string') return value.startsWith('=');
	return typeof value === 'object' && value !== null && Object.values(value).some(hasExpression);
}
