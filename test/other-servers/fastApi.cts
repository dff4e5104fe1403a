import { Refusal } from './responses.cts';
import type { ReceivedRequest } from './types.cts';

// What FastAPI and pydantic (2) say of a body that does not fit. Their wording is what a person gets to read.

/** One entry of a 422 response's `detail` list. */
export interface ValidationError {
	type: string;
	loc: Array<string | number>;
	msg: string;
	input?: unknown;
	ctx?: Record<string, unknown>;
}

export interface Field {
	type: 'string' | 'integer' | 'number' | 'boolean' | 'object';
	required?: boolean;
	/** Absent: null stands for nothing, as in `Optional`. */
	notNull?: boolean;
	min?: number;
	max?: number;
	/** The only values, as in `Literal`. */
	of?: readonly string[];
	/** A validator of the model's own: the text of its ValueError. */
	check?: (value: never) => string | undefined;
}

export type Fields = Record<string, Field>;

export type Values = Record<string, string | number | boolean | object | undefined>;

/** FastAPI's response to an HTTPException. */
export function detail(status: number, text: string): Refusal {
	return new Refusal(status, { detail: text });
}

/** FastAPI's response to a body that does not fit. */
export function unprocessable(errors: ValidationError[]): Refusal {
	return new Refusal(422, { detail: errors });
}

/**
 * Reads the JSON body of a request, as the types that the model wants. Fields that it does not have are ignored.
 *
 * @param refuse what a body that does not fit is refused with
 */
export function validateJson(
	{ json, rawBody }: ReceivedRequest,
	fields: Fields,
	refuse = unprocessable,
): Values {
	if (json === undefined) {
		if (rawBody.length === 0) {
			throw refuse([{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }]);
		}
		const loc = ['body', 0];
		throw refuse([{ type: 'json_invalid', loc, msg: 'JSON decode error', input: {} }]);
	}
	if (typeof json !== 'object' || json === null || Array.isArray(json)) {
		const msg = 'Input should be a valid dictionary or object to extract fields from';
		throw refuse([{ type: 'model_attributes_type', loc: ['body'], msg, input: json }]);
	}
	return validate(json as Record<string, unknown>, fields, json, refuse);
}

/** Reads the text parts of a form in the same way. An empty text stands for nothing, as in FastAPI. */
export function validateForm(
	{ fields: parts }: ReceivedRequest,
	fields: Fields,
	refuse = unprocessable,
): Values {
	const given = Object.fromEntries(
		Object.entries(parts)
			.map(([name, texts]): [string, string] => [name, texts.at(-1) ?? ''])
			.filter(([, text]) => text !== ''),
	);
	return validate(given, fields, null, refuse);
}

function validate(
	given: Record<string, unknown>,
	fields: Fields,
	body: unknown,
	refuse: typeof unprocessable,
): Values {
	const errors: ValidationError[] = [];
	const values: Values = {};
	for (const [name, field] of Object.entries(fields)) {
		const loc = ['body', name];
		const input = given[name];
		if (input === undefined) {
			if (field.required) {
				errors.push({ type: 'missing', loc, msg: 'Field required', input: body });
			}
			continue;
		}
		if (input === null && !field.required && !field.notNull) continue;
		const read = readValue(input, field);
		if ('msg' in read) errors.push({ ...read, loc, input });
		else values[name] = read.value;
	}
	if (errors.length > 0) throw refuse(errors);
	return values;
}

type Read = { value: string | number | boolean | object } | { type: string; msg: string };

function readValue(input: unknown, field: Field): Read {
	const read = READERS[field.type](input);
	if ('msg' in read) return read;
	const { value } = read;
	if (field.of && !field.of.includes(String(value))) {
		const all = field.of.map((each) => `'${each}'`);
		const msg = `Input should be ${all.length > 1 ? `${all.slice(0, -1).join(', ')} or ` : ''}${all.at(-1)}`;
		return { type: 'literal_error', msg };
	}
	if (typeof value === 'number') {
		if (field.min !== undefined && value < field.min) {
			const msg = `Input should be greater than or equal to ${field.min}`;
			return { type: 'greater_than_equal', msg };
		}
		if (field.max !== undefined && value > field.max) {
			return {
				type: 'less_than_equal',
				msg: `Input should be less than or equal to ${field.max}`,
			};
		}
	}
	const wrong = field.check?.(value as never);
	return wrong === undefined ? read : { type: 'value_error', msg: `Value error, ${wrong}` };
}

const READERS: Record<Field['type'], (input: unknown) => Read> = {
	string: (input) =>
		typeof input === 'string'
			? { value: input }
			: { type: 'string_type', msg: 'Input should be a valid string' },
	integer(input) {
		if (typeof input === 'string' && /^\s*[-+]?\d+\s*$/.test(input)) {
			return { value: Number(input) };
		}
		if (typeof input === 'string') {
			const msg = 'Input should be a valid integer, unable to parse string as an integer';
			return { type: 'int_parsing', msg };
		}
		if (typeof input !== 'number') {
			return { type: 'int_type', msg: 'Input should be a valid integer' };
		}
		if (Number.isInteger(input)) return { value: input };
		const msg = 'Input should be a valid integer, got a number with a fractional part';
		return { type: 'int_from_float', msg };
	},
	number(input) {
		const value = typeof input === 'string' ? Number(input.trim() || NaN) : input;
		if (typeof value === 'number' && !Number.isNaN(value)) return { value };
		if (typeof input !== 'string') {
			return { type: 'float_type', msg: 'Input should be a valid number' };
		}
		const msg = 'Input should be a valid number, unable to parse string as a number';
		return { type: 'float_parsing', msg };
	},
	boolean(input) {
		const word = String(input).toLowerCase();
		if (['true', '1', 'yes', 'on', 't', 'y'].includes(word)) return { value: true };
		if (['false', '0', 'no', 'off', 'f', 'n'].includes(word)) return { value: false };
		const msg = 'Input should be a valid boolean, unable to interpret input';
		return { type: 'bool_parsing', msg };
	},
	object: (input) =>
		typeof input === 'object' && input !== null
			? { value: input }
			: { type: 'dict_type', msg: 'Input should be a valid dictionary' },
};
