import type { CleanUp } from '../n8n/cleanUp.cts';
import type { N8nInstallation } from '../n8n/install.cts';

/** What every suite of the end-to-end run is given. */
export interface TestContext {
	installation: N8nInstallation;
	/** The packed package. */
	tarball: string;
	/** An empty folder of this suite's own, removed at the end. */
	folder: string;
	/** Whether what was measured should be written into docs/: npm run e2e -- --save. */
	save: boolean;
	log: (line: string) => void;
	/** Says how to undo something, which is done also when the suite fails. */
	cleanUp: CleanUp;
}

/** A suite of the end-to-end run: what it proves, in a few words, and the proof, which throws when it fails. */
export interface Suite {
	title: string;
	run(testContext: TestContext): Promise<void>;
}
