import { sleep, type IDataObject, type IExecuteFunctions } from 'n8n-workflow';

/** How long code may block the event loop, in milliseconds. */
const MAX_BLOCKING_MS = 10;

/**
 * Creates a function that reads the node's parameters for an item. It reads parameters without an expression only once,
 * because they are the same for all items.
 */
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

/**
 * Creates a function to call between the steps of a long task. It returns at once until the task has blocked the event
 * loop for `MAX_BLOCKING_MS`, and then yields to it.
 */
export function createEventLoopYielder(): () => Promise<void> {
	let startedAt = performance.now();
	/**
	 * Shared by all callers: with a timer for each, one would always be due, and they would still block everything
	 * else.
	 */
	let pendingYield: Promise<void> | undefined;
	const yieldOnce = async () => {
		await sleep(0);
		startedAt = performance.now();
		pendingYield = undefined;
	};
	return async () => {
		if (performance.now() - startedAt < MAX_BLOCKING_MS) return;
		await (pendingYield ??= yieldOnce());
	};
}
