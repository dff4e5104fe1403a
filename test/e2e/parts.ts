import { agentPart } from './agent';
import { editorPart } from './editor';
import type { Part } from './part';
import { queuePart } from './queue';
import { securityPart } from './security';
import { versionsPart } from './versions';

/** The parts of the end-to-end run, by the names that --only takes, in the order they run. */
export const PARTS: Record<string, Part> = {
	editor: editorPart,
	agent: agentPart,
	queue: queuePart,
	security: securityPart,
	versions: versionsPart,
};
