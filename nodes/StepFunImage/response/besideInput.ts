import type {
	IBinaryKeyData,
	IDataObject,
	IExecuteSingleFunctions,
	INodeExecutionData,
} from 'n8n-workflow';

/**
 * Whether an item's Options ask for the input's fields; an expression gives the word instead of the
 * boolean.
 */
export function wantsInputFields({ includeInputFields }: IDataObject): boolean {
	return includeInputFields === true || includeInputFields === 'true';
}

/**
 * An item that leaves the node: a result, and the input's fields and files beside it if they are wanted.
 *
 * @param context the item's execution context
 * @param result goes before the input's fields of the same name
 * @param includeInputFields whether the input's fields are wanted
 */
export function besideInput(
	context: IExecuteSingleFunctions,
	{ json, binary }: { json: IDataObject; binary?: IBinaryKeyData },
	includeInputFields: boolean,
): INodeExecutionData {
	const input = includeInputFields ? context.getInputData() : undefined;
	const files = { ...input?.binary, ...binary };
	return {
		json: { ...input?.json, ...json },
		...(Object.keys(files).length > 0 ? { binary: files } : {}),
		pairedItem: { item: context.getItemIndex() },
	};
}
