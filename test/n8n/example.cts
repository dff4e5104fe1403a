import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { jsonParse } from 'n8n-workflow';
import type { CredentialReference, WorkflowFile } from './instance.cts';

/** What an example writes before its first image, to see that it may. */
export const FOLDER_TEST_FILE = 'folder-check-safe-to-delete.txt';

/** The node's type, as workflow files name it. */
export const NODE_TYPE = 'n8n-nodes-stepfun-image.stepFunImage';

/** The type of the node's credential. */
export const CREDENTIAL_TYPE = 'stepFunApi';

const TRIGGER_TYPE = 'n8n-nodes-base.manualTrigger';

const EXAMPLES_FOLDER = resolve(__dirname, '../../examples');

/** The credential types of the nodes that need one, by node type. */
const CREDENTIAL_TYPES: Record<string, string> = {
	[NODE_TYPE]: CREDENTIAL_TYPE,
	[`${NODE_TYPE}Tool`]: CREDENTIAL_TYPE,
	'@n8n/n8n-nodes-langchain.lmChatOpenAi': 'openAiApi',
};

/** What a user chooses in an imported example. */
export interface ExampleChoices {
	/** By credential type. */
	credentials: Record<string, CredentialReference>;
	/** Where the workflow may write its files. */
	filesFolder: string;
}

/**
 * Reads an example as a user would prepare it: credentials chosen, folder set.
 *
 * @param name the file's name in examples/, without its extension
 */
export async function prepareExample(
	name: string,
	{ credentials, filesFolder }: ExampleChoices,
): Promise<WorkflowFile> {
	const file = join(EXAMPLES_FOLDER, `${name}.json`);
	const workflow = JSON.parse(await readFile(file, 'utf8')) as WorkflowFile;
	for (const node of workflow.nodes) {
		const type = CREDENTIAL_TYPES[node.type];
		if (type) node.credentials = { [type]: credentials[type] };
		// Some of the values that nodes hold are expressions, which are no JSON.
		const values = jsonParse<object | null>(String(node.parameters.jsonOutput), {
			fallbackValue: null,
		});
		if (values && 'folder' in values) {
			node.parameters.jsonOutput = JSON.stringify({ ...values, folder: filesFolder }, null, 2);
		}
	}
	return workflow;
}

/** The node that "Execute workflow" starts from. */
export function findTrigger({ nodes }: WorkflowFile): WorkflowFile['nodes'][number] {
	const trigger = nodes.find(({ type }) => type === TRIGGER_TYPE);
	if (!trigger) throw new Error('the workflow has no manual trigger');
	return trigger;
}
