import { deepStrictEqual } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageSize } from 'image-size';
import type { INodeExecutionData, NodeConnectionType } from 'n8n-workflow';
import type { FinishedExecution } from '../n8n/instance.cts';

/** The items that left a node's output; none if the node did not run. */
export function itemsOf(
	{ data }: FinishedExecution,
	node: string,
	{ output = 0, type = 'main' as NodeConnectionType } = {},
): INodeExecutionData[] {
	const runs = data.resultData.runData[node] ?? [];
	return runs.flatMap((run) => run.data?.[type]?.[output] ?? []);
}

/** What a run of a workflow left, and where to look for it. */
export class FinishedRun {
	constructor(
		readonly execution: FinishedExecution,
		userFolder: string,
		/** The folder that the workflow writes to. */
		readonly filesFolder = userFolder,
		private readonly readBinary = async (id: string) => await readStored(userFolder, id),
	) {}

	/** The items that left a node's output; none if the node did not run. */
	items(node: string, { output = 0, type = 'main' as NodeConnectionType } = {}) {
		return itemsOf(this.execution, node, { output, type });
	}

	/** One field of the JSON of a node's items. */
	values(node: string, field: string, output = 0): unknown[] {
		return this.items(node, { output }).map(({ json }) => json[field]);
	}

	/** The message of the error that ended the run. */
	get errorMessage(): string | undefined {
		return this.execution.data.resultData.error?.message;
	}

	/**
	 * Opens the picture that each of these items carries; fails unless it is a PNG of the size in the item's JSON.
	 *
	 * @param look is given each picture and its item, one after another
	 */
	async checkPictures(
		items: INodeExecutionData[],
		look: (picture: Buffer, item: INodeExecutionData) => void = () => undefined,
	): Promise<void> {
		for (const item of items) {
			const { json, binary } = item;
			const id = binary?.data.id;
			if (!id) throw new Error('an item has no picture in its field data');
			const bytes = await this.readBinary(id);
			checkPng(bytes, `${String(json.width)}x${String(json.height)}`);
			look(bytes, item);
		}
	}

	/** Opens the files that the workflow wrote; fails unless all are there, as PNGs of these sizes. */
	async checkFiles(sizes: Record<string, string>): Promise<void> {
		for (const [file, size] of Object.entries(sizes)) {
			checkPng(await readFile(join(this.filesFolder, file)), size);
		}
	}
}

/** The bytes behind a binary field, from where n8n keeps them on this machine. */
async function readStored(userFolder: string, id: string): Promise<Buffer> {
	return await readFile(join(userFolder, '.n8n/storage', id.replace(/^filesystem-v2:/, '')));
}

/** Fails unless these bytes are a PNG of this size, written as width x height. */
export function checkPng(bytes: Buffer, wanted: string): void {
	const { type, width, height } = imageSize(bytes);
	deepStrictEqual([type, `${width}x${height}`], ['png', wanted]);
}
