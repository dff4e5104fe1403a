import { resolve } from 'node:path';
import type { PinnedN8n } from '../../n8n/install';
import newest from './n8n-2.41.1/package.json';
import oldest from './n8n-1.85.4/package.json';

function pinned({ dependencies: { n8n } }: { dependencies: { n8n: string } }): PinnedN8n {
	return {
		lockFolder: resolve(__dirname, `n8n-${n8n}`),
		folder: resolve(__dirname, `../../../.n8n-install-${n8n}`),
	};
}

/**
 * The releases that are run beside the one of test/n8n/package.json: the oldest on which the package runs, and the
 * newest that the npm registry holds with all of its dependencies.
 */
export const RELEASES: PinnedN8n[] = [pinned(oldest), pinned(newest)];
