import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import packageJson from '../../package.json';

const REPOSITORY = resolve(__dirname, '../..');

const DOCUMENTS = [
	'README.md',
	'CONTRIBUTING.md',
	...readdirSync(join(REPOSITORY, 'docs'))
		.filter((file) => file.endsWith('.md'))
		.map((file) => `docs/${file}`),
];

/** GitHub's anchors of a document's headings. */
function anchorsOf(text: string): string[] {
	return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
		heading
			.toLowerCase()
			.replace(/[^\p{L}\p{N} -]/gu, '')
			.replaceAll(' ', '-'),
	);
}

describe.each(DOCUMENTS)('%s', (name) => {
	const file = join(REPOSITORY, name);
	const text = readFileSync(file, 'utf8');

	it('links to files and headings that exist', () => {
		const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
		const broken = links.filter(([, target, anchor]) => {
			const linked = target ? resolve(dirname(file), target) : file;
			if (!existsSync(linked)) return true;
			return anchor !== undefined && !anchorsOf(readFileSync(linked, 'utf8')).includes(anchor);
		});
		expect(broken.map(([link]) => link)).toEqual([]);
	});

	it('names npm scripts that exist', () => {
		const scripts = [...text.matchAll(/npm run (?:--?\w+ )*([\w-]+)/g)].map(([, script]) => script);
		expect(scripts.filter((script) => !(script in packageJson.scripts))).toEqual([]);
	});
});
