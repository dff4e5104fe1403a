import { validateFieldType } from 'n8n-workflow';

import { inputError } from '../errors/nodeErrors';
import type { ItemContext } from './types';

/** A value that a user set, and what it is called. */
export interface EnteredValue {
	item: ItemContext;
	label: string;
	value: unknown;
}

/** Whether a field was left alone, or an expression gave nothing for this item. */
export function isUnset(value: unknown): boolean {
	return (
		value === undefined || value === null || (typeof value === 'string' && value.trim() === '')
	);
}

/** A value as a message shows it. */
export function showValue(value: unknown): string {
	const isJson = typeof value === 'object';
	const text = isJson ? JSON.stringify(value) : String(value);
	return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/**
 * Reads a number that may come from an expression as text. Booleans, lists and objects are none.
 *
 * @param range.min the smallest value
 * @param range.max the largest value; without it there is none
 * @param range.isWhole whether fractions are refused
 * @param advice how to go on
 * @throws NodeOperationError that names the field and its range
 */
export function readNumber(
	{ item, label, value }: EnteredValue,
	{ min, max, isWhole }: { min: number; max?: number; isWhole: boolean },
	advice: string,
): number {
	const number = toNumber(value);
	if (
		number !== undefined &&
		number >= min &&
		number <= (max ?? Infinity) &&
		(!isWhole || Number.isInteger(number))
	) {
		return number;
	}
	const kind = isWhole ? 'whole number' : 'number';
	const range = max === undefined ? `of at least ${min}` : `from ${min} to ${max}`;
	throw inputError(
		item,
		`'${label}' must be a ${kind} ${range}, but is ${showValue(value)}`,
		advice,
	);
}

/** Whether a value can be written as text: no list, no object, and no number that an expression failed to calculate. */
export function isScalar(value: unknown): boolean {
	return typeof value !== 'object' && !Number.isNaN(value);
}

/**
 * Refuses what is no text and cannot be written as one.
 *
 * @throws NodeOperationError that names the field
 */
export function assertScalar({ item, label, value }: EnteredValue): void {
	if (isScalar(value)) return;
	const kind = Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : 'NaN';
	throw inputError(
		item,
		`'${label}' must be text, but is ${kind}`,
		`Check the expression in '${label}': it should point to one text, for example {{ $json.prompt }}.`,
	);
}

/** A number, or a text that is one; `undefined` for anything else. */
export function toNumber(value: unknown): number | undefined {
	if (typeof value !== 'number' && typeof value !== 'string') return undefined;
	const result = validateFieldType('number', value, 'number');
	const number = result.valid ? Number(result.newValue) : NaN;
	return Number.isFinite(number) ? number : undefined;
}

/** A boolean, or a text that is one; `undefined` for anything else. */
export function toBoolean(value: unknown): boolean | undefined {
	if (typeof value === 'object') return undefined;
	const result = validateFieldType('boolean', value, 'boolean');
	return result.valid ? Boolean(result.newValue) : undefined;
}

/**
 * Reads a choice from a list.
 *
 * @param choices what may be chosen
 * @throws NodeOperationError that names the field and its choices
 */
export function readChoice<T extends string>(
	{ item, label, value }: EnteredValue,
	choices: readonly T[],
): T {
	const choice = choices.find((each) => each === value);
	if (choice !== undefined) return choice;
	throw inputError(
		item,
		`'${label}' must be one of ${choices.join(', ')}, but is ${showValue(value)}`,
		`Choose from the list, or let the expression in '${label}' give one of these words.`,
	);
}
