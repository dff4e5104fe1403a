const base = require('../../jest.config');

/**
 * The tests that run the node, in the engine of another n8n: the one that N8N_FOLDER names.
 *
 * @type {import('jest').Config}
 */
module.exports = {
	...base,
	rootDir: '../../..',
	resolver: '<rootDir>/test/e2e/versions/resolver.js',
	modulePathIgnorePatterns: ['<rootDir>/dist'],
	testPathIgnorePatterns: [
		// They run no node.
		'<rootDir>/test/(mutation|other-servers|package|readme|stepfun-server)/',
		// They reach into services of the n8n in node_modules, such as its logger and its protection of networks.
		'<rootDir>/test/(hostileServers|redaction|redirects)/',
		'<rootDir>/test/edit/craftedImages.test.cts',
		'<rootDir>/test/output/hostileFileNames.test.cts',
		// It counts the pauses that n8n makes between expressions, which differ.
		'<rootDir>/test/generate/manyRows.test.cts',
	],
};
