import type { IDataObject } from 'n8n-workflow';

import { MAX_IMAGES_PER_INPUT, RETRY_DEFAULTS } from '../catalogue/defaults';
import type { ServerFormat } from '../catalogue/serverFormats';
import type { RetryPolicy } from '../transport/retry';
import type { Timeouts } from '../transport/timeLimits';
import type { IncludeInput } from './types';
import { isUnset, readBoolean, readNumber, type NumberLimits } from './validators';

/** The longest delay of a Node.js timer, almost 25 days. A longer one becomes one millisecond. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A request that keeps receiving data may take this many times the timeout. */
const TOTAL_PER_SILENCE = 10;

const { maxTries, timeoutSeconds, giveUpAfterSeconds } = RETRY_DEFAULTS;

/** An option that is a number. */
interface NumberOption extends NumberLimits {
	label: string;
	/** The value if the option is unset. */
	unset: number;
	/** What this value does, if not just `to use` it. */
	effect?: string;
}

const NUMBER_OPTIONS = {
	numberOfImages: {
		label: 'Number of Images',
		unset: 1,
		effect: 'to make one',
		min: 1,
		max: MAX_IMAGES_PER_INPUT,
		isWhole: true,
	},
	maxImagesPerRun: {
		label: 'Max Images per Run',
		unset: Infinity,
		effect: 'for no limit',
		min: 1,
		isWhole: true,
	},
	maxTries: { label: 'Max Tries', unset: maxTries, min: 1, isWhole: true },
	timeout: { label: 'Timeout (Seconds)', unset: timeoutSeconds, min: 0.1 },
	giveUpAfter: { label: 'Give Up After (Seconds)', unset: giveUpAfterSeconds, min: 0 },
} satisfies Record<string, NumberOption>;

/**
 * Reads an option that is a number.
 *
 * @throws Refusal that names the option and its range
 */
export function readNumberOption(options: IDataObject, name: keyof typeof NUMBER_OPTIONS): number {
	const {
		label,
		unset,
		effect = `to use ${unset}`,
		...limits
	}: NumberOption = NUMBER_OPTIONS[name];
	const value = options[name];
	if (isUnset(value)) return unset;
	const advice = `Change '${label}', or remove the option ${effect}.`;
	return readNumber({ label, value }, limits, advice);
}

/** Reads how long a request may take, and how many times it is tried. */
export function readRequestLimits(
	options: IDataObject,
	format: ServerFormat,
): { timeouts: Timeouts; retryPolicy: RetryPolicy } {
	const seconds = readNumberOption(options, 'timeout');
	return {
		timeouts: {
			silenceMs: toMilliseconds(seconds),
			totalMs: toMilliseconds(seconds * TOTAL_PER_SILENCE),
		},
		retryPolicy: {
			maxTries: readNumberOption(options, 'maxTries'),
			// Limits the waits between tries too, so it must not exceed a timer's longest delay.
			maxElapsedMs: toMilliseconds(readNumberOption(options, 'giveUpAfter')),
			// Other servers continue with an image after the client has disconnected, so a retry only lengthens their
			// queue.
			maxPaidRetries: format.value === 'stepfun' ? 1 : 0,
		},
	};
}

/** Converts seconds to the milliseconds of a timer, which has a longest delay. */
function toMilliseconds(seconds: number): number {
	return Math.min(Math.round(seconds * 1000), MAX_TIMER_MS);
}

/**
 * Which parts of the input an output item keeps.
 *
 * @param options the option's value may be text from an expression
 * @param unset the result without the option
 * @throws Refusal if it is neither true nor false
 */
export function readIncludeInput(
	{ includeInputFields }: IDataObject,
	unset: IncludeInput,
): IncludeInput {
	if (isUnset(includeInputFields)) return unset;
	const label = 'Include Input Fields';
	return readBoolean(
		{ label, value: includeInputFields },
		`Change '${label}', or remove the option.`,
	)
		? 'jsonAndFiles'
		: 'nothing';
}
