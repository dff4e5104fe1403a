import { randomUUID } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jsonParse, type IConnections, type INode, type INodeExecutionData } from 'n8n-workflow';
import type { CleanUp } from './cleanUp.cts';
import { CREDENTIAL_TYPE, findTrigger, NODE_TYPE } from './example.cts';
import type { CredentialReference, FinishedExecution, WorkflowFile } from './instance.cts';
import type { WorkflowRunner } from './workflowRunner.cts';

/** The address of a running n8n, and a key of its API. */
export interface RemoteN8n {
	url: string;
	apiKey: string;
}

const SETTLING_TIMEOUT_MS = 30_000;
const POLL_INTERVAL_MS = 500;

/** Options of a command that can use such an n8n; for parseArgs. */
export const REMOTE_OPTIONS = {
	n8n: { type: 'string' },
	'api-key': { type: 'string' },
} as const;

/** What the usage of such a command says about these options. */
export const REMOTE_USAGE = `  --n8n URL      use this n8n instead of starting one (default: N8N_URL)
  --api-key KEY  its API key, from Settings > n8n API (default: N8N_API_KEY)
`;

/** What the options, or else the environment, say about an n8n to use; undefined if they name none. */
export function findRemote(options: { n8n?: string; 'api-key'?: string }): RemoteN8n | undefined {
	const url = options.n8n ?? process.env.N8N_URL;
	if (!url) return undefined;
	const apiKey = options['api-key'] ?? process.env.N8N_API_KEY;
	if (!apiKey) {
		throw new Error(
			`${url} needs an API key (Settings > n8n API): --api-key, or N8N_API_KEY in the environment.`,
		);
	}
	return { url: url.replace(/\/+$/, ''), apiKey };
}

/** A request that n8n refused with an error status. */
class RefusedRequest extends Error {
	constructor(
		message: string,
		readonly status: number,
	) {
		super(message);
	}
}

/** n8n confirms an activation, or its end, before it has taken effect: until then it refuses what builds on it. */
async function whileStatusIs(status: number, call: () => Promise<unknown>): Promise<void> {
	const deadline = Date.now() + SETTLING_TIMEOUT_MS;
	for (;;) {
		try {
			await call();
			return;
		} catch (error) {
			const isSettling = error instanceof RefusedRequest && error.status === status;
			if (!isSettling || Date.now() > deadline) throw error;
			await sleep(POLL_INTERVAL_MS);
		}
	}
}

/**
 * Runs workflows in an n8n through its public API alone. That API can neither start a workflow from its manual trigger
 * nor hand over a file, so the copy of a workflow that runs there starts from a webhook, holds the files that it reads,
 * and takes its pictures along in the execution's data.
 *
 * @param cleanUp receives functions that remove the workflows and credentials
 * @throws when the address or the key is wrong, or the node is not installed there
 */
export async function connectRemote(
	{ url, apiKey }: RemoteN8n,
	cleanUp: CleanUp,
): Promise<WorkflowRunner> {
	async function request<T>(method: string, path: string, body?: object): Promise<T> {
		const response = await fetch(`${url}${path}`, {
			method,
			headers: {
				'content-type': 'application/json',
				// A webhook would keep the key in its execution.
				...(path.startsWith('/api/') ? { 'x-n8n-api-key': apiKey } : {}),
			},
			body: body && JSON.stringify(body),
		});
		const text = await response.text();
		if (!response.ok) {
			const { message = text } = jsonParse<{ message?: string }>(text, { fallbackValue: {} });
			throw new RefusedRequest(
				`${url} responded to ${method} ${path} with ${response.status}: ${message}`,
				response.status,
			);
		}
		return jsonParse<T>(text, { fallbackValue: undefined as T });
	}

	const callApi = async <T,>(method: string, path: string, body?: object) =>
		await request<T>(method, `/api/v1${path}`, body);

	async function waitForExecution(workflowId: string, timeoutMs: number) {
		const deadline = Date.now() + timeoutMs;
		while (Date.now() < deadline) {
			// The list leaves out what still runs.
			const { data } = await callApi<{ data: Array<{ id: string | number }> }>(
				'GET',
				`/executions?workflowId=${workflowId}`,
			);
			if (data.length > 0) {
				const { id } = data[0];
				return await callApi<FinishedExecution>('GET', `/executions/${id}?includeData=true`);
			}
			await sleep(POLL_INTERVAL_MS);
		}
		throw new Error(`the workflow did not end within ${timeoutMs / 1000} s`);
	}

	async function removeWorkflow(id: string): Promise<void> {
		await callApi('POST', `/workflows/${id}/deactivate`);
		await whileStatusIs(409, async () => await callApi('DELETE', `/workflows/${id}`));
	}

	await callApi('GET', `/credentials/schema/${CREDENTIAL_TYPE}`).catch((error: unknown) => {
		if (!(error instanceof RefusedRequest) || error.status !== 404) throw error;
		throw new Error(
			`The n8n at ${url} does not have StepFun Image. Install it there first (docs/install.md).`,
			{ cause: error },
		);
	});
	return {
		url,
		async createCredential(type, name, data) {
			const credential = await callApi<CredentialReference>('POST', '/credentials', {
				type,
				name,
				data,
			});
			cleanUp(() => callApi('DELETE', `/credentials/${credential.id}`));
			return credential;
		},
		testCredential: async ({ id }) => await callApi('POST', `/credentials/${id}/test`),
		async run(workflow, filesFolder, timeoutMs) {
			const path = randomUUID();
			const { id } = await callApi<{ id: string }>(
				'POST',
				'/workflows',
				forPublicApi(workflow, path, await readFiles(filesFolder)),
			);
			cleanUp(() => removeWorkflow(id));
			await callApi('POST', `/workflows/${id}/activate`);
			await whileStatusIs(404, async () => await request('POST', `/webhook/${path}`));
			const execution = await waitForExecution(id, timeoutMs);
			const { readBinary, files } = takePictures(execution);
			for (const [name, binaryId] of files) {
				await writeFile(join(filesFolder, name), await readBinary(binaryId));
			}
			return { workflowId: id, execution, readBinary };
		},
	};
}

const FILES_TYPE = 'n8n-nodes-base.readWriteFile';
const PICTURES_OF = 'Pictures of ';
const BASE64_FIELD = 'pictureAsBase64';

interface InputFile {
	fileName: string;
	base64: string;
}

/** The files in a folder and its subfolders, in the order of their paths. */
async function readFiles(folder: string): Promise<InputFile[]> {
	const entries = await readdir(folder, { recursive: true, withFileTypes: true });
	const paths = entries
		.filter((entry) => entry.isFile())
		.map(({ parentPath, name }) => join(parentPath, name))
		.sort();
	return await Promise.all(
		paths.map(async (path) => ({
			fileName: basename(path),
			base64: await readFile(path, 'base64'),
		})),
	);
}

/** The same workflow, to be run through the public API. */
function forPublicApi(workflow: WorkflowFile, path: string, inputFiles: InputFile[]) {
	const { name, nodes, connections, settings } = workflow;
	const trigger = findTrigger(workflow);
	const makers = nodes.filter(({ type }) => type === NODE_TYPE);
	const added = makers.map(toBase64);
	const wired: IConnections = structuredClone(connections);
	for (const maker of makers) {
		const outputs = ((wired[maker.name] ??= {}).main ??= []);
		outputs[0] = [
			...(outputs[0] ?? []),
			{ node: `${PICTURES_OF}${maker.name}`, type: 'main', index: 0 },
		];
	}
	const replaced = nodes.map((node) => {
		if (node === trigger) return { ...node, ...startFromWebhook(path) };
		if (node.type !== FILES_TYPE) return node;
		const isWriting = node.parameters.operation === 'write';
		return { ...node, ...(isWriting ? nameFileOnly(node) : holdFiles(inputFiles)) };
	});
	return {
		name,
		nodes: [...replaced, ...added],
		connections: wired,
		settings: { ...settings, saveDataSuccessExecution: 'all', saveDataErrorExecution: 'all' },
	};
}

function startFromWebhook(path: string): Partial<INode> {
	return {
		type: 'n8n-nodes-base.webhook',
		typeVersion: 2,
		webhookId: path,
		parameters: { httpMethod: 'POST', path, responseMode: 'onReceived', options: {} },
	};
}

/** Instead of writing a file onto a disk which this machine may not see: an item with its name and its picture. */
function nameFileOnly({ parameters }: INode): Partial<INode> {
	return {
		type: 'n8n-nodes-base.set',
		typeVersion: 3.4,
		parameters: {
			assignments: {
				assignments: [
					{ id: randomUUID(), name: 'fileName', value: parameters.fileName, type: 'string' },
				],
			},
			includeOtherFields: true,
			options: { stripBinary: false },
		},
	};
}

/** Instead of reading files from a disk on which this machine may not put them: items that bring them along. */
function holdFiles(files: InputFile[]): Partial<INode> {
	const items = files.map(({ fileName, base64 }) => ({
		json: { fileName },
		binary: { data: { data: base64, fileName, mimeType: 'application/octet-stream' } },
	}));
	return {
		type: 'n8n-nodes-base.code',
		typeVersion: 2,
		parameters: { jsCode: `return ${JSON.stringify(items)};` },
	};
}

function toBase64({ name, position: [x, y] }: INode): INode {
	return {
		id: randomUUID(),
		name: `${PICTURES_OF}${name}`,
		type: 'n8n-nodes-base.extractFromFile',
		typeVersion: 1,
		position: [x, y + 1000],
		// Items without an image, such as moderated ones, are ignored.
		onError: 'continueRegularOutput',
		parameters: {
			operation: 'binaryToPropery',
			destinationKey: BASE64_FIELD,
			options: { keepSource: 'both' },
		},
	};
}

/** The pictures in an execution's data, by the ids of their binary fields, and the files that it would have written. */
function takePictures({ data }: FinishedExecution) {
	const pictures = new Map<string, Buffer>();
	const files = new Map<string, string>();
	for (const [node, runs] of Object.entries(data.resultData.runData)) {
		const items: INodeExecutionData[] = runs.flatMap((run) => run.data?.main?.[0] ?? []);
		for (const { json, binary } of items) {
			const id = binary?.data?.id;
			if (!id) continue;
			if (node.startsWith(PICTURES_OF)) {
				pictures.set(id, Buffer.from(String(json[BASE64_FIELD]), 'base64'));
			}
			// A written file's name holds its folder, other names do not.
			const fileName = String(json.fileName ?? '');
			if (fileName.includes('/')) files.set(basename(fileName), id);
		}
	}
	return {
		// The file that an example only tests its folder with is no picture.
		files: new Map([...files].filter(([, id]) => pictures.has(id))),
		async readBinary(id: string): Promise<Buffer> {
			const picture = pictures.get(id);
			if (!picture) throw new Error(`the execution's data holds no picture ${id}`);
			return picture;
		},
	};
}
