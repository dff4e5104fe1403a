import type { IncomingMessage } from 'node:http';
import { Response } from 'undici';
import type { UploadedFile } from './types.cts';

/** One multipart part: text, or a file if it came with a file name. */
export type Part = { name: string } & ({ text: string } | { file: UploadedFile });

export type ParsedBody =
	| { kind: 'json'; value: unknown }
	| { kind: 'multipart'; parts: Part[] }
	| { kind: 'unreadable'; reason: string };

/** Reads a request's body; fails if the client closes the connection before its end. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of request) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks);
}

/** Parses a body by its Content-Type, which has to be JSON or multipart/form-data. */
export async function parseBody(contentType: string | undefined, raw: Buffer): Promise<ParsedBody> {
	const mediaType = (contentType ?? '').split(';')[0].trim().toLowerCase();
	if (mediaType === 'application/json') return parseJson(raw);
	if (mediaType === 'multipart/form-data') return await parseMultipart(contentType ?? '', raw);
	return {
		kind: 'unreadable',
		reason: `Content-Type '${contentType ?? ''}' is neither application/json nor multipart/form-data`,
	};
}

function parseJson(raw: Buffer): ParsedBody {
	try {
		const text = new TextDecoder('utf-8', { fatal: true }).decode(raw);
		return { kind: 'json', value: JSON.parse(text) as unknown };
	} catch {
		return { kind: 'unreadable', reason: 'The body is not valid JSON' };
	}
}

async function parseMultipart(contentType: string, raw: Buffer): Promise<ParsedBody> {
	try {
		const headers = { 'content-type': contentType };
		const form = await new Response(raw, { headers }).formData();
		const parts: Part[] = [];
		for (const [name, value] of form.entries()) {
			if (typeof value === 'string') {
				parts.push({ name, text: value });
			} else {
				const bytes = Buffer.from(await value.arrayBuffer());
				parts.push({ name, file: { name: value.name, type: value.type, bytes } });
			}
		}
		return { kind: 'multipart', parts };
	} catch {
		return { kind: 'unreadable', reason: 'The body is not valid multipart/form-data' };
	}
}
