import { jsonParse, type IDataObject } from 'n8n-workflow';

import type { Operation } from '../catalogue/models';
import { Refusal } from '../errors/nodeErrors';
import { INPUT_IMAGE_FIELDS } from './body';
import type { BodyFields } from './types';
import { assertScalar, isUnset, showValue, toBoolean, toNumber } from './validators';

/** The names under which servers take the number of images for one request. */
const NUMBER_OF_IMAGES =
	/^(n|batch_count|batch_size|num_images|num_images_per_prompt|num_outputs)$/;

const VALUE_ADVICE =
	'Correct the value, remove the field, or check that the expression returns a value for this item.';

/**
 * Reads the user's own fields for the body. A field that is null removes the node's field of the same name. Refuses what
 * JSON cannot express, and fields with which the user would pay for images that the node does not return.
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
	for (const [name, value] of entries) assertSendable(name, value, operation);
	return Object.fromEntries(entries) as BodyFields;
}

function assertSendable(name: string, value: unknown, operation: Operation): void {
	const refuse = (problem: string, advice: string) => {
		throw new Refusal(`'Additional Body Fields' ${problem}`, advice);
	};
	if (NUMBER_OF_IMAGES.test(name) && (toNumber(value) ?? 1) > 1) {
		refuse(
			`asks for several images with ${name}`,
			`The node takes one image from each response, so you would pay for the others without getting them. Remove ${name}, and set 'Number of Images' under Options instead.`,
		);
	}
	if (name === 'stream' && toBoolean(value) === true) {
		refuse(
			'asks for a stream of events with stream',
			'The node reads a single response, so you would pay for an image without getting it. Remove stream.',
		);
	}
	if (operation !== 'generate' && name === INPUT_IMAGE_FIELDS[operation] && value !== null) {
		refuse(
			`contains the input image, ${name}`,
			`The node sends the image in this field itself. Remove ${name}, and choose the image with 'Input Image From'.`,
		);
	}
	if (name === 'prompt' && value !== null && isUnset(value)) {
		refuse('sets prompt to an empty text', VALUE_ADVICE);
	}
	JSON.stringify(value, (_name, inner: unknown) => {
		if (typeof inner === 'string') assertScalar({ label: 'Additional Body Fields', value: inner });
		// JSON would contain null instead.
		if (typeof inner === 'number' && !Number.isFinite(inner)) {
			refuse(`sets ${name} to ${inner}`, VALUE_ADVICE);
		}
		return inner;
	});
}
