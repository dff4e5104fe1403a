import { validateFieldType } from 'n8n-workflow';

import { Refusal } from '../errors/nodeErrors';
import { truncate } from '../errors/truncate';

/** A user's value, and the label of its field. */
export interface EnteredValue {
	label: string;
	value: unknown;
}

/** Neither white space nor a character without a shape, such as a zero-width space. */
const VISIBLE = /[^\s\p{Cc}\p{Default_Ignorable_Code_Point}]/u;

/** Whether a field is empty, or its expression returned nothing for this item. */
export function isUnset(value: unknown): boolean {
	const text = value ?? '';
	return typeof text === 'string' && !VISIBLE.test(text);
}

/** Formats a value for a message. */
export function showValue(value: unknown): string {
	if (typeof value === 'string' && isUnset(value)) return 'empty';
	const isJson = typeof value === 'object';
	const text = isJson ? JSON.stringify(value) : String(value);
	return truncate(text, 60);
}

/** The numbers that a field accepts. */
export interface NumberLimits {
	min: number;
	max?: number;
	/** Whether fractions are refused. */
	isWhole?: boolean;
}

/** Reads a number, which may be text from an expression. Refuses anything else; `advice` is what to do about it. */
export function readNumber(
	{ label, value }: EnteredValue,
	{ min, max = Infinity, isWhole }: NumberLimits,
	advice: string,
): number {
	const number = toNumber(value) ?? NaN;
	if (number >= min && number <= max && (!isWhole || Number.isInteger(number))) return number;
	const kind = isWhole ? 'whole number' : 'number';
	const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
	throw new Refusal(`'${label}' must be a ${kind} ${range}, but is ${showValue(value)}`, advice);
}

/** Whether a value can be written as text: not a list, not an object, and not NaN or infinite. */
export function isScalar(value: unknown): boolean {
	return typeof value !== 'object' && (typeof value !== 'number' || Number.isFinite(value));
}

/** What JavaScript writes for an object within a text. */
const OBJECT_IN_TEXT = '[object Object]';

/** Refuses a value that cannot be written as text, and the false of a condition that is not met. */
export function assertScalar({ label, value }: EnteredValue): void {
	if (typeof value === 'string' && value.includes(OBJECT_IN_TEXT)) {
		throw new Refusal(
			`'${label}' contains ${OBJECT_IN_TEXT} instead of text`,
			`Check the expression in '${label}': it must use a field of the object, such as its name, not the object itself.`,
		);
	}
	if (isScalar(value) && value !== false) return;
	const kind = Array.isArray(value)
		? 'a list'
		: typeof value === 'object'
			? 'an object'
			: String(value);
	throw new Refusal(
		`'${label}' must be text, but is ${kind}`,
		`Check the expression in '${label}': it must return a single text.`,
	);
}

/** Reads a text without the spaces around it. An unset field is empty, or refused with the advice for that. */
export function readText(entered: EnteredValue, adviceIfEmpty?: string): string {
	if (!isUnset(entered.value)) {
		assertScalar(entered);
		return String(entered.value).trim();
	}
	if (adviceIfEmpty === undefined) return '';
	throw new Refusal(`'${entered.label}' is empty`, adviceIfEmpty);
}

/** Converts a value to a number; `undefined` if it is neither a number nor the text of one. */
export function toNumber(value: unknown): number | undefined {
	if (isUnset(value) || (typeof value !== 'number' && typeof value !== 'string')) return undefined;
	const result = validateFieldType('number', value, 'number');
	const number = result.valid ? Number(result.newValue) : NaN;
	// A number would round a longer text.
	const isRounded = typeof value === 'string' && Math.abs(number) > Number.MAX_SAFE_INTEGER;
	return Number.isFinite(number) && !isRounded ? number : undefined;
}

/** Converts a value to a boolean; `undefined` if it is neither a boolean nor the text of one. */
export function toBoolean(value: unknown): boolean | undefined {
	if (typeof value === 'object') return undefined;
	const result = validateFieldType('boolean', value, 'boolean');
	return result.valid ? Boolean(result.newValue) : undefined;
}

/** Reads a boolean, which may be text from an expression. Refuses anything else; `advice` is what to do about it. */
export function readBoolean({ label, value }: EnteredValue, advice: string): boolean {
	const read = toBoolean(value);
	if (read !== undefined) return read;
	throw new Refusal(`'${label}' must be true or false, but is ${showValue(value)}`, advice);
}

/** Reads a choice from a list. Refuses anything else. */
export function readChoice<T extends string>(
	{ label, value }: EnteredValue,
	choices: readonly T[],
): T {
	const choice = choices.find((each) => each === value);
	if (choice !== undefined) return choice;
	throw new Refusal(
		`'${label}' must be one of ${choices.join(', ')}, but is ${showValue(value)}`,
		`Choose from the list, or make the expression in '${label}' return one of these values.`,
	);
}

/** Reads a size that is written as width x height, such as 1024x768, 1024×768 or 1024 * 768. */
export function parseSize(value: unknown): { width: number; height: number } | undefined {
	const [, width, height] = /^\s*(\d+)\s*[x×*]\s*(\d+)\s*$/i.exec(String(value)) ?? [];
	return width === undefined ? undefined : { width: Number(width), height: Number(height) };
}
