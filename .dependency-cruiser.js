'use strict';

const folder = (name) => `^nodes/StepFunImage/${name}/`;

/** The folders in the direction of their imports: each one may import those after it. */
const CHAIN = ['actions', 'request', 'image', 'transport', 'errors', 'catalogue'];

/** Every part of the package, with the other parts that it may import. */
const PARTS = [
	{
		name: 'node',
		path: '^nodes/StepFunImage/[^/]+$',
		mayImport: [folder('descriptions'), folder('actions')],
	},
	{ name: 'descriptions', path: folder('descriptions'), mayImport: [folder('catalogue')] },
	...CHAIN.map((name, index) => ({
		name,
		path: folder(name),
		mayImport: CHAIN.slice(index + 1).map(folder),
	})),
	{
		name: 'credentials',
		path: '^credentials/',
		mayImport: [folder('catalogue'), '^nodes/StepFunImage/transport/credential[.]ts$'],
	},
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
	forbidden: [
		...PARTS.map(({ name, path, mayImport }) => ({
			name: `imports-of-${name}`,
			severity: 'error',
			from: { path },
			to: { dependencyTypes: ['local'], pathNot: [path, ...mayImport] },
		})),
		{
			name: 'no-circle',
			severity: 'error',
			from: {},
			to: { circular: true },
		},
		{
			name: 'no-unknown-part',
			comment: 'A new folder needs its entry in PARTS.',
			severity: 'error',
			from: { pathNot: PARTS.map(({ path }) => path) },
			to: {},
		},
		{
			name: 'no-unresolved-import',
			comment: 'An import that is not found cannot be checked.',
			severity: 'error',
			from: {},
			to: { couldNotResolve: true },
		},
	],
	options: {
		// Type-only imports count too.
		tsPreCompilationDeps: true,
		tsConfig: { fileName: 'tsconfig.json' },
		doNotFollow: { path: 'node_modules' },
	},
};
