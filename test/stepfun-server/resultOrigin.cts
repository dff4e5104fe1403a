import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createFaultPlan } from './faultPlan.cts';
import { jsonResponse, pause, sendFaulty, type PlannedResponse } from './responses.cts';
import type {
	ImageFormat,
	RecordedResultRequest,
	ResultFault,
	ResultFaultRule,
	StepFunServerOptions,
} from './types.cts';

const THIRTY_DAYS_MS = 30 * 24 * 60 * 60 * 1000;
export const NOT_AN_IMAGE = 'This is text where an image should be.';

export interface ResultOrigin {
	server: Server;
	requests: RecordedResultRequest[];
	/** Keeps a picture and returns its path on this origin; a late one is not there at the first request. */
	publish(id: string, bytes: Buffer, isLate?: boolean): string;
	setFaults(rules: ResultFaultRule[]): void;
	reset(): void;
}

/** The host of the result URLs: a plain file server that wants no key and refuses one. */
export function createResultOrigin(
	options: StepFunServerOptions,
	closing: AbortSignal,
): ResultOrigin {
	const format: ImageFormat = options.image?.format ?? 'png';
	const lifetimeMs = options.urlLifetimeMs ?? THIRTY_DAYS_MS;
	const files = new Map<string, { bytes: Buffer; expiresAt: number; isLate: boolean }>();
	const faults = createFaultPlan<ResultFault>(options.resultFaults, options.faultSeed);
	const requests: RecordedResultRequest[] = [];
	let downloads = 0;

	async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const path = (request.url ?? '/').split('?')[0];
		const record: RecordedResultRequest = {
			method: request.method ?? '',
			path,
			headers: request.headers,
			receivedAt: Date.now(),
			hadAuthorization: request.headers.authorization !== undefined,
		};
		requests.push(record);
		downloads++;
		request.resume();
		// An error while writing to a client that has just disconnected can be ignored.
		response.on('error', () => undefined);
		response.on('close', () => {
			record.respondedAt = Date.now();
			if (response.headersSent) record.status = response.statusCode;
		});

		const planned = fileResponse(record);
		const fault = planned.status === 200 ? faults.next({ path, nth: downloads }) : undefined;
		if (fault?.delayMs !== undefined) await pause(fault.delayMs, closing);
		await sendFaulty(response, fault === undefined ? planned : changedBy(fault, planned), fault);
	}

	function fileResponse({
		method,
		path,
		hadAuthorization,
	}: RecordedResultRequest): PlannedResponse {
		if (hadAuthorization) return plain(400, 'Only one auth mechanism allowed');
		if (method !== 'GET' && method !== 'HEAD') return plain(405, 'Method not allowed');
		const file = files.get(path);
		if (file === undefined || file.isLate) {
			if (file) file.isLate = false;
			return plain(404, 'The specified key does not exist');
		}
		if (Date.now() >= file.expiresAt) return plain(403, 'Request has expired');
		return { status: 200, headers: { 'Content-Type': `image/${format}` }, chunks: [file.bytes] };
	}

	const server = createServer((request, response) => {
		handle(request, response).catch(() => response.destroy());
	});
	return {
		server,
		requests,
		publish(id, bytes, isLate = false) {
			const path = `/image_gen/${new Date().toISOString().slice(0, 10).replaceAll('-', '')}/${id}.${format}`;
			files.set(path, { bytes, expiresAt: Date.now() + lifetimeMs, isLate });
			return path;
		},
		setFaults: (rules) => faults.set(rules),
		reset() {
			requests.length = 0;
			downloads = 0;
			files.clear();
			faults.reset();
		},
	};
}

function plain(status: number, message: string): PlannedResponse {
	return { status, headers: { 'Content-Type': 'text/plain' }, chunks: [Buffer.from(message)] };
}

function changedBy(fault: ResultFault, planned: PlannedResponse): PlannedResponse {
	if ('status' in fault) {
		return {
			status: fault.status,
			headers: {
				'Content-Type': 'text/plain',
				...fault.headers,
				...(fault.retryAfter === undefined ? {} : { 'Retry-After': String(fault.retryAfter) }),
			},
			chunks: [Buffer.from(fault.body ?? `Error ${fault.status}`)],
		};
	}
	if ('redirectTo' in fault) return jsonResponse(302, {}, { Location: fault.redirectTo });
	if ('emptyBody' in fault) return { ...planned, chunks: [] };
	if ('notAnImage' in fault) return { ...planned, chunks: [Buffer.from(NOT_AN_IMAGE)] };
	if ('contentType' in fault) return { ...planned, headers: { 'Content-Type': fault.contentType } };
	return planned;
}
