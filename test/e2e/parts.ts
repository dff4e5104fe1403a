import { agentPart } from './agent';
import { editorPart } from './editor';
import { endurancePart } from './endurance';
import { memoryPart } from './memory';
import type { Part } from './part';
import { queuePart } from './queue';
import { remotePart } from './remote';
import { restartPart } from './restart';
import { securityPart } from './security';
import { versionsPart } from './versions';

/** The parts of the end-to-end run, by the names that --only takes, in the order they run. */
export const PARTS: Record<string, Part> = {
	editor: editorPart,
	agent: agentPart,
	remote: remotePart,
	restart: restartPart,
	memory: memoryPart,
	endurance: endurancePart,
	queue: queuePart,
	security: securityPart,
	versions: versionsPart,
};
