import { sleep, type IDataObject, type IExecuteFunctions } from 'n8n-workflow';

/** How long code may run before everything else in this n8n gets its turn, in milliseconds. */
const MAX_BLOCKING_MS = 10;

/**
 * Reads the parameters of a node, item by item. A parameter without an expression is the same for all items and is
 * read once; an expression is evaluated once for each item.
 *
 * @returns a function that gives the values of an item
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
 * A function to be called between the steps of long work. It returns at once until the work has had its share, and
 * then lets everything else in this n8n have its turn.
 */
export function createEventLoopYielder(): () => Promise<void> {
	let turnBeganAt = performance.now();
	/** One for all that wait: were there a timer for each, one would always be due, and nothing else had its turn. */
	let turn: Promise<void> | undefined;
	const giveTurn = async () => {
		await sleep(0);
		turnBeganAt = performance.now();
		turn = undefined;
	};
	return async () => {
		if (performance.now() - turnBeganAt < MAX_BLOCKING_MS) return;
		await (turn ??= giveTurn());
	};
}
