import { jsonParse, type IDataObject } from 'n8n-workflow';

import type { Operation } from '../catalogue/models';
import { Refusal } from '../errors/nodeErrors';
import { IMAGE_FIELDS } from './body';
import type { BodyFields } from './types';
import { isUnset, showValue, toBoolean, toNumber } from './validators';

/** The names under which servers take the number of images for one request. */
const NUMBER_OF_IMAGES = ['n', 'batch_size', 'num_images', 'num_images_per_prompt', 'num_outputs'];

const VALUE_ADVICE =
	'Correct its value, remove the field, or check that the expression finds the value on this item.';

/**
 * Reads the user's own fields for the body. A field that is null removes the node's field of the same name.
 *
 * @throws Refusal for anything but an object, for values that JSON cannot express, and for fields with which
 * the user would pay for images that the node does not return
 */
export function readAdditionalBodyFields(
	{ additionalBodyFields }: IDataObject,
	operation: Operation,
): BodyFields {
	if (isUnset(additionalBodyFields)) return {};
	const parsed =
		typeof additionalBodyFields === 'string'
			? jsonParse<unknown>(additionalBodyFields, { fallbackValue: null })
			: additionalBodyFields;
	if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
		throw new Refusal(
			"'Additional Body Fields' is not a JSON object",
			`Write an object such as { "num_inference_steps": 20 }, with the names in double quotes. The current value is ${showValue(parsed ?? additionalBodyFields)}.`,
		);
	}
	const entries = Object.entries(parsed).filter(([, value]) => value !== undefined);
	for (const [name, value] of entries) {
		const [problem, advice] = findProblem(name, value, operation) ?? [];
		if (problem) throw new Refusal(`'Additional Body Fields' ${problem}`, advice as string);
	}
	return Object.fromEntries(entries) as BodyFields;
}

function findProblem(
	name: string,
	value: unknown,
	operation: Operation,
): [problem: string, advice: string] | undefined {
	if (NUMBER_OF_IMAGES.includes(name) && (toNumber(value) ?? 1) > 1) {
		return [
			`asks for several images with ${name}`,
			`The node takes one image from each answer, so you would pay for the others without getting them. Remove ${name}, and set 'Number of Images' under Options instead.`,
		];
	}
	if (name === 'stream' && toBoolean(value) === true) {
		return [
			'asks for a stream of events with stream',
			'The node reads a single answer, so you would pay for an image without getting it. Remove stream.',
		];
	}
	if (operation !== 'generate' && name === IMAGE_FIELDS[operation] && value !== null) {
		return [
			`contains the input image, ${name}`,
			`The node sends the image in this field itself. Remove ${name}, and choose the image with 'Input Image From'.`,
		];
	}
	if (name === 'prompt' && value !== null && isUnset(value)) {
		return ['sets prompt to an empty text', VALUE_ADVICE];
	}
	const number = findInexpressibleNumber(value);
	return number === undefined ? undefined : [`sets ${name} to ${number}`, VALUE_ADVICE];
}

/** NaN or an infinite number anywhere in a value, which would be sent as null. */
function findInexpressibleNumber(value: unknown): number | undefined {
	if (typeof value === 'number') return Number.isFinite(value) ? undefined : value;
	if (typeof value !== 'object' || value === null) return undefined;
	return Object.values(value)
		.map(findInexpressibleNumber)
		.find((each) => each !== undefined);
}
