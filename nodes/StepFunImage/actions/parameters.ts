import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';

/** Creates a function that reads an item's parameters; those without an expression only once, as they stay the same. */
export function createParameterReader(
	functions: IExecuteFunctions,
): (itemIndex: number) => IDataObject {
	const { parameters } = functions.getNode();
	const names = Object.keys(parameters);
	const withExpression = names.filter((name) => hasExpression(parameters[name]));
	let fixed: IDataObject | undefined;
	const read = (itemIndex: number, wanted: string[]): IDataObject =>
		Object.fromEntries(
			wanted.map((name) => [name, functions.getNodeParameter(name, itemIndex) as IDataObject]),
		);
	return (itemIndex) => {
		fixed ??= read(
			itemIndex,
			names.filter((name) => !withExpression.includes(name)),
		);
		return { ...fixed, ...read(itemIndex, withExpression) };
	};
}

function hasExpression(value: unknown): boolean {
	if (typeof value === 'string') return value.startsWith('=');
	return typeof value === 'object' && value !== null && Object.values(value).some(hasExpression);
}
