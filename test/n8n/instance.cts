import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ICredentialDataDecryptedObject, INode, IRun, IWorkflowBase } from 'n8n-workflow';
import { installInN8n } from '../package/install.cts';
import type { N8nInstallation } from './install.cts';

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 10_000;

/** What starting n8n takes. */
export interface N8nInstanceOptions {
	installation: N8nInstallation;
	/** The packed community package to install into it; without one, it has what lies in its folder. */
	tarball?: string;
	/** Where n8n keeps its database, files and community packages. */
	userFolder: string;
	/** The only folder which workflows may read files from and write files to. */
	filesFolder: string;
	/** The port to listen on; without it, a free one. */
	port?: number;
	/** Settings of n8n beside, or instead of, those that every instance here has. */
	environment?: Record<string, string>;
	/** Options of Node.js, such as a limit of its heap. */
	nodeArguments?: string[];
	/** The login of the owner, whom an earlier instance in this folder may have set up; without it, one is made up. */
	owner?: Owner;
}

/** How the first user of an n8n logs in. */
export interface Owner {
	email: string;
	password: string;
}

/** A workflow file, as n8n's editor exports it. */
export type WorkflowFile = Pick<IWorkflowBase, 'name' | 'nodes' | 'connections' | 'settings'>;

/** How n8n names a credential in a node. */
export interface CredentialReference {
	id: string;
	name: string;
}

/** What a workflow's run left: n8n's status of it and the items of every node. */
export interface FinishedExecution extends Pick<IRun, 'status' | 'data'> {
	id: string;
}

/**
 * Starts n8n as its users do: with a database of its own, and the package installed the way n8n documents for
 * community packages that are installed by hand.
 */
export async function startN8n(options: N8nInstanceOptions): Promise<N8nInstance> {
	const port = options.port ?? (await findFreePort());
	const { child, logFile } = await spawnN8n(options, port, ['start']);
	const instance = new N8nInstance(
		`http://localhost:${port}`,
		child,
		options.installation,
		options.owner,
	);
	try {
		await instance.waitUntilReady();
		await instance.signIn();
	} catch (error) {
		await instance.stop();
		throw await startError(error, logFile);
	}
	return instance;
}

/** A running worker of n8n's queue mode. */
export interface N8nWorker {
	/** What it printed. */
	logFile: string;
	/** Ends the process; SIGKILL as the kernel does when memory runs out. */
	stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/**
 * Starts a worker of queue mode. Database, Redis and encryption key, which it shares with the main instance, stand in
 * the environment of its options.
 *
 * @param concurrency how many executions it runs at once
 */
export async function startN8nWorker(
	options: N8nInstanceOptions,
	concurrency: number,
): Promise<N8nWorker> {
	const port = await findFreePort();
	const environment = {
		...options.environment,
		QUEUE_HEALTH_CHECK_ACTIVE: 'true',
		QUEUE_HEALTH_CHECK_PORT: String(port),
		N8N_WORKER_SERVER_ADDRESS: '127.0.0.1',
	};
	const { child, logFile } = await spawnN8n({ ...options, environment }, port, [
		'worker',
		`--concurrency=${concurrency}`,
	]);
	try {
		await waitUntilReady(`http://127.0.0.1:${port}`, child);
	} catch (error) {
		await endProcess(child);
		throw await startError(error, logFile);
	}
	return { logFile, stop: async (signal) => await endProcess(child, signal) };
}

async function spawnN8n(
	options: N8nInstanceOptions,
	port: number,
	command: string[],
): Promise<{ child: ChildProcess; logFile: string }> {
	const { tarball, userFolder, installation } = options;
	if (tarball) await installInN8n(tarball, userFolder, installation.environment);
	const logFile = join(options.userFolder, 'n8n.log');
	const log = await open(logFile, 'w');
	const { nodeBinary, n8nScript, environment } = options.installation;
	const child = spawn(nodeBinary, [...(options.nodeArguments ?? []), n8nScript, ...command], {
		cwd: options.userFolder,
		env: {
			...environment,
			...(await describeEnvironment(options, port)),
			...options.environment,
		},
		stdio: ['ignore', log.fd, log.fd],
	});
	await log.close();
	return { child, logFile };
}

async function startError(error: unknown, logFile: string): Promise<Error> {
	const lastLines = (await readFile(logFile, 'utf8')).split('\n').slice(-30).join('\n');
	return new Error(`n8n did not start: ${(error as Error).message}\n${lastLines}`, {
		cause: error,
	});
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
	return exitCode !== null || signalCode !== null;
}

/**
 * Waits until n8n has loaded its nodes and responds.
 *
 * @param paths what must respond: n8n 1.x says that it is ready before it serves its interface
 */
async function waitUntilReady(
	url: string,
	child: ChildProcess,
	paths = ['/healthz/readiness'],
): Promise<void> {
	const deadline = Date.now() + START_TIMEOUT_MS;
	while (Date.now() < deadline) {
		if (hasEnded(child)) throw new Error('the process ended');
		const responses = await Promise.all(
			paths.map(async (path) => await fetch(`${url}${path}`).catch(() => undefined)),
		);
		if (responses.every((response) => response?.ok)) return;
		await sleep(250);
	}
	throw new Error(`no response within ${START_TIMEOUT_MS / 1000} s`);
}

/** Ends a process, unless it has ended, and waits until it is gone. */
export async function endProcess(
	child: ChildProcess,
	signal: NodeJS.Signals = 'SIGTERM',
): Promise<void> {
	if (hasEnded(child)) return;
	const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
	child.kill(signal);
	const killer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
	await gone;
	clearTimeout(killer);
}

async function describeEnvironment(
	{ userFolder, filesFolder }: N8nInstanceOptions,
	port: number,
): Promise<Record<string, string>> {
	return {
		N8N_USER_FOLDER: userFolder,
		N8N_HOST: 'localhost',
		N8N_PORT: String(port),
		N8N_LISTEN_ADDRESS: '127.0.0.1',
		N8N_RUNNERS_BROKER_PORT: String(await findFreePort()),
		// Safari keeps no secure cookie of a page without TLS.
		N8N_SECURE_COOKIE: 'false',
		N8N_ENCRYPTION_KEY: randomBytes(16).toString('hex'),
		N8N_DEFAULT_BINARY_DATA_MODE: 'filesystem',
		N8N_RESTRICT_FILE_ACCESS_TO: filesFolder,
		DB_SQLITE_POOL_SIZE: '2',
		// Nothing of it may depend on, or tell, the world outside.
		N8N_DIAGNOSTICS_ENABLED: 'false',
		N8N_DYNAMIC_BANNERS_ENABLED: 'false',
		N8N_HIRING_BANNER_ENABLED: 'false',
		N8N_LICENSE_AUTO_RENEW_ENABLED: 'false',
		N8N_PERSONALIZATION_ENABLED: 'false',
		N8N_TEMPLATES_ENABLED: 'false',
		N8N_VERIFIED_PACKAGES_ENABLED: 'false',
		N8N_VERSION_NOTIFICATIONS_ENABLED: 'false',
		N8N_VERSION_NOTIFICATIONS_WHATS_NEW_ENABLED: 'false',
		N8N_PYTHON_ENABLED: 'false',
		NO_COLOR: '1',
	};
}

/** A free port. */
export async function findFreePort(): Promise<number> {
	return await new Promise((resolve, reject) => {
		const server = createServer();
		server.on('error', reject);
		server.listen(0, '127.0.0.1', () => {
			const address = server.address();
			server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
		});
	});
}

/**
 * A running n8n. It is driven through the interface its editor uses rather than through its command line: each
 * command would start n8n anew (about 8 s), and executions made this way can be looked at in the editor afterwards.
 */
export class N8nInstance {
	/** When the process has ended: its exit code, or nothing if a signal ended it. */
	readonly exit: Promise<number | null>;

	private cookie = '';

	constructor(
		readonly url: string,
		private readonly child: ChildProcess,
		private readonly installation: N8nInstallation,
		/** The login of this instance, unless it is given made up for it. */
		readonly owner: Owner = {
			email: 'owner@demo.example',
			password: `Demo-${randomBytes(6).toString('hex')}-1`,
		},
	) {
		this.exit = new Promise((resolve) => child.on('exit', resolve));
	}

	/** The id of n8n's process. */
	get pid(): number {
		return this.child.pid as number;
	}

	/** Waits until n8n has loaded its nodes and responds. */
	async waitUntilReady(): Promise<void> {
		await waitUntilReady(this.url, this.child, ['/healthz/readiness', '/rest/settings']);
	}

	/** Logs in as the owner, who is created first in a fresh database. */
	async signIn(): Promise<void> {
		const { userManagement } = await this.request<{
			userManagement: { showSetupOnFirstLoad: boolean };
		}>('GET', '/rest/settings');
		const { email, password } = this.owner;
		if (userManagement.showSetupOnFirstLoad) {
			await this.request('POST', '/rest/owner/setup', {
				...this.owner,
				firstName: 'Demo',
				lastName: 'Owner',
			});
		} else {
			await this.request('POST', '/rest/login', { emailOrLdapLoginId: email, password });
		}
	}

	/** The node types that n8n has loaded, by their full names. */
	async listNodeTypes(): Promise<string[]> {
		const response = await fetch(`${this.url}/types/nodes.json`, {
			headers: { cookie: this.cookie },
		});
		const types = (await response.json()) as Array<{ name: string }>;
		return types.map(({ name }) => name);
	}

	/** Stores a credential as the dialog in the editor does. */
	async createCredential(
		type: string,
		name: string,
		data: ICredentialDataDecryptedObject,
	): Promise<CredentialReference> {
		return await this.request<CredentialReference>('POST', '/rest/credentials', {
			type,
			name,
			data,
		});
	}

	/** Tests a stored credential as the editor does after saving; returns n8n's verdict. */
	async testCredential(
		{ id, name }: CredentialReference,
		type: string,
	): Promise<{ status: 'OK' | 'Error'; message: string }> {
		const credentials = await this.request('GET', `/rest/credentials/${id}?includeData=true`);
		return await this.request('POST', '/rest/credentials/test', {
			credentials: { ...(credentials as object), id, name, type },
		});
	}

	/** Stores a workflow; returns its id. */
	async createWorkflow(workflow: WorkflowFile): Promise<string> {
		const { id } = await this.request<{ id: string }>('POST', '/rest/workflows', {
			// n8n 1.x sets no default for it.
			active: false,
			...workflow,
		});
		return id;
	}

	/** Starts a stored workflow from its trigger, as "Execute workflow" does; returns the execution's id. */
	async startWorkflow(workflowId: string, trigger: Pick<INode, 'name'>): Promise<string> {
		const { executionId } = await this.request<{ executionId: string }>(
			'POST',
			`/rest/workflows/${workflowId}/run`,
			{
				// n8n 1.x runs the workflow that is sent along; later ones run what is stored.
				workflowData: await this.request('GET', `/rest/workflows/${workflowId}`),
				triggerToStartFrom: { name: trigger.name },
			},
		);
		return executionId;
	}

	/** What n8n has stored of an execution, or undefined while it is under way. */
	async findFinishedExecution(id: string): Promise<FinishedExecution | undefined> {
		const execution = await this.readExecution(id);
		return ['new', 'running', 'waiting'].includes(execution.status) ? undefined : execution;
	}

	/** Runs a stored workflow from its trigger, as "Execute workflow" does, and waits for the end. */
	async executeWorkflow(
		workflowId: string,
		trigger: Pick<INode, 'name'>,
		timeoutMs: number,
	): Promise<FinishedExecution> {
		const executionId = await this.startWorkflow(workflowId, trigger);
		const deadline = Date.now() + timeoutMs;
		while (Date.now() < deadline) {
			const execution = await this.findFinishedExecution(executionId);
			if (execution) return execution;
			await sleep(250);
		}
		throw new Error(`execution ${executionId} did not end within ${timeoutMs / 1000} s`);
	}

	/** What n8n has stored of an execution. */
	async readExecution(id: string): Promise<FinishedExecution> {
		const { status, data } = await this.request<{ status: IRun['status']; data: string }>(
			'GET',
			`/rest/executions/${id}`,
		);
		return { id, status, data: this.parseExecutionData(data) };
	}

	/** The bytes behind a binary field, by its id, as the editor downloads them. */
	async downloadBinary(id: string): Promise<Buffer> {
		const path = `/rest/binary-data?action=download&id=${encodeURIComponent(id)}`;
		const response = await fetch(`${this.url}${path}`, { headers: { cookie: this.cookie } });
		if (!response.ok) throw new Error(`n8n responded to GET ${path} with ${response.status}`);
		return Buffer.from(await response.arrayBuffer());
	}

	/** Ends the process. */
	async stop(): Promise<void> {
		await endProcess(this.child);
	}

	/** n8n stores and sends an execution's data in the spelling of the package flatted. */
	private parseExecutionData(data: string): IRun['data'] {
		const fromN8n = createRequire(this.installation.n8nScript);
		const { parse } = fromN8n('flatted') as { parse: (text: string) => IRun['data'] };
		return parse(data);
	}

	/** Calls n8n as its editor does. */
	async request<T>(method: string, path: string, body?: unknown): Promise<T> {
		const response = await fetch(`${this.url}${path}`, {
			method,
			headers: {
				'content-type': 'application/json',
				cookie: this.cookie,
				// n8n closes a connection that was idle for 5 s. On a busy machine that may happen just when it is used
				// again.
				connection: 'close',
			},
			body: body === undefined ? undefined : JSON.stringify(body),
		});
		const text = await response.text();
		if (!response.ok)
			throw new Error(`n8n responded to ${method} ${path} with ${response.status}: ${text}`);
		const setCookie = response.headers.getSetCookie().map((cookie) => cookie.split(';')[0]);
		if (setCookie.length > 0) this.cookie = setCookie.join('; ');
		return (JSON.parse(text) as { data: T }).data;
	}
}
