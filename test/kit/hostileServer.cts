import { once } from 'node:events';
import {
	createServer,
	type IncomingHttpHeaders,
	type IncomingMessage,
	type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';

import { waitFor } from './waitFor.cts';

/** Responds to a request; its body has arrived. */
export type Attack = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

export interface AttackedRequest {
	method: string;
	url: string;
	headers: IncomingHttpHeaders;
	body: Buffer;
}

/** A server that means harm. */
export interface HostileServer {
	/** Its address up to and including a version, as a credential's Base URL. */
	url: string;
	origin: string;
	port: number;
	readonly requests: AttackedRequest[];
	/** Bytes that its open connections have been given to send. */
	readonly bytesSent: number;
	/** Resolves when no connection is open any more; rejects when that takes too long. */
	untilNobodyIsConnected(): Promise<void>;
	attackWith(attack: Attack): void;
	close(): Promise<void>;
}

const LEAVE_TIMEOUT_MS = 20_000;

const respondWithNothing: Attack = (_request, response) => void response.end();

/** Starts a server that responds to every request with an attack, or at first with nothing. */
export async function startHostileServer(
	first: Attack = respondWithNothing,
): Promise<HostileServer> {
	let attack = first;
	let bytesSent = 0;
	const requests: AttackedRequest[] = [];
	const sockets = new Set<Socket>();

	const server = createServer((request, response) => {
		const chunks: Buffer[] = [];
		response.on('error', () => undefined);
		request.on('error', () => undefined);
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => {
			const { method = '', url = '', headers } = request;
			const body = Buffer.concat(chunks);
			requests.push({ method, url, headers, body });
			attack(request, response, body);
		});
	});
	server.on('connection', (socket) => {
		sockets.add(socket);
		socket.on('error', () => undefined);
		socket.on('close', () => {
			bytesSent += socket.bytesWritten;
			sockets.delete(socket);
		});
	});
	server.keepAliveTimeout = 0;
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as AddressInfo;
	const origin = `http://127.0.0.1:${port}`;

	return {
		url: `${origin}/v1`,
		origin,
		port,
		requests,
		get bytesSent() {
			return [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, bytesSent);
		},
		async untilNobodyIsConnected() {
			await waitFor('the end of every connection', () => sockets.size === 0, {
				timeoutMs: LEAVE_TIMEOUT_MS,
				pollMs: 20,
			});
		},
		attackWith: (next) => {
			attack = next;
			requests.length = 0;
			bytesSent = 0;
		},
		async close() {
			const closed = once(server, 'close');
			server.close();
			server.closeAllConnections();
			await closed;
		},
	};
}

/** The ways to compress a body. */
export type Encoding = 'gzip' | 'deflate' | 'br' | 'zstd';

/** The ways that n8n's request helper undoes on this Node.js: it knows zstd from version 22.15 on. */
export const ENCODINGS = (['gzip', 'deflate', 'br', 'zstd'] as const).filter(
	(encoding) => encoding !== 'zstd' || 'createZstdDecompress' in zlib,
);

/**
 * Sends a beginning and then the same piece over and over, for as long as anybody listens.
 *
 * @param piece with zstd it must be of one byte
 */
export function sendEndlessly(
	response: ServerResponse,
	begin: string | Buffer,
	piece: string,
	encoding?: Encoding,
): void {
	if (encoding !== undefined) response.setHeader('Content-Encoding', encoding);
	const bytes = Buffer.from(begin as string);
	const body = Readable.from(
		encoding === 'zstd' ? zstdPieces(bytes, piece) : plainPieces(bytes, piece),
		{ objectMode: false },
	);
	const compressor = encoding === undefined ? undefined : COMPRESSORS[encoding]?.();
	response.on('close', () => {
		body.destroy();
		compressor?.destroy();
	});
	(compressor ? body.pipe(compressor) : body).pipe(response);
}

function* plainPieces(begin: Buffer, piece: string): Generator<Buffer> {
	const bytes = Buffer.from(piece);
	const block = Buffer.alloc(bytes.length * Math.ceil((256 * 1024) / bytes.length), bytes);
	// A stream ends with an empty piece.
	if (begin.length > 0) yield begin;
	for (;;) yield block;
}

type Compressor = NodeJS.ReadWriteStream & { destroy(): void };

const COMPRESSORS: Partial<Record<Encoding, () => Compressor>> = {
	gzip: () => zlib.createGzip({ level: 1 }),
	deflate: () => zlib.createDeflate({ level: 1 }),
	br: () => zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
};

/** A zstd frame that needs no compressor: a raw block, then blocks that repeat one byte (RFC 8878, 3.1.1). */
function* zstdPieces(begin: Buffer, piece: string): Generator<Buffer> {
	const largestBlock = 128 * 1024;
	// The magic number, no options, and a window of 128 KB.
	yield Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]);
	yield Buffer.concat([zstdBlockHead(0, begin.length), begin]);
	const block = Buffer.concat([zstdBlockHead(1, largestBlock), Buffer.from(piece)]);
	const blocks = Buffer.alloc(block.length * 100, block);
	for (;;) yield blocks;
}

function zstdBlockHead(type: 0 | 1, size: number): Buffer {
	const head = Buffer.alloc(3);
	head.writeUIntLE((size << 3) | (type << 1), 0, 3);
	return head;
}

/** A response of the API whose image is this Base64 text. */
export function imageResponse(base64: string, rest: object = {}): string {
	const data = [{ seed: 1, finish_reason: 'success', b64_json: base64 }];
	return JSON.stringify({ created: 1, id: 'id', data, ...rest });
}

/** A response of the API that brings a link. */
export function linkResponse(url: string): string {
	return JSON.stringify({ data: [{ finish_reason: 'success', url }] });
}
