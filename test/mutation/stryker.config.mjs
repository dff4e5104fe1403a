/**
 * Mutation testing of what is pure: npm run mutation, or npm run mutation -- --mutate <path> for one file.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
	mutate: [
		'catalogue/*',
		'image/{base64Decoder,fileName,formats,jsonImageScanner,lenientJson,measure,partReader,responseFields,responseReader}',
		'request/{bodyFields,imageLimits,routing,serverFormat,validators}',
		'transport/{credential,redact,retry}',
		'transport/rateLimiter/*',
	].map((files) => `nodes/StepFunImage/${files}.ts`),
	testRunner: 'jest',
	jest: { configFile: 'test/mutation/jest.config.js' },
	coverageAnalysis: 'perTest',
	concurrency: 2,
	ignorePatterns: ['dist', 'demo-output', 'docs', 'examples', '.n8n-install*', 'test/n8n'],
	tempDirName: '.stryker-tmp',
	// ESLint would find what is left of it.
	cleanTempDir: 'always',
	reporters: ['clear-text', 'progress', 'json'],
	clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
	jsonReporter: { fileName: '.mutation-report.json' },
	// One file alone may be below the bound.
	thresholds: { high: 95, low: 90, break: process.argv.includes('--mutate') ? null : 85 },
};
