import { existsSync } from 'node:fs';
import { chromium, selectors, type Browser } from 'playwright-core';

/** Where Debian and Ubuntu put it; playwright-core brings no browser of its own. */
const USUAL_PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser'];

/**
 * Starts the machine's Chromium, headless and with an empty profile. CHROMIUM_PATH names another one than the
 * usual.
 */
export async function launchChromium(): Promise<Browser> {
	// n8n's editor names its elements by this attribute for tests of its own.
	selectors.setTestIdAttribute('data-test-id');
	return await chromium.launch({
		executablePath: findChromium(),
		args: [
			'--disable-gpu',
			'--disable-quic',
			'--no-first-run',
			// Nothing but the n8n under test may be asked for anything.
			'--disable-background-networking',
			'--disable-component-update',
			'--disable-sync',
		],
	});
}

function findChromium(): string {
	const { CHROMIUM_PATH } = process.env;
	const candidates = CHROMIUM_PATH ? [CHROMIUM_PATH] : USUAL_PATHS;
	const found = candidates.find((path) => existsSync(path));
	if (found) return found;
	throw new Error(
		`There is no Chromium at ${candidates.join(' or ')}. On Debian or Ubuntu: apt-get install chromium ` +
			'fonts-noto-cjk. CHROMIUM_PATH may name one elsewhere.',
	);
}
