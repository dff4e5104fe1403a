/**
 * The tests that run the node, in the engine of another n8n: the one that N8N_FOLDER names.
 *
 * @type {import('jest').Config}
 */
module.exports = {
	...require('../../jest.config'),
	rootDir: '../../..',
	testMatch: ['<rootDir>/test/{credentials,features,nodes,response,transport}/**/*.test.ts'],
	resolver: '<rootDir>/test/e2e/versions/resolver.js',
	modulePathIgnorePatterns: ['<rootDir>/dist'],
};
