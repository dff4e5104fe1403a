import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
	createServer,
	type IncomingMessage,
	type OutgoingHttpHeaders,
	type Server,
	type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAccount } from './account.cts';
import { createDrawing, type Picture } from './drawing.cts';
import { createFaultPlan } from './faultPlan.cts';
import { spell, spellResponse, type ImageField } from './jsonSpelling.cts';
import { createLimits } from './limits.cts';
import { parseBody, readBody, type ParsedBody } from './requestBody.cts';
import { checkRequest, isProblem, problem } from './requestRules.cts';
import {
	jsonResponse,
	pause,
	sendFaulty,
	sendResponse,
	type PlannedResponse,
} from './responses.cts';
import { createResultOrigin, NOT_AN_IMAGE } from './resultOrigin.cts';
import { DOCUMENTED_MODELS, errorType, NOT_IN_STEP_PLAN } from './specification.cts';
import type {
	BilledImage,
	CheckedRequest,
	Fault,
	Operation,
	RecordedRequest,
	StepFunServer,
	StepFunServerOptions,
} from './types.cts';

export type * from './types.cts';

/** The key that the server accepts by default. */
export const LOCAL_API_KEY = 'local-stepfun-key';

const HOST = '127.0.0.1';
const STEP_PLAN_PATH = '/step_plan/v1';
const BASE_PATHS = ['/v1', STEP_PLAN_PATH];
const OPERATIONS: Record<string, Operation> = {
	'/images/generations': 'generate',
	'/images/edits': 'edit',
	'/images/image2image': 'image2image',
};

/** Starts the StepFun test server, which checks requests as StepFun's image API does, and the host of its result URLs. */
export async function startStepFunServer(
	options: StepFunServerOptions = {},
): Promise<StepFunServer> {
	const {
		keys = [LOCAL_API_KEY],
		models = [...DOCUMENTED_MODELS],
		jsonSpelling = 'compact',
		refusedWords = ['forbidden-451'],
		filteredWords = ['content-filtered'],
		recordBodies = true,
	} = options;
	const closing = new AbortController();
	const results = createResultOrigin(options, closing.signal);
	const limits = createLimits(options);
	const account = createAccount(options.balance, options.prices);
	const faults = createFaultPlan<Fault>(options.faults, options.faultSeed);
	const draw = createDrawing({
		format: options.image?.format ?? 'png',
		bytes: options.image?.bytes,
		quality: options.image?.quality,
		once: options.drawing === 'once',
	});
	const requests: RecordedRequest[] = [];
	const billed: BilledImage[] = [];
	const sentImages: Buffer[] = [];
	const images = new Map<string, Buffer>();
	let imageRequests = 0;
	let rejected429 = 0;
	let resultOrigin = '';

	async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const path = (request.url ?? '/').split('?')[0];
		const record: RecordedRequest = {
			method: request.method ?? '',
			path,
			headers: request.headers,
			receivedAt: Date.now(),
			billed: false,
			traceId: randomBytes(16).toString('hex'),
			aborted: false,
		};
		requests.push(record);
		response.setHeader('X-Trace-Id', record.traceId);
		// An error while writing to a client that has just disconnected can be ignored.
		response.on('error', () => undefined);
		response.on('close', () => {
			record.respondedAt = Date.now();
			if (response.headersSent) record.status = response.statusCode;
			// A connection that the server broke on purpose was not closed by the client.
			record.aborted = !response.writableFinished && !brokenByServer.has(response);
			if (record.status === 429) rejected429++;
			options.onRequest?.(record);
		});

		const endpoint = endpointOf(path);
		const key = bearerKey(request);
		const isKnown =
			endpoint !== undefined &&
			(endpoint in OPERATIONS
				? record.method === 'POST'
				: ['/models', '/accounts'].includes(endpoint) && record.method === 'GET');
		const operation = endpoint === undefined ? undefined : OPERATIONS[endpoint];

		if (options.alwaysRedirect !== undefined) {
			await readBody(request);
			const location = `${options.alwaysRedirect}${request.url ?? ''}`;
			await sendResponse(response, jsonResponse(307, {}, { Location: location }));
		} else if (!isKnown) {
			await readBody(request);
			await refuse(record, response, 404, `Unknown request: ${record.method} ${path}`);
		} else if (key === undefined || !keys.includes(key)) {
			await readBody(request);
			await refuse(record, response, 401, 'Incorrect API key provided');
		} else if (operation === undefined) {
			await respondWithoutCharge(endpoint ?? '', record, response);
		} else {
			record.nth = ++imageRequests;
			const admission = limits.admit(key);
			try {
				const raw = await readBody(request);
				const body = await parseBody(request.headers['content-type'], raw);
				if (recordBodies) recordBody(record, raw, body);
				if (admission.admitted) {
					await respondWithImage(operation, body, record, response);
				} else {
					const headers = retryAfterHeader(admission.retryAfter);
					await refuse(record, response, 429, admission.message, headers);
				}
			} finally {
				if (admission.admitted) admission.release();
			}
		}
	}

	async function respondWithoutCharge(
		endpoint: string,
		record: RecordedRequest,
		response: ServerResponse,
	): Promise<void> {
		const offered = isStepPlan(record.path)
			? models.filter((model) => !NOT_IN_STEP_PLAN.models.includes(model))
			: models;
		const value = endpoint === '/accounts' ? account.describe() : modelList(offered);
		const planned = jsonResponse(200, spell(value, jsonSpelling));
		const fault = faults.next({ path: record.path });
		if (fault?.delayMs !== undefined) await pause(fault.delayMs, closing.signal);
		await deliver(response, changedBy(fault, planned), fault);
	}

	async function respondWithImage(
		operation: Operation,
		body: ParsedBody,
		record: RecordedRequest,
		response: ServerResponse,
	): Promise<void> {
		const offer = { models, isStepPlan: isStepPlan(record.path) };
		const checked = await checkRequest(operation, body, offer);
		if (isProblem(checked)) return await refuse(record, response, checked.status, checked.message);
		if (checked.unknown.length > 0) record.unknown = checked.unknown;
		if (refusedWords.some((word) => checked.prompt.includes(word))) {
			return await refuse(record, response, 451, 'The prompt did not pass moderation');
		}
		if (!account.canPay(checked.model)) {
			return await refuse(record, response, 402, 'The balance is used up');
		}
		const fault = faults.next({ path: record.path, nth: record.nth, prompt: checked.prompt });
		await pause(latencyOf(record.nth ?? 0) + (fault?.delayMs ?? 0), closing.signal);
		const stopsEarly = fault !== undefined && ('status' in fault || 'redirectTo' in fault);
		if (stopsEarly) {
			if (fault.billed) bill(checked, record, newId());
			return await deliver(response, changedBy(fault, jsonResponse(200, {})), fault);
		}
		let picture: Picture;
		try {
			picture = await draw(checked);
		} catch (error) {
			if (checked.input === undefined) throw error;
			return await refuse(record, response, 400, 'image could not be read');
		}
		const id = newId();
		if (fault?.billed ?? true) bill(checked, record, id);
		const planned = imageResponse(checked, picture, id, fault);
		await deliver(response, changedBy(fault, planned), fault);
	}

	function latencyOf(nth: number): number {
		const { latencyMs = 0 } = options;
		return typeof latencyMs === 'number' ? latencyMs : latencyMs(nth);
	}

	function bill(checked: CheckedRequest, record: RecordedRequest, id: string): void {
		const { operation, model, prompt, seed } = checked;
		account.charge(model);
		record.billed = true;
		const price = account.priceOf(model);
		billed.push({ path: record.path, operation, model, prompt, seed, price, id });
	}

	function imageResponse(
		checked: CheckedRequest,
		picture: Picture,
		id: string,
		fault: Fault | undefined,
	): PlannedResponse {
		const created = Math.floor(Date.now() / 1000);
		const filter =
			fault !== undefined && 'contentFiltered' in fault
				? fault.contentFiltered
				: filteredWords.some((word) => checked.prompt.includes(word));
		const field = filter
			? filteredField(filter, checked, picture, id)
			: wholeField(checked, picture, id, fault);
		const isEmpty = fault !== undefined && 'noImage' in fault;
		const image = {
			seed: checked.seed,
			finishReason: filter ? 'content_filtered' : 'success',
			field,
		};
		const parts = { id, created, image: isEmpty ? undefined : image };
		return jsonResponse(200, spellResponse(parts, jsonSpelling));
	}

	function filteredField(
		filter: true | 'null' | 'empty' | 'with-image',
		checked: CheckedRequest,
		picture: Picture,
		id: string,
	): ImageField {
		if (filter === true) return undefined;
		if (filter === 'with-image') return wholeField(checked, picture, id, undefined);
		return { name: checked.responseFormat, value: filter === 'null' ? null : '' };
	}

	function wholeField(
		{ responseFormat }: CheckedRequest,
		picture: Picture,
		id: string,
		fault: Fault | undefined,
	): ImageField {
		const isText = fault !== undefined && 'notAnImage' in fault;
		const bytes = isText ? Buffer.from(NOT_AN_IMAGE) : picture.bytes;
		if (recordBodies) {
			sentImages.push(bytes);
			images.set(id, bytes);
		}
		if (responseFormat === 'b64_json') {
			const value = isText ? Buffer.from(bytes.toString('base64')) : picture.base64;
			return { name: 'b64_json', value };
		}
		const isLate = fault !== undefined && 'lateLink' in fault;
		return { name: 'url', value: `${resultOrigin}${results.publish(id, bytes, isLate)}` };
	}

	async function refuse(
		record: RecordedRequest,
		response: ServerResponse,
		status: number,
		message: string,
		headers?: OutgoingHttpHeaders,
	): Promise<void> {
		record.problem = message;
		const { type } = problem(status, message);
		await sendResponse(response, jsonResponse(status, { error: { message, type } }, headers));
	}

	const api = createServer((request, response) => {
		handle(request, response).catch((error: unknown) => {
			if (response.headersSent || response.destroyed) return response.destroy();
			// A mistake of this server's own has to be seen, not taken for a broken connection.
			const message = `The local server failed: ${String(error)}`;
			return void sendResponse(
				response,
				jsonResponse(500, { error: { message, type: errorType(500) } }),
			).catch(() => response.destroy());
		});
	});
	const port = await listen(api, options.port ?? 0);
	const origin = `http://${HOST}:${port}`;
	try {
		resultOrigin = `http://${HOST}:${await listen(results.server, options.resultPort ?? 0)}`;
	} catch (error) {
		await shut(api);
		throw error;
	}

	return {
		url: `${origin}/v1`,
		stepPlanUrl: `${origin}/step_plan/v1`,
		origin,
		resultOrigin,
		requests,
		resultRequests: results.requests,
		billed,
		sentImages,
		images,
		get balance() {
			return account.balance;
		},
		get maxInFlight() {
			return limits.maxInFlight;
		},
		get rejected429() {
			return rejected429;
		},
		setFaults: (rules) => faults.set(rules),
		setResultFaults: (rules) => results.setFaults(rules),
		reset() {
			requests.length = 0;
			billed.length = 0;
			sentImages.length = 0;
			images.clear();
			imageRequests = 0;
			rejected429 = 0;
			limits.reset();
			account.reset();
			faults.reset();
			results.reset();
		},
		async close() {
			closing.abort();
			await Promise.all([shut(api), shut(results.server)]);
		},
	};
}

const brokenByServer = new WeakSet<ServerResponse>();

async function deliver(
	response: ServerResponse,
	planned: PlannedResponse,
	fault: Fault | undefined,
): Promise<void> {
	if (fault !== undefined && ('drop' in fault || 'cutBody' in fault)) brokenByServer.add(response);
	await sendFaulty(response, planned, fault);
}

/** Applies the faults that change what is said; the others change how it is sent. */
function changedBy(fault: Fault | undefined, planned: PlannedResponse): PlannedResponse {
	if (fault === undefined) return planned;
	if ('status' in fault) {
		const message = `Fault ${fault.status}`;
		const body =
			fault.body ?? JSON.stringify({ error: { message, type: errorType(fault.status) } });
		const type = body.trimStart().startsWith('<') ? { 'Content-Type': 'text/html' } : {};
		const headers = { ...type, ...retryAfterHeader(fault.retryAfter), ...fault.headers };
		return jsonResponse(fault.status, body, headers);
	}
	if ('redirectTo' in fault) return jsonResponse(307, {}, { Location: fault.redirectTo });
	if ('badJson' in fault) return jsonResponse(200, '{"id":"broken","data":[{"seed":1,');
	if ('emptyBody' in fault) return jsonResponse(200, '');
	if ('html' in fault) {
		const page = '<!doctype html><title>Sign in</title><h1>Please sign in</h1>';
		return jsonResponse(200, page, { 'Content-Type': 'text/html; charset=utf-8' });
	}
	const { chunks } = planned;
	if ('behindJson' in fault) {
		return { ...planned, chunks: [...chunks, Buffer.from(fault.behindJson)] };
	}
	if ('withoutLastBrace' in fault) {
		const last = String(chunks.at(-1));
		const cut = Buffer.from(last.slice(0, last.lastIndexOf('}')));
		return { ...planned, chunks: [...chunks.slice(0, -1), cut] };
	}
	if ('firstMember' in fault) {
		const first = String(chunks[0]).replace('{', () => `{${fault.firstMember},`);
		return { ...planned, chunks: [Buffer.from(first), ...chunks.slice(1)] };
	}
	return planned;
}

function retryAfterHeader(retryAfter: number | string | undefined): OutgoingHttpHeaders {
	return retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) };
}

/** The path below a base path, such as /images/edits. */
function endpointOf(path: string): string | undefined {
	const base = BASE_PATHS.find((candidate) => path.startsWith(`${candidate}/`));
	return base === undefined ? undefined : path.slice(base.length);
}

function isStepPlan(path: string): boolean {
	return path.startsWith(`${STEP_PLAN_PATH}/`);
}

function bearerKey(request: IncomingMessage): string | undefined {
	return /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
}

function recordBody(record: RecordedRequest, raw: Buffer, body: ParsedBody): void {
	record.rawBody = raw;
	if (body.kind === 'json') record.json = body.value;
	if (body.kind !== 'multipart') return;
	record.fields = {};
	for (const part of body.parts) {
		if ('file' in part) record.file ??= part.file;
		else record.fields[part.name] = part.text;
	}
}

function modelList(models: string[]): object {
	const created = 1_751_328_000;
	return {
		object: 'list',
		data: models.map((id) => ({ id, object: 'model', created, owned_by: 'stepai' })),
	};
}

/** Two parts of 32 hex digits, the form StepFun's ids have. */
function newId(): string {
	return `${randomBytes(16).toString('hex')}.${randomBytes(16).toString('hex')}`;
}

async function listen(server: Server, port: number): Promise<number> {
	// A test's process may be busy for seconds. Closing its idle connection just then would look like
	// a fault that nobody asked for.
	server.keepAliveTimeout = 0;
	server.listen(port, HOST);
	await once(server, 'listening');
	return (server.address() as AddressInfo).port;
}

async function shut(server: Server): Promise<void> {
	const closed = once(server, 'close');
	server.close();
	server.closeAllConnections();
	await closed;
}
