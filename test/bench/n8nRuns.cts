import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { N8nInstallation } from '../n8n/install.cts';
import { startN8n, type N8nInstance, type WorkflowFile } from '../n8n/instance.cts';
import { LOCAL_API_KEY } from '../stepfun-server/server.cts';
import { watchProcess, type ProcessTree } from '../kit/processFigures.cts';
import { createEventLoopMonitor, type EventLoopMonitor } from './eventLoop.cts';
import type { RunResult } from './results.cts';
import { makeEmptyWorkflow, TRIGGER, type Service } from './workflows.cts';

const RUN_TIMEOUT_MS = 240_000;
/** After its start, n8n continues to load for a while, and it cleans up after an execution. */
export const SETTLE_MS = 2_000;

/** What running n8n takes. */
export interface N8nSetup {
	installation: N8nInstallation;
	tarball: string;
	/** The bundled storedExecution.cts. */
	storedExecution: string;
	/** The bundled eventLoopMonitor.cts. */
	eventLoopMonitor: string;
	/** Where the input images lie, which workflows may read. */
	inputFolder: string;
	userFolder: string;
}

/** An n8n that runs workflows and says what that took. */
export interface MeasuredN8n {
	/** Points the credentials at a server. */
	connect(serverUrl: string): Promise<Service>;
	/**
	 * Runs a workflow once.
	 *
	 * @param inputs how many images it reads itself
	 * @param imageBytes the size of the images it brings
	 */
	run(
		workflow: WorkflowFile,
		inputs: number,
		imageBytes: number,
	): Promise<Omit<RunResult, 'billed' | 'rejected429' | 'maxInFlight'>>;
	stop(): Promise<void>;
}

/** Starts n8n with the package in it, and measures an empty workflow, above which everything else is reported. */
export async function startMeasuredN8n(setup: N8nSetup): Promise<MeasuredN8n> {
	const { installation, tarball, userFolder, inputFolder } = setup;
	await mkdir(userFolder, { recursive: true });
	const eventLoop = createEventLoopMonitor(setup.eventLoopMonitor, userFolder);
	const { nodeArguments, environment } = eventLoop;
	const n8n = await startN8n({
		installation,
		tarball,
		userFolder,
		filesFolder: inputFolder,
		nodeArguments,
		environment,
	});
	const watched = { n8n, tree: watchProcess(n8n.pid), eventLoop };
	await sleep(SETTLE_MS);

	// The first execution loads code which every other one uses.
	await runOnce(watched, setup, makeEmptyWorkflow());
	await sleep(SETTLE_MS);
	const empty = await runOnce(watched, setup, makeEmptyWorkflow());

	return {
		async connect(serverUrl) {
			const stepFun = await n8n.createCredential('stepFunApi', `StepFun ${serverUrl}`, {
				service: 'custom',
				baseUrl: serverUrl,
				apiKey: LOCAL_API_KEY,
				concurrentRequests: 5,
				requestsPerMinute: 0,
			});
			const openAi = await n8n.createCredential('openAiApi', `OpenAI ${serverUrl}`, {
				apiKey: LOCAL_API_KEY,
				url: serverUrl,
			});
			return { url: serverUrl, stepFun, openAi };
		},
		async run(workflow, inputs, imageBytes) {
			const { executionId, ...measured } = await runOnce(watched, setup, workflow);
			const names = await askDatabase<string[]>(setup, 'files', executionId);
			const n8nFolder = join(userFolder, '.n8n');
			const files = await takeBinaryFiles(n8nFolder, executionId, new Set(names), imageBytes);
			return {
				...measured,
				// n8n discards what an execution that failed had brought.
				delivered: measured.status === 'success' ? files - inputs : 0,
				peakBytes: measured.peakBytes - empty.peakBytes,
				cpuSeconds: measured.cpuSeconds - empty.cpuSeconds,
			};
		},
		stop: () => n8n.stop(),
	};
}

/** An n8n and what looks at it. */
interface Watched {
	n8n: N8nInstance;
	tree: ProcessTree;
	eventLoop: EventLoopMonitor;
}

async function runOnce({ n8n, tree, eventLoop }: Watched, setup: N8nSetup, workflow: WorkflowFile) {
	const workflowId = await n8n.createWorkflow(workflow);
	await eventLoop.start();
	await tree.forgetPeak();
	const cpuBefore = await tree.cpuSeconds();
	// Not executeWorkflow(): it waits by reading the execution's data again and again.
	const { executionId } = await n8n.request<{ executionId: string }>(
		'POST',
		`/rest/workflows/${workflowId}/run`,
		{ triggerToStartFrom: TRIGGER },
	);
	const stored = await askDatabase<{ status: string; wallMs: number; savedBytes: number }>(
		setup,
		'wait',
		executionId,
		String(RUN_TIMEOUT_MS),
	);
	return {
		executionId,
		...stored,
		peakBytes: await tree.peakBytes(),
		cpuSeconds: (await tree.cpuSeconds()) - cpuBefore,
		stallMs: await eventLoop.stop(),
	};
}

/** Asks storedExecution.cts. */
async function askDatabase<T>(
	{ installation, storedExecution, userFolder }: N8nSetup,
	command: 'wait' | 'files',
	...parameters: string[]
): Promise<T> {
	const database = join(userFolder, '.n8n/database.sqlite');
	const { stdout } = await promisify(execFile)(
		installation.nodeBinary,
		['--no-warnings', storedExecution, command, database, ...parameters],
		{ timeout: RUN_TIMEOUT_MS + 10_000 },
	);
	return JSON.parse(stdout) as T;
}

/**
 * Counts the images that the items of an execution have. What n8n keeps beside them, such as the images of a try that
 * failed, does not count. All are removed, as hundreds of runs would fill the disk.
 */
async function takeBinaryFiles(
	n8nFolder: string,
	executionId: string,
	names: Set<string>,
	imageBytes: number,
): Promise<number> {
	const entries = await readdir(n8nFolder, { recursive: true, withFileTypes: true });
	const files = entries.filter(
		(entry) =>
			entry.isFile() &&
			entry.parentPath.includes(`/executions/${executionId}/`) &&
			!entry.name.endsWith('.metadata'),
	);
	let images = 0;
	for (const { parentPath, name } of files) {
		const path = join(parentPath, name);
		if (names.has(name) && (await stat(path)).size > imageBytes / 2) images++;
		await rm(path);
	}
	return images;
}
