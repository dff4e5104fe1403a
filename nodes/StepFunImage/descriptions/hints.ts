import type { NodeHint } from 'n8n-workflow';

import { OFFERS, type Offer } from '../catalogue/models';

/**
 * Words in English or Chinese quotes. A straight quote opens only if no English letter or digit precedes it, so
 * that `the shoe's sole` and `a 5" shelf` do not match.
 */
const QUOTED_WORDS =
	/(?<!\w)"[^"]+"(?!\w)|(?<!\w)'(?:[^']|\b'\b)+'(?!\w)|“[^”]+”|‘[^’]+’|「[^」]+」/;

/**
 * A hint about the models that `fits` selects. The editor evaluates its condition for the first input item, and cannot
 * resolve expressions in other parameters before the previous nodes have run. If the condition throws, the hint stays
 * hidden.
 */
function hint(message: string, fits: (offer: Offer) => boolean, condition: string): NodeHint {
	const pairs = OFFERS.filter(fits).map(({ operation, id }) => `${operation} ${id}`);
	const applies = `${JSON.stringify(pairs)}.includes($parameter.operation + " " + $parameter.model)`;
	return {
		message,
		type: 'info',
		location: 'outputPane',
		whenToDisplay: 'always',
		displayCondition: `={{ (() => { try { return ${applies} && ${condition}; } catch (error) { return false; } })() }}`,
	};
}

/** Longer than any valid prompt. Searching a longer text for pairs of quotes would only slow the editor down. */
const MAX_CHARACTERS = 2_000;

/**
 * Checks the prompt as typed, with a word in place of each expression, so that the hint appears before the first run.
 * Also checks the resolved prompt, for quotes that come from the data.
 */
const PROMPT_HAS_QUOTED_WORDS = [
	'[',
	`() => $rawParameter.prompt.slice(0, ${MAX_CHARACTERS}).replace(/[{][{].*?[}][}]/gs, "x"),`,
	`() => $parameter.prompt.slice(0, ${MAX_CHARACTERS}),`,
	'].some((prompt) => {',
	`try { return /${QUOTED_WORDS.source}/.test(prompt()); } catch (error) { return false; }`,
	'})',
].join(' ');

/** The hints about settings that the user most likely did not intend. */
export const hints = [
	hint(
		'The prompt has words in quotes. If they should appear in the image, add <strong>Text Mode</strong> under Options.',
		({ capabilities }) => capabilities.textMode,
		`!$rawParameter.options?.textMode && ${PROMPT_HAS_QUOTED_WORDS}`,
	),
	hint(
		'<strong>Size</strong> has no effect with this model: the result has the size of the input image.',
		({ capabilities }) => !capabilities.sizes,
		'Boolean($rawParameter.size)',
	),
];
