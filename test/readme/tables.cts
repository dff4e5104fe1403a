import { NodeHelpers, type INodeParameters, type INodeProperties } from 'n8n-workflow';

import { IMAGE_FORMATS } from '../../nodes/StepFunImage/catalogue/imageFormats';
import {
	MODELS,
	modelsFor,
	sizeLabel,
	sizeValue,
	type InputImageLimits,
	type NumberRange,
	type Operation,
} from '../../nodes/StepFunImage/catalogue/models';
import { OUTPUTS } from '../../nodes/StepFunImage/catalogue/outputs';
import {
	SERVER_FORMATS,
	type ServerFormat,
} from '../../nodes/StepFunImage/catalogue/serverFormats';
import { SERVICES } from '../../nodes/StepFunImage/catalogue/services';
import { readRouting } from '../../nodes/StepFunImage/request/routing';
import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node.ts';
import versionResults from '../e2e/versions/results.json';
import type { VersionResult } from '../e2e/versions/results.cts';

const OPERATIONS: Array<[Operation, string]> = [
	['generate', 'Generate'],
	['edit', 'Edit'],
	['imageToImage', 'Image to Image'],
];

function table(header: string[], rows: string[][]): string {
	const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
	return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

function models(): string {
	return table(
		['Model', 'Operations', 'Price per image', 'Notes'],
		MODELS.map(({ id, operations, pricePerImage, description }) => [
			`\`${id}\``,
			OPERATIONS.filter(([operation]) => operations[operation])
				.map(([, label]) => label)
				.join(', '),
			pricePerImage ? `¥${pricePerImage.cny} / $${pricePerImage.usd}` : '',
			description,
		]),
	);
}

function sizes(): string {
	const rows = OPERATIONS.flatMap(([operation, label]) =>
		modelsFor(operation).flatMap(({ id, capabilities }) =>
			(capabilities.sizes ?? []).map((size) => [
				`\`${id}\``,
				label,
				capabilities.sizeIsArea ? `about ${size.width} × ${size.height}` : sizeLabel(size),
				`\`${sizeValue(size)}\``,
				`\`${size.apiValue}\``,
				size === capabilities.defaultSize ? 'yes' : '',
			]),
		),
	);
	return table(
		['Model', 'Operation', 'Size', 'In an expression', 'What the node sends', 'Default'],
		rows,
	);
}

const range = ({ min, max, default: standard }: NumberRange) =>
	`${min} to ${max}, default ${standard}`;

function limits(): string {
	const rows = OPERATIONS.flatMap(([operation, label]) =>
		modelsFor(operation).map(({ id, capabilities }) => [
			`\`${id}\` ${label}`,
			`${capabilities.maxPromptCharacters} characters`,
			range(capabilities.steps),
			range(capabilities.cfgScale),
			capabilities.negativePrompt
				? `${capabilities.negativePrompt.maxCharacters} characters`
				: 'no',
			capabilities.textMode ? 'yes' : 'no',
			capabilities.inputImage ? inputImage(capabilities.inputImage) : '',
		]),
	);
	return table(
		['', 'Prompt', 'Steps', 'CFG Scale', 'Negative Prompt', 'Text Mode', 'Input image'],
		rows,
	);
}

function inputImage({ minSide, maxSide, maxBytes, maxAspect, formats }: InputImageLimits): string {
	return [
		minSide ? `${minSide} to ${maxSide} px a side` : `up to ${maxSide} × ${maxSide} px`,
		maxBytes ? `up to ${maxBytes / 1024 / 1024} MB` : '',
		maxAspect ? `1:${maxAspect} to ${maxAspect}:1` : '',
		formats ? formats.map((format) => IMAGE_FORMATS[format].name).join(', ') : '',
	]
		.filter(Boolean)
		.join('; ');
}

function services(): string {
	return table(
		['Service', 'Base URL', 'For'],
		SERVICES.map(({ name, baseUrl, description }) => [name, `\`${baseUrl}\``, description]),
	);
}

function outputs(): string {
	const yes = (has?: boolean) => (has ? 'yes' : '');
	return table(
		['Output', 'In an expression', 'File', "`url`, the service's link", "`link`, n8n's link"],
		OUTPUTS.map(({ name, value, hasFile, hasUrl, hasN8nLink }) => [
			name,
			`\`${value}\``,
			yes(hasFile),
			yes(hasUrl),
			yes(hasN8nLink),
		]),
	);
}

/** What the server formats differ in, with a column for each. */
function formats(): string {
	const { fields } = readRouting(new StepFunImage().description.properties);
	const settings = fields.flatMap(({ path: [place], label, apiField }) =>
		place === 'options' && apiField ? [{ label, apiField }] : [],
	);
	const row = (title: string, cell: (format: ServerFormat) => string) => [
		title,
		...SERVER_FORMATS.map(cell),
	];
	const yesOrRefused = (has: boolean) => (has ? 'yes' : 'refused');
	return table(
		['', ...SERVER_FORMATS.map(({ name }) => name)],
		[
			row('Size', ({ hasStepFunModels }) =>
				hasStepFunModels ? "the model's own order" : 'width x height',
			),
			...settings.map(({ label, apiField }) => row(label, (format) => carrier(format, apiField))),
			row('Seed, if you set none', ({ needsSeed }) =>
				needsSeed ? 'the node sends a random one' : 'not sent',
			),
			row('Seed in the response', ({ hasStepFunModels }) => (hasStepFunModels ? 'yes' : 'no')),
			row('`response_format`', ({ responseFormats }) =>
				responseFormats.length > 0 ? code(responseFormats) : 'not sent',
			),
			row('Links', ({ hasLinks }) => yesOrRefused(hasLinks)),
			row('Edit', ({ operations }) => yesOrRefused(operations.includes('edit'))),
			row('Image to Image', ({ operations }) => yesOrRefused(operations.includes('imageToImage'))),
			row('Requests at once, with Concurrent Requests left at 5', ({ concurrentRequests }) =>
				String(concurrentRequests),
			),
			row('Without `/models`, the credential test', ({ mayLackModels }) =>
				mayLackModels ? 'passes' : 'fails',
			),
		],
	);
}

/** Where a format puts a setting. */
function carrier(
	{ hasStepFunModels, settings, promptSettings }: ServerFormat,
	setting: string,
): string {
	const names = hasStepFunModels ? [setting] : settings[setting];
	if (names) return code(names);
	const namesInPrompt = promptSettings?.settings[setting];
	if (!promptSettings || !namesInPrompt) return 'refused';
	const mark = plain(promptSettings.before);
	return promptSettings.as === 'text'
		? `in the prompt, after \`${mark}\``
		: `in the prompt, as ${code(namesInPrompt)}`;
}

function code(names: readonly string[]): string {
	return names.map((name) => `\`${name}\``).join(', ');
}

/** Every field as the node shows it for each operation, there for the first model. */
function fields(): string {
	const rows: string[][] = [];
	const seen = new Set<string>();
	const add = (field: INodeProperties, label: string, group: string) => {
		const name = `${group}${field.displayName}`;
		if (['notice', 'hidden'].includes(field.type) || seen.has(name + label)) return;
		seen.add(name + label);
		const earlier = rows.find(
			([shown, , description]) =>
				shown === `**${name}**` && description === plain(field.description ?? field.hint),
		);
		if (earlier) earlier[1] = `${earlier[1]}, ${label}`;
		else rows.push([`**${name}**`, label, plain(field.description ?? field.hint)]);
	};
	const shownValues: Array<[INodeParameters, string]> = [
		...OPERATIONS.map(([operation, label]): [INodeParameters, string] => {
			const [{ id: model }] = modelsFor(operation);
			return [{ resource: 'image', operation, model }, label];
		}),
		[{ resource: 'account', operation: 'getBalance' }, 'Get Balance'],
	];
	for (const [values, label] of shownValues) {
		const { description } = new StepFunImage();
		for (const field of description.properties) {
			if (['resource', 'operation'].includes(field.name)) continue;
			if (!isShown(field, values)) continue;
			if (field.type !== 'collection') add(field, label, '');
			for (const option of field.type === 'collection' ? (field.options ?? []) : []) {
				add(option as INodeProperties, label, 'Options → ');
			}
		}
	}
	return table(['Field', 'Operation', 'What it does'], rows);
}

/** What npm run e2e -- --only versions --save found. */
function versions(): string {
	return table(
		['n8n', 'n8n-core', 'Node.js', 'Ran in a real n8n', 'Temporary Link', 'Tests of the node'],
		(versionResults as VersionResult[]).map(
			({ n8n, n8nCore, node, operations, temporaryLink, tests }) => [
				n8n,
				n8nCore,
				node,
				operations.join(', '),
				temporaryLink ? 'yes' : 'no, this n8n cannot serve one',
				`${tests.passed} passed${tests.skipped.length > 0 ? `, ${tests.skipped.length} skipped` : ''}`,
			],
		),
	);
}

/** Whether some choice of the other fields shows this one. */
function isShown(field: INodeProperties, values: INodeParameters): boolean {
	const { description } = new StepFunImage();
	return ['binary', 'url', 'text'].some((inputSource) =>
		OUTPUTS.some(({ value: output }) =>
			NodeHelpers.displayParameter({ ...values, inputSource, output }, field, null, description),
		),
	);
}

function plain(description = ''): string {
	return description
		.replace(/<a href="([^"]*)"[^>]*>([^<]*)<\/a>/g, '[$2]($1)')
		.replaceAll('|', '\\|');
}

/** The parts of the documents that follow from the catalogue and the node's description. */
export const GENERATED: Array<{
	file: string;
	name: string;
	start: string;
	end: string;
	make: () => string;
}> = [
	...Object.entries({ services, fields, models, sizes, limits, outputs, versions }).map(
		([name, make]) => ({
			file: 'docs/reference.md',
			name,
			start: `<!-- table:${name} -->`,
			end: '<!-- /table -->',
			make,
		}),
	),
	{
		file: 'docs/servers.md',
		name: 'formats',
		start: '<!-- formats:start -->',
		end: '<!-- formats:end -->',
		make: formats,
	},
];

/** The documents that have generated tables, as paths from the root of the repository. */
export const DOCUMENTS = [...new Set(GENERATED.map(({ file }) => file))];

/**
 * A document with its tables regenerated.
 *
 * @param file the document's path from the root of the repository
 * @param document its present text
 * @throws when a table has no place in the text
 */
export function withTables(file: string, document: string): string {
	return GENERATED.filter((each) => each.file === file).reduce(
		(text, { name, start, end, make }) => {
			const place = new RegExp(`(${start}\n)[\\s\\S]*?(${end})`);
			if (!place.test(text)) throw new Error(`${file} has no place for the table "${name}"`);
			return text.replace(
				place,
				(_all, before: string, after: string) => `${before}\n${make()}\n\n${after}`,
			);
		},
		document,
	);
}
