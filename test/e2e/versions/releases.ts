import { resolve } from 'node:path';
import type { PinnedN8n } from '../../n8n/install';
import later from './n8n-2.41.1/package.json';
import earlier from './n8n-1.85.4/package.json';

function pinned({ dependencies: { n8n } }: { dependencies: { n8n: string } }): PinnedN8n {
	return {
		lockFolder: resolve(__dirname, `n8n-${n8n}`),
		folder: resolve(__dirname, `../../../.n8n-install-${n8n}`),
	};
}

/**
 * The releases that are run beside the one of test/n8n/package.json. The releases in between were not tried; n8n 1.82.3
 * does not load the package, since its n8n-workflow lacks an export that the node needs.
 */
export const RELEASES: PinnedN8n[] = [pinned(earlier), pinned(later)];
