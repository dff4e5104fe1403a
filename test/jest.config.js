const { availableParallelism } = require('node:os');

/** @type {import('jest').Config} */
module.exports = {
	rootDir: '..',
	roots: ['<rootDir>/test'],
	testMatch: ['**/*.test.cts'],
	moduleFileExtensions: ['ts', 'cts', 'js', 'cjs', 'mjs', 'json', 'node'],
	testEnvironment: 'node',
	// Many tests wait most of the time, so more workers than cores save time.
	maxWorkers: Math.max(4, availableParallelism()),
	// A busy machine needs long. Tests that measure time allow for it, or use processor time or a virtual clock.
	testTimeout: 60_000,
	transform: {
		'^.+\\.c?(t|j)s$': [
			'@swc/jest',
			{ jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
		],
	},
	// TypeScript wants the name of the compiled file in import().
	moduleNameMapper: { '^(\\./actions/index)\\.js$': '$1' },
	// p-limit and its queue are published as ES modules only.
	transformIgnorePatterns: ['/node_modules/(?!(p-limit|yocto-queue)/)'],
	modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.n8n-install'],
};
