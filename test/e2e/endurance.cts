import { deepStrictEqual, ok } from 'node:assert';
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../bench/results.cts';
import { forkServer } from '../bench/server.cts';
import { createStepFunCredential } from '../kit/stepFunCredential.cts';
import { CREDENTIAL_TYPE } from '../n8n/example.cts';
import { type CredentialReference, type N8nInstance } from '../n8n/instance.cts';
import { LOCAL_API_KEY } from '../stepfun-server/server.cts';
import { drawEndurance } from './enduranceChart.cts';
import {
	chain,
	imagesStep,
	PROMPT_START,
	promptSteps,
	step,
	type Step,
} from '../kit/workflowBuilder.cts';
import { startInspectedN8n, type Inspector } from './inspector.cts';
import type { Suite, TestContext } from './suite.cts';
import { countOpenFiles, readResidentBytes } from '../kit/processFigures.cts';
import { waitFor } from '../kit/waitFor.cts';
import { checkKeyIsNowhere, makeKey } from '../kit/secrets.cts';

const RUNS = 100;
const ITEMS = 50;
const RUNS_PER_SAMPLE = 5;
const AT_ONCE = 20;
const MODEL = { model: 'step-2x-large', size: '256x256' };
const RUN_TIMEOUT_MS = 120_000;
/** n8n deletes once a minute, as it is told below. */
const DELETION_TIMEOUT_MS = 300_000;

/**
 * How much more than with n8n's own nodes may stay in the heap for each image. One that is held would be its whole size, 12 kB here; its item, its
 * request and what waits for them are some kilobytes. Without any leak the measurement varies by some hundred bytes.
 */
const ALLOWED_BYTES_PER_IMAGE = 1_024;
/** How far the last quarter's resident memory may lie above that of the second, which is after the warm-up. */
const ALLOWED_RESIDENT_GROWTH = 0.1;
/** n8n opens and closes files of its own, such as the database's. */
const ALLOWED_OPEN_FILES = 5;

/** The process after some images, its garbage collected. */
export interface Sample {
	images: number;
	residentBytes: number;
	heapBytes: number;
	bufferBytes: number;
	openFiles: number;
}

/** The same images by n8n's own nodes: what n8n itself needs, and what grows without this package. */
function httpRequestSteps(credential: CredentialReference, baseUrl: string): Step[] {
	const body = `{ model: '${MODEL.model}', size: '${MODEL.size}', prompt: $json.prompt, response_format: 'b64_json' }`;
	return [
		step(
			'Request',
			'n8n-nodes-base.httpRequest',
			4.2,
			{
				method: 'POST',
				url: `${baseUrl}/images/generations`,
				authentication: 'predefinedCredentialType',
				nodeCredentialType: CREDENTIAL_TYPE,
				sendBody: true,
				specifyBody: 'json',
				jsonBody: `={{ JSON.stringify(${body}) }}`,
				options: {},
			},
			{ credentials: { [CREDENTIAL_TYPE]: credential } },
		),
		step('To File', 'n8n-nodes-base.convertToFile', 1.1, {
			operation: 'toBinary',
			sourceProperty: 'data[0].b64_json',
			binaryPropertyName: 'data',
			options: { mimeType: 'image/png' },
		}),
	];
}

/** Called from outside again and again, like a workflow in production; responds with the number of files and bytes. */
function makeWorkflow(path: string, images: Step[]) {
	const webhook = step(
		'Webhook',
		'n8n-nodes-base.webhook',
		2,
		{ httpMethod: 'POST', path, responseMode: 'lastNode', options: {} },
		{ webhookId: randomUUID() },
	);
	const files = step('Files', 'n8n-nodes-base.set', 3.4, {
		mode: 'raw',
		jsonOutput: '={{ { "bytes": $binary.data.bytes } }}',
	});
	const sum = step('Sum', 'n8n-nodes-base.summarize', 1.1, {
		fieldsToSummarize: {
			values: [
				{ aggregation: 'count', field: 'bytes' },
				{ aggregation: 'sum', field: 'bytes' },
			],
		},
		options: {},
	});
	return chain(path, [webhook, ...promptSteps(ITEMS), ...images, files, sum]);
}

/** Activates a workflow and waits until its webhook responds, which is some time after n8n has said yes. */
async function activate(n8n: N8nInstance, workflowId: string, path: string): Promise<void> {
	const { versionId } = await n8n.request<{ versionId: string }>(
		'GET',
		`/rest/workflows/${workflowId}`,
	);
	await n8n.request('POST', `/rest/workflows/${workflowId}/activate`, { versionId });
	await waitFor(
		'the webhook',
		async () => {
			const url = `${n8n.url}/webhook/${path}`;
			const response = await fetch(url, { headers: { connection: 'close' } });
			// Asked with the wrong method, n8n names the right one, and runs nothing.
			return (await response.text()).includes('not registered for GET');
		},
		{ timeoutMs: RUN_TIMEOUT_MS },
	);
}

/** Runs the workflow once; fails unless every image came whole. Returns the bytes of an image. */
async function callOnce(n8n: N8nInstance, path: string): Promise<number> {
	const deadline = Date.now() + RUN_TIMEOUT_MS;
	for (;;) {
		const response = await fetch(`${n8n.url}/webhook/${path}`, {
			method: 'POST',
			headers: { connection: 'close' },
			signal: AbortSignal.timeout(RUN_TIMEOUT_MS),
		});
		const text = await response.text();
		// n8n says so, before it runs anything, when its database was slow once, as on a machine with much other work.
		const isBusy = response.status === 503 && text.includes('Database is not ready');
		if (isBusy && Date.now() < deadline) {
			await sleep(500);
			continue;
		}
		ok(response.ok, `n8n responded with ${response.status}: ${text}`);
		const { count_bytes: count, sum_bytes: sum } = JSON.parse(text) as Record<string, number>;
		deepStrictEqual(count, ITEMS);
		return sum / count;
	}
}

async function takeSample(
	{ pid }: N8nInstance,
	inspector: Inspector,
	images: number,
): Promise<Sample> {
	await inspector.collectGarbage();
	const { usedBytes, bufferBytes } = await inspector.readHeap();
	return {
		images,
		residentBytes: await readResidentBytes(pid),
		heapBytes: usedBytes,
		bufferBytes,
		openFiles: await countOpenFiles(pid),
	};
}

/** Whether n8n has deleted all image files. */
async function hasNoFiles(folder: string): Promise<boolean> {
	try {
		const entries = await readdir(join(folder, '.n8n/storage'), {
			recursive: true,
			withFileTypes: true,
		});
		return entries.every((entry) => !entry.isFile());
	} catch (error) {
		// A folder went while it was read.
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
		throw error;
	}
}

/** Starts an n8n of its own, and has it make images for a long time. */
async function endure(
	name: string,
	testContext: TestContext,
	server: { baseUrl: string; key: string },
	makeSteps: (credential: CredentialReference) => Step[],
): Promise<Sample[]> {
	const { log } = testContext;
	const folder = join(testContext.folder, name);
	await mkdir(folder);
	const { n8n, inspector } = await startInspectedN8n(testContext, folder, {
		environment: {
			NODE_ENV: 'production',
			// What a busy instance is told, so that its database and disk do not grow with every run: runs that went well
			// are not kept, and neither are their files. By default n8n lets an hour pass before it deletes those.
			EXECUTIONS_DATA_SAVE_ON_SUCCESS: 'none',
			EXECUTIONS_DATA_HARD_DELETE_BUFFER: '0',
			EXECUTIONS_DATA_PRUNE_HARD_DELETE_INTERVAL: '1',
		},
	});

	const credential = await createStepFunCredential(
		n8n,
		{ url: server.baseUrl },
		{ apiKey: server.key, concurrentRequests: AT_ONCE },
	);
	const workflow = makeWorkflow(name, makeSteps(credential));
	await activate(n8n, await n8n.createWorkflow(workflow), name);

	const samples: Sample[] = [];
	for (let runs = 1; runs <= RUNS; runs++) {
		const bytes = await callOnce(n8n, name);
		if (runs === 1) log(`${name}: images of ${bytes} bytes, ${ITEMS} in each run`);
		if (runs % RUNS_PER_SAMPLE === 0) {
			samples.push(await takeSample(n8n, inspector, runs * ITEMS));
			const { images, residentBytes, heapBytes, bufferBytes, openFiles } = samples.at(-1)!;
			const megabytes = (value: number) => (value / 1e6).toFixed(1);
			log(
				`${name}: ${images} images, resident ${megabytes(residentBytes)} MB, heap ${megabytes(heapBytes)} MB, ` +
					`buffers ${megabytes(bufferBytes)} MB, ${openFiles} open files`,
			);
		}
	}

	await waitFor('the deletion of all files', async () => await hasNoFiles(folder), {
		timeoutMs: DELETION_TIMEOUT_MS,
	});
	// n8n would wait for it to leave.
	inspector.close();
	await n8n.stop();
	return samples;
}

/** What a series of samples says about growth, from the second quarter to the last. */
interface Growth {
	/** Of the heap and what buffers hold. */
	heapBytesPerImage: number;
	/** The later resident memory over the earlier. */
	residentRatio: number;
	openFiles: number;
}

/** The first quarter is the warm-up, in which code is compiled and caches fill. */
function growthOf(samples: Sample[]): Growth {
	const length = samples.length / 4;
	const second = samples.slice(length, 2 * length);
	const last = samples.slice(3 * length);
	// n8n's own caches come and go between the samples; what stays is the baseline under them.
	const baseline = (quarter: Sample[]) =>
		Math.min(...quarter.map(({ heapBytes, bufferBytes }) => heapBytes + bufferBytes));
	const resident = (quarter: Sample[]) => median(quarter.map(({ residentBytes }) => residentBytes));
	const mostFiles = (quarter: Sample[]) => Math.max(...quarter.map(({ openFiles }) => openFiles));
	return {
		heapBytesPerImage: (baseline(last) - baseline(second)) / (last[0].images - second[0].images),
		residentRatio: resident(last) / resident(second),
		openFiles: mostFiles(last) - mostFiles(second),
	};
}

function describe({ heapBytesPerImage, residentRatio, openFiles }: Growth): string {
	return (
		`from the second to the last quarter ${Math.round(heapBytesPerImage)} bytes of heap for each image, resident ` +
		`memory ${((residentRatio - 1) * 100).toFixed(1)} %, ${openFiles} open files`
	);
}

/** 5,000 images by one n8n, and the same by n8n's own nodes. */
export const enduranceSuite: Suite = {
	title: `${RUNS * ITEMS} images by one n8n, ${ITEMS} in each run`,
	async run(testContext) {
		const { folder, log, save, cleanUp } = testContext;
		const key = makeKey();
		const server = forkServer();
		cleanUp(() => server.stop());
		const baseUrl = await server.start({ keys: [key, LOCAL_API_KEY] });

		await server.reset();
		// Side by side, so that whatever the machine does happens to both.
		const [node, control] = await Promise.all([
			endure('this-node', testContext, { baseUrl, key }, (credential) => [
				imagesStep(credential, MODEL),
			]),
			endure('http-request', testContext, { baseUrl, key }, (credential) =>
				httpRequestSteps(credential, baseUrl),
			),
		]);
		deepStrictEqual((await server.counts()).billed, 2 * RUNS * ITEMS);

		const growth = growthOf(node);
		const controlGrowth = growthOf(control);
		log(`this node: ${describe(growth)}`);
		log(`HTTP Request: ${describe(controlGrowth)}`);
		if (save) {
			const file = resolve(__dirname, '../../docs/endurance.svg');
			await writeFile(file, drawEndurance(node, control));
			log(`the plot is in ${file}`);
		}
		// What n8n itself keeps of an execution, both keep.
		const own = growth.heapBytesPerImage - Math.max(0, controlGrowth.heapBytesPerImage);
		ok(own < ALLOWED_BYTES_PER_IMAGE, 'the heap grows with every image');
		ok(growth.residentRatio < 1 + ALLOWED_RESIDENT_GROWTH, 'resident memory grows');
		ok(growth.openFiles <= ALLOWED_OPEN_FILES, 'files or connections stay open');

		const searched = await checkKeyIsNowhere(key, [folder], [], {
			[join(folder, 'this-node/.n8n')]: PROMPT_START,
			[join(folder, 'http-request/.n8n')]: PROMPT_START,
		});
		log(`the key is in none of ${searched} files`);
	},
};
