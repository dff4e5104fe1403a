import { agentSuite } from './agent';
import { editorSuite } from './editor';
import { enduranceSuite } from './endurance';
import { gatewaySuite } from './gateway';
import { memorySuite } from './memory';
import type { Suite } from './suite';
import { queueSuite } from './queue';
import { remoteSuite } from './remote';
import { restartSuite } from './restart';
import { resumeSuite } from './resume';
import { securitySuite } from './security';
import { versionsSuite } from './versions';

/** Suites that install other releases of n8n, which takes as long as all others together; --only runs them. */
export const ON_REQUEST: readonly string[] = ['versions'];

/** The suites of the end-to-end run, by the names that --only takes, in the order they run. */
export const SUITES: Record<string, Suite> = {
	editor: editorSuite,
	agent: agentSuite,
	remote: remoteSuite,
	restart: restartSuite,
	resume: resumeSuite,
	memory: memorySuite,
	endurance: enduranceSuite,
	queue: queueSuite,
	security: securitySuite,
	gateway: gatewaySuite,
	versions: versionsSuite,
};
