import { agentSuite } from './agent.cts';
import { editorSuite } from './editor.cts';
import { enduranceSuite } from './endurance.cts';
import { gatewaySuite } from './gateway.cts';
import { memorySuite } from './memory.cts';
import type { Suite } from './suite.cts';
import { queueSuite } from './queue.cts';
import { remoteSuite } from './remote.cts';
import { restartSuite } from './restart.cts';
import { resumeSuite } from './resume.cts';
import { securitySuite } from './security.cts';
import { versionsSuite } from './versions.cts';

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
