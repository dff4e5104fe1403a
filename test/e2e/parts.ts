import { AGENT } from './agent';
import { EDITOR } from './editor';
import type { Part } from './part';

/** The parts of the end-to-end run, by the names that --only takes, in the order they run. */
export const PARTS: Record<string, Part> = {
	editor: EDITOR,
	agent: AGENT,
};
