import type { IDataObject } from 'n8n-workflow';

import {
	MODELS,
	SEED_RANGE,
	sizeValue,
	type ModelCapabilities,
	type Operation,
} from '../catalogue/models';
import { Refusal } from '../errors/nodeErrors';
import { quantity } from '../errors/quantity';
import { valueAt, type Field } from './routing';
import type { BodyFields } from './types';
import {
	assertScalar,
	isScalar,
	isUnset,
	parseSize,
	readBoolean,
	readNumber,
	readText,
	showValue,
	toBoolean,
	toNumber,
	type EnteredValue,
	type NumberLimits,
} from './validators';

/** A value to check against the capabilities of a model. */
interface CheckedValue extends EnteredValue, Pick<Field, 'isRequired'> {
	operation: Operation;
	model: string;
	capabilities: ModelCapabilities;
}

/** Returns the value to send, or `undefined` to send none. Throws if the API would refuse the value. */
type Validator = (checked: CheckedValue) => unknown;

const EMPTY_PROMPT_ADVICE =
	'Write what the image should show. If the prompt comes from an expression, check that this item has the field.';

/** Only options can be removed. */
const advise = ({ label, isRequired }: Pick<Field, 'label' | 'isRequired'>, effect: string) =>
	`Change '${label}'${isRequired ? '' : `, or remove the option ${effect}`}.`;

const adviceFor = (checked: CheckedValue) =>
	advise(checked, `to use the default of ${checked.model}`);

const number =
	(limitsOf: (capabilities: ModelCapabilities) => NumberLimits) => (checked: CheckedValue) =>
		readNumber(checked, limitsOf(checked.capabilities), adviceFor(checked));

/** The validators of the API's fields, for models in the catalogue. */
const VALIDATORS: Record<string, Validator> = {
	prompt: (checked) => limitedText(checked, checked.capabilities.maxPromptCharacters),
	// With a model without sizes, the image always has the size of the input.
	size: (checked) => (checked.capabilities.sizes ? sizeInNotation(checked) : undefined),
	steps: number(({ steps }) => ({ ...steps, isWhole: true })),
	cfg_scale: number(({ cfgScale }) => cfgScale),
	seed: number(() => ({ ...SEED_RANGE, isWhole: true })),
	negative_prompt: (checked) => {
		const { negativePrompt } = checked.capabilities;
		return negativePrompt
			? limitedText(checked, negativePrompt.maxCharacters)
			: unsupported(checked);
	},
	text_mode: (checked) => {
		const textMode = readBoolean(checked, adviceFor(checked));
		if (checked.capabilities.textMode) return textMode;
		// Such a model behaves as if text mode were off, so only true is an error.
		return textMode ? unsupported(checked) : undefined;
	},
	source_weight: (checked) => {
		const { sourceWeight } = checked.capabilities;
		if (!sourceWeight) return undefined;
		const { max } = sourceWeight;
		const weight = readNumber(checked, { min: 0, max }, adviceFor(checked));
		if (weight > 0) return weight;
		throw new Refusal(
			`'${checked.label}' must be above 0, and at most ${max}, but is 0`,
			'Use a small number such as 0.1 to keep close to the source.',
		);
	},
};

/**
 * Turns an item's parameters into the fields to send: converts texts from expressions to numbers and booleans, leaves out
 * unset fields, writes the size in the model's notation, and refuses what the API would refuse.
 *
 * @param capabilities what the model can do in this operation; without it, nothing is refused
 * @throws Refusal that names the field by its label
 */
export function readBodyFields(
	panelFields: Field[],
	parameters: IDataObject,
	operation: Operation,
	model: string,
	capabilities: ModelCapabilities | undefined,
): BodyFields {
	const fields: BodyFields = { model };
	for (const field of panelFields) {
		const { apiField, label, isRequired } = field;
		if (apiField === undefined || apiField === 'model') continue;
		const value = valueAt(parameters, field.path);
		// Without a prompt, any server would make, and charge, a meaningless image.
		if (apiField === 'prompt') readText({ label, value }, EMPTY_PROMPT_ADVICE);
		const isChecked = capabilities && Object.hasOwn(VALIDATORS, apiField);
		if (isUnset(value) && !(isChecked && isRequired)) continue;
		const validated = isChecked
			? VALIDATORS[apiField]({ label, value, isRequired, operation, model, capabilities })
			: toDeclaredType(field, value);
		if (validated !== undefined) fields[apiField] = validated;
	}
	return fields;
}

/**
 * Converts a value to the declared type of its field, because "8" and 8 differ in JSON. Other texts in such fields,
 * such as "auto", may have a meaning on the server; values that no server understands are refused.
 */
function toDeclaredType(field: Field, value: unknown): unknown {
	const { label, type } = field;
	if (type !== 'number' && type !== 'boolean') {
		assertScalar({ label, value });
		return type === 'string' ? String(value) : value;
	}
	const isNumber = type === 'number';
	if (isScalar(value) && !(isNumber && typeof value === 'boolean')) {
		return (isNumber ? toNumber(value) : toBoolean(value)) ?? value;
	}
	throw new Refusal(
		`'${label}' must be ${isNumber ? 'a number' : 'true or false'}, but is ${showValue(value)}`,
		advise(field, 'to leave it to the server'),
	);
}

/**
 * Counts code points, as most APIs do: a Chinese character is one, an emoji one or more. StepFun does not document how
 * it counts. The node refuses a text that may be too long, so that the run stops before other rows are charged. In a
 * form, which Edit sends, a line break is two characters ("multipart/form-data encoding algorithm" of the HTML standard).
 */
function limitedText(checked: CheckedValue, maxCharacters: number): string {
	const { label, value, operation, model } = checked;
	assertScalar(checked);
	const text = String(value);
	const isInForm = operation === 'edit';
	const characters = [...(isInForm ? text.replace(/\r\n|\r|\n/g, '\r\n') : text)].length;
	const excess = characters - maxCharacters;
	if (excess <= 0) return text;
	throw new Refusal(
		`'${label}' is too long: ${characters} characters, and ${model} takes at most ${maxCharacters}`,
		`Shorten the text by ${quantity(excess, 'character')}. A Chinese character counts as one, an emoji as one or more${isInForm ? ', and a line break as two' : ''}.`,
	);
}

function unsupported({ label, model }: CheckedValue): never {
	throw new Refusal(
		`'${label}' is not available for ${model}`,
		`Remove the option '${label}', or choose a model that has it, such as ${MODELS[0].id}.`,
	);
}

function sizeInNotation({ label, value, model, capabilities }: CheckedValue): string {
	const { sizes = [], sizeIsArea } = capabilities;
	const entered = parseSize(value);
	const size = entered && sizes.find((each) => sizeValue(each) === sizeValue(entered));
	if (size) return size.apiValue;

	const offered = sizes.map((each) =>
		sizeIsArea ? sizeValue(each) : `${sizeValue(each)} (${each.orientation} ${each.ratio})`,
	);
	throw new Refusal(
		`'${label}' ${showValue(value)} is not a size of ${model}`,
		`Use one of its sizes, width x height: ${offered.join(', ')}.`,
	);
}
