import type { IDataObject } from 'n8n-workflow';

import { DEFAULT_LINK_LIFETIME, FALLBACK_FIELD } from '../catalogue/defaults';
import { findOutput, OUTPUTS, type Output } from '../catalogue/outputs';
import type { ServerFormat } from '../catalogue/serverFormats';
import { Refusal } from '../errors/nodeErrors';
import { readIncludeInput } from './options';
import type { ItemContext, OutputOptions } from './types';
import { isUnset, readChoice, readText, showValue } from './validators';

/**
 * Reads how to return an item's images.
 *
 * @throws Refusal if the server or this n8n cannot return them so
 */
export function readOutputOptions(
	item: ItemContext,
	parameters: IDataObject,
	options: IDataObject,
	format: ServerFormat,
): OutputOptions {
	const { severalImagesAs, whenModerated } = options;
	return {
		output: readOutput(item, parameters.output, format),
		// A tool's input is the agent's own call.
		includeInput: readIncludeInput(options, item.isTool ? 'nothing' : 'json'),
		severalImagesAs: readOption('Several Images As', severalImagesAs, ['items', 'fields']),
		whenModerated: readOption('When Moderated', whenModerated, ['fail', 'passOn']),
		linkLifetime: readLinkLifetime(parameters.linkLifetime),
	};
}

/** Reads a choice; without the option, the first one applies. */
function readOption<T extends string>(label: string, value: unknown, choices: readonly T[]): T {
	return isUnset(value) ? choices[0] : readChoice({ label, value }, choices);
}

function readOutput(item: ItemContext, value: unknown, format: ServerFormat): Output {
	const choices = OUTPUTS.map((each) => each.value);
	const output = readChoice({ label: 'Output', value }, choices);
	const { name, hasUrl, hasN8nLink } = { ...findOutput(output) };
	if (hasUrl && !format.hasLinks) {
		// An agent's tool returns links by default. If the server has none, n8n can serve them.
		if (item.isTool) return 'n8nLink';
		throw new Refusal(
			`'Output' is '${name}', but ${format.name} servers give no links`,
			"Choose 'Image File', or 'Temporary Link' for a link that n8n serves.",
		);
	}
	// n8n 1.85 has no such helper.
	if (hasN8nLink && !('createBinarySignedUrl' in item.functions.helpers)) {
		throw new Refusal(
			"'Temporary Link' needs a newer n8n",
			'This n8n cannot serve links to its files. Update n8n, or choose another Output.',
		);
	}
	return output;
}

/** Reads how long a link stays valid: a number above 0 and a unit, in the syntax of n8n's helper. */
function readLinkLifetime(value: unknown = DEFAULT_LINK_LIFETIME): string {
	const lifetime = String(value).trim();
	if (/^[1-9]\d{0,5} (minute|hour|day|week)s?$/.test(lifetime)) return lifetime;
	throw new Refusal(
		`'Link Lifetime' must be a time such as 1 hour or 7 days, but is ${showValue(value)}`,
		'Choose from the list, or make the expression return a number followed by minutes, hours, days or weeks.',
	);
}

/** Reads the name of the binary field for an image. */
export function readOutputField(value: unknown, output: Output): string {
	if (!findOutput(output)?.hasFile) return FALLBACK_FIELD;
	const field = readText({ label: 'Put Output File in Field', value });
	if (field === '') {
		throw new Refusal(
			"'Put Output File in Field' is empty",
			'Enter a name for the binary field of the image, such as data.',
		);
	}
	if (field === '__proto__') {
		throw new Refusal(
			"'Put Output File in Field' must not be __proto__",
			'JavaScript cannot store a field of this name. Enter another one, such as data.',
		);
	}
	return field;
}
