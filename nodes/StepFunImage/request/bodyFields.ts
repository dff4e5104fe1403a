import {
	MODELS,
	SEED_RANGE,
	sizeValue,
	type ModelCapabilities,
	type NumberRange,
} from '../catalogue/models';
import { inputError } from '../errors/nodeErrors';
import type { RoutedField } from './routing';
import type { BodyFields, ItemContext } from './types';
import {
	assertScalar,
	isScalar,
	isUnset,
	readNumber,
	showValue,
	toBoolean,
	toNumber,
	type EnteredValue,
} from './validators';

/** A field of the API with what the user set for it. */
export interface RoutedValue {
	field: RoutedField;
	value: unknown;
}

/** A value that is to be checked against what a model can do. */
interface CheckedValue extends EnteredValue {
	model: string;
	capabilities: ModelCapabilities;
}

/** Gives the value to send, or `undefined` to send none; throws what the API would refuse. */
type Validator = (checked: CheckedValue) => unknown;

const adviceFor = ({ label, model }: CheckedValue) =>
	`Change '${label}', or remove the option to use the default of ${model}.`;

const number =
	(
		range: (capabilities: ModelCapabilities) => Pick<NumberRange, 'min' | 'max'>,
		isWhole: boolean,
	) =>
	(checked: CheckedValue) =>
		readNumber(checked, { ...range(checked.capabilities), isWhole }, adviceFor(checked));

/** What is checked of each field of the API, for a model of the catalogue. */
const VALIDATORS: Record<string, Validator> = {
	prompt: (checked) => limitedText(checked, checked.capabilities.maxPromptCharacters),
	// A model without sizes gives the picture the size of the input, whatever is asked for.
	size: (checked) => (checked.capabilities.sizes ? sizeInNotation(checked) : undefined),
	steps: number(({ steps }) => steps, true),
	cfg_scale: number(({ cfgScale }) => cfgScale, false),
	seed: number(() => SEED_RANGE, true),
	negative_prompt: (checked) => {
		const { negativePrompt } = checked.capabilities;
		return negativePrompt
			? limitedText(checked, negativePrompt.maxCharacters)
			: unsupported(checked);
	},
	text_mode: (checked) => {
		const textMode = toBoolean(checked.value);
		if (textMode === undefined) {
			throw inputError(
				checked.item,
				`'${checked.label}' must be true or false, but is ${showValue(checked.value)}`,
				adviceFor(checked),
			);
		}
		if (checked.capabilities.textMode) return textMode;
		// Off is what such a model does anyway, so only a wish that it cannot meet is refused.
		return textMode ? unsupported(checked) : undefined;
	},
	source_weight: (checked) => {
		const { sourceWeight } = checked.capabilities;
		if (!sourceWeight) return undefined;
		const { max } = sourceWeight;
		const weight = readNumber(checked, { min: 0, max, isWhole: false }, adviceFor(checked));
		if (weight > 0) return weight;
		throw inputError(
			checked.item,
			`'${checked.label}' must be above 0, and at most ${max}, but is 0`,
			'Use a small number such as 0.1 to keep close to the source.',
		);
	},
};

/**
 * Turns what the user set into the fields to send: texts from expressions become numbers and booleans, unset fields
 * are left out, the size gets the model's notation, and what the API would refuse is refused here.
 *
 * @param values the fields that the node's properties declare, with their values
 * @param model the model's ID
 * @param capabilities what the catalogue knows of the model; without it nothing is refused
 * @throws NodeOperationError that names the field by its label
 */
export function readBodyFields(
	item: ItemContext,
	values: RoutedValue[],
	model: string,
	capabilities: ModelCapabilities | undefined,
): BodyFields {
	const fields: BodyFields = { model };
	for (const { field, value } of values) {
		const { apiField, label, isRequired } = field;
		if (apiField === 'model') continue;
		const validate =
			capabilities && Object.hasOwn(VALIDATORS, apiField) ? VALIDATORS[apiField] : undefined;
		const entered = { item, label, value };
		// Without one, a server of whatever kind makes, and charges, an image of nothing.
		if (isUnset(value) && apiField === 'prompt') throw emptyPrompt(entered);
		if (isUnset(value) && !(validate && isRequired)) continue;
		const validated = validate
			? validate({ ...entered, model, capabilities: capabilities as ModelCapabilities })
			: toDeclaredType(field, entered);
		if (validated !== undefined) fields[apiField] = validated;
	}
	return fields;
}

function emptyPrompt({ item, label }: EnteredValue): Error {
	return inputError(
		item,
		`'${label}' is empty`,
		'Write what the image should show. If the prompt comes from an expression, check that the field exists on this item.',
	);
}

/**
 * A JSON API tells "8" from 8, so a text that plainly is a number or a boolean becomes one. A server may know others,
 * such as "auto"; what no server knows is refused.
 */
function toDeclaredType({ type }: RoutedField, entered: EnteredValue): unknown {
	const { value } = entered;
	if (type === 'number') {
		if (typeof value !== 'boolean' && isScalar(value)) return toNumber(value) ?? value;
		throw inputError(
			entered.item,
			`'${entered.label}' must be a number, but is ${showValue(value)}`,
			`Change '${entered.label}', or remove the option to leave it to the server.`,
		);
	}
	assertScalar(entered);
	return type === 'boolean' ? (toBoolean(value) ?? value) : value;
}

/**
 * Code points, as most APIs count: a Chinese character is one, an emoji one or more. StepFun does not say how it
 * counts, so what it may refuse is refused here, before other rows are paid for.
 */
function countCharacters(text: string): number {
	return [...text].length;
}

function limitedText(checked: CheckedValue, maxCharacters: number): string {
	const { item, label, value, model } = checked;
	assertScalar(checked);
	const text = String(value);
	const characters = countCharacters(text);
	if (characters <= maxCharacters) return text;
	throw inputError(
		item,
		`'${label}' is too long: ${characters} characters, and ${model} takes at most ${maxCharacters}`,
		`Shorten the text by ${characters - maxCharacters} characters. A Chinese character counts as one, an emoji as one or more.`,
	);
}

function unsupported({ item, label, model }: CheckedValue): never {
	throw inputError(
		item,
		`'${label}' is not available for ${model}`,
		`Remove the option '${label}', or choose a model that has it, such as ${MODELS[0].id}.`,
	);
}

function sizeInNotation({ item, label, value, model, capabilities }: CheckedValue): string {
	const { sizes = [], sizeIsArea } = capabilities;
	const [, width, height] = /^\s*(\d+)\s*[x×*]\s*(\d+)\s*$/i.exec(String(value)) ?? [];
	const size = sizes.find((each) => sizeValue(each) === `${width}x${height}`);
	if (size) return size.apiValue;

	const offered = sizes.map((each) =>
		sizeIsArea ? sizeValue(each) : `${sizeValue(each)} (${each.orientation} ${each.ratio})`,
	);
	throw inputError(
		item,
		`'${label}' ${showValue(value)} is not a size of ${model}`,
		`Use one of its sizes, width x height: ${offered.join(', ')}.`,
	);
}
