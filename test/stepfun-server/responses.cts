import { once } from 'node:events';
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Fault, ResultFault } from './types.cts';

/** A response before it is sent, with or without a fault. */
export interface PlannedResponse {
	status: number;
	headers: OutgoingHttpHeaders;
	chunks: Buffer[];
}

const ENDLESS_CHUNK = Buffer.alloc(65_536, 'A');
const DRIP_EVERY_MS = 50;

/** A response with a JSON body. */
export function jsonResponse(
	status: number,
	body: object | string | Buffer[],
	headers: OutgoingHttpHeaders = {},
): PlannedResponse {
	return {
		status,
		headers: { 'Content-Type': 'application/json; charset=utf-8', ...headers },
		chunks: Array.isArray(body) ? body : [Buffer.from(asText(body))],
	};
}

function asText(body: object | string): string {
	return typeof body === 'string' ? body : JSON.stringify(body);
}

/** Sends a whole response and waits until it is out or the client is gone. */
export async function sendResponse(
	response: ServerResponse,
	planned: PlannedResponse,
): Promise<void> {
	if (response.destroyed) return;
	response.writeHead(planned.status, {
		...planned.headers,
		...(planned.status === 204 || planned.status === 304 || hasLength(planned)
			? {}
			: { 'Content-Length': lengthOf(planned) }),
	});
	const closed = once(response, 'close');
	for (const chunk of planned.chunks) response.write(chunk);
	response.end();
	await closed;
}

function hasLength({ headers }: PlannedResponse): boolean {
	return headers['Content-Length'] !== undefined;
}

function lengthOf({ chunks }: PlannedResponse): number {
	return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/**
 * Sends a response the way a fault wants it. Faults that name no transport trouble leave it as it is:
 * those change the response's content before it gets here.
 */
export async function sendFaulty(
	response: ServerResponse,
	planned: PlannedResponse,
	fault: Fault | ResultFault | undefined,
): Promise<void> {
	if (response.destroyed) return;
	if (fault === undefined) return await sendResponse(response, planned);
	const closed = once(response, 'close');
	if ('hang' in fault) {
		await closed;
	} else if ('drop' in fault) {
		await drop(response, planned, fault.drop);
		await closed;
	} else if ('cutBody' in fault) {
		response.writeHead(planned.status, { ...planned.headers, 'Content-Length': lengthOf(planned) });
		await writeHalf(response, planned);
		response.socket?.end();
		await closed;
	} else if ('wrongContentLength' in fault) {
		const length = Math.max(0, lengthOf(planned) + fault.wrongContentLength);
		response.writeHead(planned.status, {
			...planned.headers,
			'Content-Length': length,
			Connection: 'close',
		});
		response.end(Buffer.concat(planned.chunks));
		await closed;
	} else if ('endlessBody' in fault) {
		response.writeHead(planned.status, planned.headers);
		response.write(planned.chunks[0].subarray(0, 20));
		while (!response.destroyed) {
			if (!response.write(ENDLESS_CHUNK)) await Promise.race([once(response, 'drain'), closed]);
		}
	} else if ('dripMs' in fault) {
		await drip(response, planned, fault.dripMs);
		await closed;
	} else {
		await sendResponse(response, planned);
	}
}

async function drip(
	response: ServerResponse,
	planned: PlannedResponse,
	dripMs: number,
): Promise<void> {
	const body = Buffer.concat(planned.chunks);
	const pieces = Math.max(1, Math.round(dripMs / DRIP_EVERY_MS));
	const bytes = Math.max(1, Math.ceil(body.length / pieces));
	const left = new AbortController();
	response.once('close', () => left.abort());
	response.writeHead(planned.status, { ...planned.headers, 'Content-Length': body.length });
	for (let piece = 0; piece < pieces && !response.destroyed; piece++) {
		await pause(DRIP_EVERY_MS, left.signal);
		response.write(body.subarray(piece * bytes, (piece + 1) * bytes));
	}
	response.end();
}

async function drop(
	response: ServerResponse,
	planned: PlannedResponse,
	moment: 'before-response' | 'after-headers' | 'mid-body',
): Promise<void> {
	if (moment === 'after-headers') {
		response.writeHead(planned.status, { ...planned.headers, 'Content-Length': lengthOf(planned) });
		response.flushHeaders();
		await new Promise((resolve) => setImmediate(resolve));
	}
	if (moment === 'mid-body') {
		// Without a Content-Length the body is chunked, and its last chunk never comes.
		response.writeHead(planned.status, planned.headers);
		await writeHalf(response, planned);
	}
	response.socket?.destroy();
}

async function writeHalf(response: ServerResponse, planned: PlannedResponse): Promise<void> {
	const body = Buffer.concat(planned.chunks);
	const half = body.subarray(0, body.length >> 1);
	await new Promise<void>((resolve) => {
		response.once('close', resolve);
		response.write(half, () => resolve());
	});
}

/** Waits, but no longer than until the server closes. */
export async function pause(milliseconds: number, closing: AbortSignal): Promise<void> {
	if (milliseconds <= 0 || closing.aborted) return;
	await new Promise<void>((resolve) => {
		const finish = () => {
			clearTimeout(timer);
			closing.removeEventListener('abort', finish);
			resolve();
		};
		const timer = setTimeout(finish, milliseconds);
		closing.addEventListener('abort', finish);
	});
}
