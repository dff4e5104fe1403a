import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseBody, readBody } from '../stepfun-server/requestBody.cts';
import { drawPicture } from './pictures.cts';
import { Refusal } from './responses.cts';
import type {
	Drawing,
	Simulation,
	OtherServer,
	OtherServerOptions,
	PlannedResponse,
	ReceivedRequest,
	Tools,
} from './types.cts';

const HOST = '127.0.0.1';

/** Thrown into a handler whose client left, where the real program gives up its work then. */
class ClientLeft extends Error {}

/** Serves a simulation on a free loopback port. */
export async function listen(
	simulation: Simulation,
	givenOptions: OtherServerOptions,
): Promise<OtherServer> {
	const options = {
		...givenOptions,
		model: givenOptions.model ?? simulation.defaultModel,
		key: givenOptions.key ?? simulation.defaultKey,
	};
	const received: ReceivedRequest[] = [];
	const drawings: Drawing[] = [];
	const kept = new Map<string, { bytes: Buffer; type: string }>();
	const closing = new AbortController();
	let inFlight = 0;
	let maxInFlight = 0;
	let lastTurn: Promise<unknown> = Promise.resolve();
	let origin = '';

	async function draw(drawing: Drawing, record: ReceivedRequest): Promise<Buffer> {
		const work = async () => {
			if (record.aborted && simulation.stopsWithClient) throw new ClientLeft();
			inFlight++;
			maxInFlight = Math.max(maxInFlight, inFlight);
			try {
				await sleep(options.drawMs ?? 0, undefined, { signal: closing.signal });
				if (record.aborted && simulation.stopsWithClient) throw new ClientLeft();
				const bytes = await drawPicture(drawing);
				drawings.push(drawing);
				return bytes;
			} finally {
				inFlight--;
			}
		};
		if (!simulation.oneAtATime) return await work();
		const turn = lastTurn.then(work, work);
		lastTurn = turn.catch(() => undefined);
		return await turn;
	}

	async function respond(record: ReceivedRequest): Promise<PlannedResponse> {
		const file = record.method === 'GET' ? kept.get(record.path) : undefined;
		if (file) return { status: 200, body: file.bytes, headers: { 'Content-Type': file.type } };
		const tools: Tools = {
			options,
			draw: (drawing) => draw(drawing, record),
			async drawSeries(count, drawing) {
				const pictures: Buffer[] = [];
				for (let index = 0; index < count; index++) {
					pictures.push(await draw({ ...drawing, seed: drawing.seed + index }, record));
				}
				return pictures;
			},
			keep(path, bytes, type = 'image/png') {
				kept.set(path, { bytes, type });
				return `${origin}${path}`;
			},
		};
		try {
			simulation.check?.(record, options);
			const route = simulation.routes[`${record.method} ${record.path}`] ?? simulation.notFound;
			return await route(record, tools);
		} catch (error) {
			if (error instanceof Refusal) return error;
			throw error;
		}
	}

	async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const record = describe(request);
		received.push(record);
		response.on('error', () => undefined);
		response.on('close', () => {
			record.aborted = !response.writableFinished;
		});
		await addBody(record, await readBody(request));
		const planned = await respond(record);
		if (record.aborted) return;
		record.status = planned.status;
		send(response, planned);
	}

	const server = createServer((request, response) => {
		handle(request, response).catch((error: unknown) => {
			if (error instanceof ClientLeft || response.destroyed || response.headersSent) {
				return void response.destroy();
			}
			// A mistake of the simulation's own must not look like a response of the real program.
			send(response, { status: 500, body: `The simulation failed: ${String(error)}` });
		});
	});
	server.keepAliveTimeout = 0;
	server.listen(0, HOST);
	await once(server, 'listening');
	origin = `http://${HOST}:${(server.address() as AddressInfo).port}`;

	return {
		url: `${origin}/v1`,
		origin,
		received,
		drawings,
		get drawn() {
			return drawings.length;
		},
		get maxInFlight() {
			return maxInFlight;
		},
		async close() {
			closing.abort();
			const closed = once(server, 'close');
			server.close();
			server.closeAllConnections();
			await closed;
		},
	};
}

function describe(request: IncomingMessage): ReceivedRequest {
	const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
	return {
		method: request.method ?? '',
		path: pathname,
		query: searchParams,
		headers: request.headers,
		key: /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1],
		rawBody: Buffer.alloc(0),
		fields: {},
		files: {},
		aborted: false,
	};
}

async function addBody(record: ReceivedRequest, rawBody: Buffer): Promise<void> {
	record.rawBody = rawBody;
	const body = await parseBody(record.headers['content-type'], rawBody);
	if (body.kind === 'json') record.json = body.value;
	if (body.kind !== 'multipart') return;
	for (const part of body.parts) {
		if ('file' in part) (record.files[part.name] ??= []).push(part.file);
		else (record.fields[part.name] ??= []).push(part.text);
	}
}

function send(response: ServerResponse, { status, body, headers = {} }: PlannedResponse): void {
	const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
	const text = isRaw ? body : JSON.stringify(body);
	const type = isRaw ? 'text/plain; charset=utf-8' : 'application/json';
	response.writeHead(status, {
		'Content-Type': type,
		'Content-Length': Buffer.byteLength(text),
		...headers,
	});
	response.end(text);
}
