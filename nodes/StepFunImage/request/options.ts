import type { IDataObject } from 'n8n-workflow';

import {
	DEFAULT_LINK_LIFETIME,
	FALLBACK_FIELD,
	MAX_IMAGES_PER_INPUT,
	RETRY_DEFAULTS,
} from '../catalogue/defaults';
import { findOutput, OUTPUTS, type OutputForm } from '../catalogue/outputs';
import type { ServerFormat } from '../catalogue/serverFormats';
import { Refusal } from '../errors/nodeErrors';
import type { ItemContext } from './types';
import {
	isUnset,
	readBoolean,
	readChoice,
	readNumber,
	readText,
	showValue,
	type NumberLimits,
} from './validators';

/** The longest delay of a Node.js timer, almost 25 days. A longer one becomes one millisecond. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A request that keeps receiving data may take this many times the timeout. */
const TOTAL_PER_SILENCE = 10;

const { maxTries, timeoutSeconds, giveUpAfterSeconds } = RETRY_DEFAULTS;

const COUNT: NumberLimits = { min: 1, isWhole: true };

const adviceFor = (label: string, effect: string) =>
	`Change '${label}', or remove the option ${effect}.`;

/** Reads the limits of an item's requests: their number, how long they may take, and how often each is tried. */
export function readLimits(options: IDataObject, format: ServerFormat) {
	/** Reads an option that is a number. `unset` is the value without it, and `effect` says what that value does. */
	const number = (
		name: string,
		label: string,
		limits: NumberLimits,
		unset: number,
		effect = `to use ${unset}`,
	) => {
		const value = options[name];
		return isUnset(value) ? unset : readNumber({ label, value }, limits, adviceFor(label, effect));
	};
	const imagesPerInput = { ...COUNT, max: MAX_IMAGES_PER_INPUT };
	const timeout = number('timeout', 'Timeout (Seconds)', { min: 0.1 }, timeoutSeconds);
	const giveUp = number('giveUpAfter', 'Give Up After (Seconds)', { min: 0 }, giveUpAfterSeconds);
	return {
		count: number('numberOfImages', 'Number of Images', imagesPerInput, 1, 'to make one'),
		maxImagesPerRun: readMaxImagesPerRun(options),
		timeouts: {
			silenceMs: toMilliseconds(timeout),
			totalMs: toMilliseconds(timeout * TOTAL_PER_SILENCE),
		},
		retryPolicy: {
			maxTries: number('maxTries', 'Max Tries', COUNT, maxTries),
			// Limits the waits between tries too, so it must not exceed a timer's longest delay.
			maxElapsedMs: toMilliseconds(giveUp),
			maxPaidRetries: format.maxPaidRetries,
		},
	};
}

/** Reads the maximum for the whole run. An expression that returns nothing must not silently remove the limit. */
function readMaxImagesPerRun(options: IDataObject): number {
	if (!('maxImagesPerRun' in options)) return Infinity;
	const entered = { label: 'Max Images per Run', value: options.maxImagesPerRun };
	return readNumber(entered, COUNT, adviceFor(entered.label, 'for no limit'));
}

function toMilliseconds(seconds: number): number {
	return Math.min(Math.round(seconds * 1000), MAX_TIMER_MS);
}

export type OutputOptions = ReturnType<typeof readOutputOptions>;

/** Reads how to return an item's images. Refuses what the server or this n8n cannot do. */
export function readOutputOptions(
	item: ItemContext,
	parameters: IDataObject,
	options: IDataObject,
	format: ServerFormat,
) {
	const { severalImagesAs, whenModerated } = options;
	return {
		output: readOutput(item, parameters.output, format),
		includeInput: readIncludeInput(item, options),
		severalImagesAs: readOption('Several Images As', severalImagesAs, ['items', 'fields']),
		whenModerated: readOption('When Moderated', whenModerated, ['fail', 'passOn']),
		/** How long a link served by n8n stays valid, in the syntax of n8n's helper. */
		linkLifetime: readLinkLifetime(parameters),
	};
}

/** Which parts of an input item its output items keep. */
export type IncludeInput = 'nothing' | 'json' | 'jsonAndFiles';

/** Reads which parts of its input an output item keeps. */
export function readIncludeInput(
	{ node, isTool }: ItemContext,
	{ includeInputFields: value }: IDataObject,
): IncludeInput {
	// A tool's input is the agent's own call.
	if (isUnset(value)) return node.parameters.resource === 'image' && !isTool ? 'json' : 'nothing';
	const label = 'Include Input Fields';
	const keepsAll = readBoolean({ label, value }, `Change '${label}', or remove the option.`);
	return keepsAll ? 'jsonAndFiles' : 'nothing';
}

/** Reads a choice; without the option, the first one applies. */
function readOption<T extends string>(label: string, value: unknown, choices: readonly T[]): T {
	return isUnset(value) ? choices[0] : readChoice({ label, value }, choices);
}

function readOutput(item: ItemContext, value: unknown, format: ServerFormat): OutputForm {
	const choices = OUTPUTS.map((each) => each.value);
	const output = findOutput(readChoice({ label: 'Output', value }, choices));
	if (output.hasUrl && !format.hasLinks) {
		// An agent's tool returns links by default. If the server has none, n8n can serve them.
		if (item.isTool) return findOutput('n8nLink');
		throw new Refusal(
			`'Output' is '${output.name}', but ${format.name} servers return no links`,
			"Choose 'Image File', or 'Temporary Link' for a link that n8n serves.",
		);
	}
	// n8n 1.85 has no such helper.
	if (output.hasN8nLink && !('createBinarySignedUrl' in item.functions.helpers)) {
		throw new Refusal(
			"'Temporary Link' needs a newer n8n",
			'This n8n cannot serve links to its files. Update n8n, or choose another Output.',
		);
	}
	return output;
}

/** Reads how long a link stays valid: a number above 0 and a unit, in the syntax of n8n's helper. */
function readLinkLifetime(parameters: IDataObject): string {
	// n8n leaves the field out if the output has no such link.
	const { linkLifetime: value } = { linkLifetime: DEFAULT_LINK_LIFETIME, ...parameters };
	const lifetime = String(value).trim();
	if (/^[1-9]\d{0,5} (minute|hour|day|week)s?$/.test(lifetime)) return lifetime;
	throw new Refusal(
		`'Link Lifetime' must be a time such as 1 hour or 7 days, but is ${showValue(value)}`,
		'Choose from the list, or make the expression return a number followed by minutes, hours, days or weeks.',
	);
}

/** Reads the name of the binary field for an image. */
export function readOutputField(value: unknown, { hasFile }: OutputForm): string {
	if (!hasFile) return FALLBACK_FIELD;
	const field = readText(
		{ label: 'Put Output File in Field', value },
		'Enter a name for the binary field of the image, such as data.',
	);
	if (field === '__proto__') {
		throw new Refusal(
			"'Put Output File in Field' must not be __proto__",
			'JavaScript cannot store a field of this name. Enter another one, such as data.',
		);
	}
	return field;
}
