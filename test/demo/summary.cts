import { basename } from 'node:path';
import type { IDataObject, INodeExecutionData, IRunData } from 'n8n-workflow';

/** What became of one product row. */
export interface ProductSummary {
	product: string;
	/** Width x height, as the row asks for. */
	size: string;
	model: string;
	/** The seeds of the photo and of the scene. */
	seeds: number[];
	/** How often each of the two images had to be requested, when the node tells it. */
	tries?: number[];
	/** The photo and the scene, in demo-output/. */
	files: string[];
}

/** Collects a product's traces from the items of every node of examples/product-photos.json. */
export function summarize(runData: IRunData): ProductSummary[] {
	const rows = itemsOf(runData, 'One Item per Product');
	const images = ['Generate Photo', 'Put Into Scene'].map((node) => itemsOf(runData, node));
	const files = ['Save Photo', 'Save Scene'].map((node) => itemsOf(runData, node));
	for (const items of [...images, ...files]) {
		if (items.length !== rows.length) {
			throw new Error(`${rows.length} products, but a node delivered ${items.length} items`);
		}
	}
	return rows.map((row, index) => {
		const results = images.map((items) => items[index]);
		return {
			product: row.product as string,
			size: row.size as string,
			model: results[0].model as string,
			seeds: results.map(({ seed }) => seed as number),
			...(results[0].tries === undefined
				? {}
				: { tries: results.map(({ tries }) => tries as number) }),
			files: files.map((items) => basename(items[index].fileName as string)),
		};
	});
}

function itemsOf(runData: IRunData, nodeName: string): IDataObject[] {
	const items: INodeExecutionData[] = runData[nodeName]?.[0]?.data?.main[0] ?? [];
	return items.map(({ json }) => json);
}

/**
 * The summary as Markdown: a table with the images.
 *
 * @param notice a note about the images for the reader
 */
export function toMarkdown(products: ProductSummary[], notice?: string): string {
	const rows = products.map(({ product, size, model, seeds, tries, files }) =>
		[
			product,
			size,
			model,
			seeds.join('<br>'),
			tries?.join('<br>') ?? '',
			...files.map((file) => `![${file}](${file})<br>${file}`),
		].join(' | '),
	);
	return [
		'# Product photos',
		'',
		...(notice ? [`> ${notice}`, ''] : []),
		'| Product | Size | Model | Seeds | Tries | Photo | In its scene |',
		'| --- | --- | --- | --- | --- | --- | --- |',
		...rows.map((row) => `| ${row} |`),
		'',
	].join('\n');
}

/** The summary for a terminal: aligned columns. */
export function toPlainText(products: ProductSummary[]): string {
	const rows = [
		['Product', 'Size', 'Seeds', 'Files'],
		...products.map(({ product, size, seeds, files }) => [
			product,
			size,
			seeds.join(', '),
			files.join(', '),
		]),
	];
	const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
	return rows
		.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join('  '))
		.join('\n');
}
