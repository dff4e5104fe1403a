const base = require('../jest.config');

/**
 * The tests of pure functions alone: each runs once for every mutant that it covers, so none of them runs n8n's engine.
 *
 * @type {import('jest').Config}
 */
module.exports = {
	...base,
	rootDir: '../..',
	testMatch: [
		'catalogue/*',
		'credential/parseCredential',
		'edit/{formatParts,imageLimits,measure,partReader,signature}',
		'options/{bodyFields,routing,validators}',
		'output/fileName',
		'rateLimiter/{learnedLimits,schedule}',
		'redaction/redact',
		'response/{base64Decoder,jsonImageScanner,responseReader,responseShapes}',
		'retry/retry',
		'serverFormats/serverFormat',
	].map((tests) => `<rootDir>/test/${tests}.test.cts`),
};
