import type { NodeHint } from 'n8n-workflow';

import { MODELS, type Operation, type ModelCapabilities } from '../catalogue/models';

/**
 * Words in quotes, as people type them in English and in Chinese. Straight quotes open after anything
 * but a letter or a digit of English, so that `the shoe's sole` and `a 5" shelf` are no quotes.
 */
const QUOTED_WORDS =
	/(?<!\w)"[^"]+"(?!\w)|(?<!\w)'(?:[^']|\b'\b)+'(?!\w)|“[^”]+”|‘[^’]+’|「[^」]+」/;

/** The operations of each model that fit, as `operation model`. */
function pairsWhere(fits: (capabilities: ModelCapabilities) => boolean): string[] {
	return MODELS.flatMap(({ id, operations }) =>
		(Object.keys(operations) as Operation[])
			.filter((operation) => fits(operations[operation] as ModelCapabilities))
			.map((operation) => `${operation} ${id}`),
	);
}

/**
 * A display condition for n8n. The editor evaluates it for the first item of the input, and cannot
 * resolve the expressions of other parameters before the nodes in front have run; a condition that
 * throws shows nothing.
 */
function condition(pairs: string[], body: string): string {
	const applies = `${JSON.stringify(pairs)}.includes($parameter.operation + " " + $parameter.model)`;
	return `={{ (() => { try { return ${applies} && ${body}; } catch (error) { return false; } })() }}`;
}

/** No prompt is longer; more of it would only keep the editor, whose pattern looks for each quote's partner. */
const MAX_CHARACTERS = 2_000;

/**
 * The prompt is looked at as it was typed, with a word in place of each expression, so that the hint
 * is there before the first run; and as it comes out, for quotes that the data brings.
 */
const PROMPT_HAS_QUOTED_WORDS = [
	'[',
	`() => $rawParameter.prompt.slice(0, ${MAX_CHARACTERS}).replace(/[{][{].*?[}][}]/gs, "x"),`,
	`() => $parameter.prompt.slice(0, ${MAX_CHARACTERS}),`,
	'].some((prompt) => {',
	`try { return /${QUOTED_WORDS.source}/.test(prompt()); } catch (error) { return false; }`,
	'})',
].join(' ');

/** What n8n shows above the node's output while a setting misses what the user most likely wants. */
export const hints: NodeHint[] = [
	{
		message:
			'The prompt has words in quotes. If they should appear in the picture, add <strong>Text Mode</strong> under Options.',
		type: 'info',
		location: 'outputPane',
		whenToDisplay: 'always',
		displayCondition: condition(
			pairsWhere(({ textMode }) => textMode),
			`!$rawParameter.options?.textMode && ${PROMPT_HAS_QUOTED_WORDS}`,
		),
	},
	{
		message:
			'<strong>Size</strong> has no effect with this model: the image gets the size of the input image.',
		type: 'info',
		location: 'outputPane',
		whenToDisplay: 'always',
		displayCondition: condition(
			pairsWhere(({ sizes }) => !sizes),
			'Boolean($rawParameter.size)',
		),
	},
];
