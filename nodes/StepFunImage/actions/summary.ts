import type { IExecuteFunctions } from 'n8n-workflow';

import { quantity } from '../errors/quantity';
import { describeCosts, type Cost } from './costs';

const images = (count: number) => quantity(count, 'image');

/** The sentence for each count that is not 0, in this order. */
const SENTENCES = {
	failed: (count: number) => `${images(count)} failed.`,
	refused: (count: number) =>
		`${quantity(count, 'item')} ${count === 1 ? 'was' : 'were'} refused and not sent.`,
	moderated: (count: number) => `${images(count)} did not pass moderation.`,
	repeated: (count: number) => `${images(count)} needed more than one try.`,
	/** Responses with status 429. */
	throttled: (count: number) =>
		`The service asked to slow down ${count === 1 ? 'once' : `${count} times`}. To avoid waiting, set Concurrent Requests and Requests per Minute in the credential to what your account allows.`,
	withoutLink: (count: number) =>
		`${images(count)} came without a link, so url is empty. Choose Image File or Temporary Link as Output.`,
	otherSize: (count: number) =>
		`${images(count)} came in a different size than requested (see requestedSize in the item). Choose a Size that the model supports, and check API Format in the credential.`,
	otherSeed: (count: number) =>
		`${images(count)} came with a different seed than requested (see requestedSeed in the item). A gateway in between may drop the setting; check API Format in the credential.`,
	other: (count: number) =>
		`${quantity(count, 'more image')} came in the same responses and ${count === 1 ? 'was' : 'were'} not kept, except for links in otherUrls. Remove the setting that asks for several images from Additional Body Fields, and set Number of Images instead.`,
	identical: (count: number) =>
		`${images(count)} turned out identical to another image of the same item. The server uses a fixed seed: set Seed under Options, or choose its API Format in the credential.`,
};

const NAMES = Object.keys(SENTENCES) as Array<keyof typeof SENTENCES>;

/** The outcomes of a run, counted by requests. */
export type RunSummary = Record<'made' | keyof typeof SENTENCES, number>;

/** The counts at the beginning of a run. */
export function createSummary(): RunSummary {
	return Object.fromEntries(['made', ...NAMES].map((name) => [name, 0])) as RunSummary;
}

/** Adds a hint that sums up the run. If nothing needs attention, it appears only if the cost is known. */
export function addSummaryHint(
	functions: IExecuteFunctions,
	{ summary, costs }: { summary: RunSummary; costs: Array<Cost | undefined> },
): void {
	// Older n8n releases do not have it.
	if (!functions.addExecutionHints) return;
	const sentences = NAMES.filter((name) => summary[name] > 0).map((name) =>
		SENTENCES[name](summary[name]),
	);
	const sum = describeCosts(costs);
	const cost = sum === '' ? '' : `Estimated cost: ${sum}.`;
	if (sentences.length === 0 && cost === '') return;
	functions.addExecutionHints({
		message: [`Made ${images(summary.made)}.`, ...sentences, cost].filter(Boolean).join(' '),
		type: sentences.length > 0 ? 'warning' : 'info',
		location: 'outputPane',
	});
}
