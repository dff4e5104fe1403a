import { NodeHelpers, type INodeParameters, type INodeProperties } from 'n8n-workflow';

import { SERVICES } from '../../nodes/StepFunImage/catalogue/services';
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
import { StepFunImage } from '../../nodes/StepFunImage/StepFunImage.node.ts';
import versionResults from '../e2e/versions/results.json';
import type { VersionResult } from '../e2e/versions/results';

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
		['Model', 'Operation', 'Picture', 'In an expression', 'What the node sends', 'Default'],
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

/** Every field as the node shows it for each operation, there for the first model. */
function fields(): string {
	const rows: string[][] = [];
	const seen = new Set<string>();
	const add = (field: INodeProperties, label: string, group: string) => {
		const name = `${group}${field.displayName}`;
		if (field.type === 'notice' || seen.has(name + label)) return;
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

/** The parts of the README that follow from the catalogue and the node's description, by their marks. */
export const TABLES: Record<string, () => string> = {
	models,
	sizes,
	limits,
	services,
	fields,
	versions,
};

/**
 * A README with its tables made anew between `<!-- table:name -->` and `<!-- /table -->`.
 *
 * @throws when a table has no place in the text
 */
export function withTables(readme: string): string {
	return Object.entries(TABLES).reduce((text, [name, make]) => {
		const place = new RegExp(`(<!-- table:${name} -->\n)[\\s\\S]*?(<!-- /table -->)`);
		if (!place.test(text)) throw new Error(`the README has no place for the table "${name}"`);
		return text.replace(
			place,
			(_all, start: string, end: string) => `${start}\n${make()}\n\n${end}`,
		);
	}, readme);
}
