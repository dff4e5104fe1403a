import { validateFieldType, type IDataObject, type IExecuteSingleFunctions } from 'n8n-workflow';

import {
	MODELS,
	SEED_RANGE,
	sizeValue,
	type NumberRange,
	type OperationFacts,
} from '../catalogue/models';
import { inputError } from '../errors/inputError';

/** What goes over the wire beside the input image, keyed by the API's field names. */
export type RequestFields = Record<string, string | number | boolean>;

let graphemes: Intl.Segmenter | undefined;

/**
 * How many characters a person would count: a Chinese character is one, and so is an emoji, however
 * many code points it is made of.
 */
function countCharacters(text: string): number {
	// Made when it is needed, as n8n loads every node when it starts.
	graphemes ??= new Intl.Segmenter();
	return [...graphemes.segment(text)].length;
}

/** Whether a field was left alone, or an expression gave nothing for this item. */
export function isUnset(value: unknown): boolean {
	return (
		value === undefined || value === null || (typeof value === 'string' && value.trim() === '')
	);
}

function show(value: unknown): string {
	const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
	return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/**
 * Turns the fields that n8n's routing collected into the fields to send, for a model of the
 * catalogue: texts from expressions become numbers and booleans, unset fields are left out, the size
 * gets the model's notation, and what the API would refuse is refused here.
 *
 * @param context the item's execution context
 * @param collected the body as routing filled it, keyed by the API's field names
 * @param model the model's ID
 * @param facts what the catalogue knows of the model for this operation
 * @throws NodeOperationError that names the field by its label
 */
export function checkFields(
	context: IExecuteSingleFunctions,
	collected: IDataObject,
	model: string,
	facts: OperationFacts,
): RequestFields {
	const refuse = (message: string, description: string): never => {
		throw inputError(context, message, description);
	};

	const text = (label: string, value: unknown): string => {
		if (typeof value === 'string') return value;
		if (typeof value === 'number' || typeof value === 'boolean') return String(value);
		return refuse(
			`'${label}' must be text, but is ${Array.isArray(value) ? 'a list' : 'an object'}`,
			`Check the expression in '${label}': it should point to one text, for example {{ $json.prompt }}.`,
		);
	};

	const limitedText = (label: string, value: unknown, maxCharacters: number): string => {
		const content = text(label, value);
		const characters = countCharacters(content);
		if (characters > maxCharacters) {
			refuse(
				`'${label}' is too long: ${characters} characters, and ${model} takes at most ${maxCharacters}`,
				`Shorten the text by ${characters - maxCharacters} characters. A Chinese character counts as one, and so does an emoji.`,
			);
		}
		return content;
	};

	const number = (
		label: string,
		value: unknown,
		range: Pick<NumberRange, 'min' | 'max'>,
		kind: 'whole number' | 'number',
	): number => {
		const result = validateFieldType(label, value, 'number');
		const parsed = result.valid && typeof value !== 'boolean' ? Number(result.newValue) : NaN;
		const fits =
			parsed >= range.min && parsed <= range.max && (kind === 'number' || Number.isInteger(parsed));
		return fits
			? parsed
			: refuse(
					`'${label}' must be a ${kind} from ${range.min} to ${range.max}, but is ${show(value)}`,
					`Change '${label}', or remove the option to use the default of ${model}.`,
				);
	};

	const boolean = (label: string, value: unknown): boolean => {
		const result = validateFieldType(label, value, 'boolean');
		return result.valid
			? Boolean(result.newValue)
			: refuse(
					`'${label}' must be true or false, but is ${show(value)}`,
					`Change '${label}', or remove the option to use the default of ${model}.`,
				);
	};

	const unsupported = (label: string): never =>
		refuse(
			`'${label}' is not available for ${model}`,
			`Remove the option '${label}', or choose a model that has it, such as ${MODELS[0].id}.`,
		);

	const fields: RequestFields = { model };

	if (isUnset(collected.prompt)) {
		refuse(
			"'Prompt' is empty",
			'Write what the image should show. If the prompt comes from an expression, check that the field exists on this item.',
		);
	}
	fields.prompt = limitedText('Prompt', collected.prompt, facts.maxPromptCharacters);

	if (!isUnset(collected.size) && facts.sizes) {
		fields.size = sizeInNotation(context, collected.size, model, facts);
	}
	if (!isUnset(collected.steps)) {
		fields.steps = number('Steps', collected.steps, facts.steps, 'whole number');
	}
	if (!isUnset(collected.cfg_scale)) {
		fields.cfg_scale = number('CFG Scale', collected.cfg_scale, facts.cfgScale, 'number');
	}
	if (!isUnset(collected.seed)) {
		fields.seed = number('Seed', collected.seed, SEED_RANGE, 'whole number');
	}
	if (!isUnset(collected.negative_prompt)) {
		if (!facts.negativePrompt) unsupported('Negative Prompt');
		else {
			fields.negative_prompt = limitedText(
				'Negative Prompt',
				collected.negative_prompt,
				facts.negativePrompt.maxCharacters,
			);
		}
	}
	if (!isUnset(collected.text_mode)) {
		const textMode = boolean('Text Mode', collected.text_mode);
		if (facts.textMode) fields.text_mode = textMode;
		// Off is what such a model does anyway, so only a wish that it cannot meet is refused.
		else if (textMode) unsupported('Text Mode');
	}
	if (facts.sourceWeight) {
		const { max } = facts.sourceWeight;
		fields.source_weight = number(
			'Source Weight',
			collected.source_weight,
			{ min: 0, max },
			'number',
		);
		if (fields.source_weight === 0) {
			refuse(
				`'Source Weight' must be above 0, and at most ${max}, but is 0`,
				'Use a small number such as 0.1 to keep close to the source.',
			);
		}
	}
	return fields;
}

function sizeInNotation(
	context: IExecuteSingleFunctions,
	value: unknown,
	model: string,
	facts: OperationFacts,
): string {
	const sizes = facts.sizes ?? [];
	const [, width, height] = /^\s*(\d+)\s*[x×*]\s*(\d+)\s*$/i.exec(String(value)) ?? [];
	const size = sizes.find((each) => sizeValue(each) === `${width}x${height}`);
	if (size) return size.apiValue;

	const offered = sizes.map((each) =>
		facts.sizeIsArea ? sizeValue(each) : `${sizeValue(each)} (${each.orientation} ${each.ratio})`,
	);
	throw inputError(
		context,
		`'Size' ${show(value)} is not a size of ${model}`,
		`Use one of its sizes, width x height: ${offered.join(', ')}.`,
	);
}

const FIELD_TYPES = new Map<string, 'number' | 'boolean'>([
	['steps', 'number'],
	['cfg_scale', 'number'],
	['seed', 'number'],
	['text_mode', 'boolean'],
	['source_weight', 'number'],
]);

/**
 * The fields for a model that the catalogue does not know. Nothing is refused; texts that plainly are
 * numbers or booleans become such, because a JSON API tells "8" from 8.
 *
 * @param collected the body as routing filled it, keyed by the API's field names
 */
export function passFields(collected: IDataObject): RequestFields {
	const fields: RequestFields = {};
	for (const [name, value] of Object.entries(collected)) {
		if (isUnset(value)) continue;
		const type = FIELD_TYPES.get(name);
		const result = type && validateFieldType(name, value, type);
		fields[name] = (result?.valid ? result.newValue : value) as string | number | boolean;
	}
	return fields;
}
