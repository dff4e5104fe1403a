import sharp from 'sharp';
import { inputImage } from '../stepfun-server/testRequests.cts';
import type { OtherServer } from './types.cts';

export interface Reply {
	status: number;
	headers: Headers;
	text: string;
	// Every program has a shape of its own.
	// eslint-disable-next-line @typescript-eslint/no-explicit-any
	body: any;
}

/** Asks a server below its base URL; a plain object is sent as JSON. */
export async function ask(
	server: OtherServer,
	route: string,
	body?: object | FormData | string,
	headers: Record<string, string> = {},
): Promise<Reply> {
	const [method, path] = route.split(' ');
	const isJson = body !== undefined && !(body instanceof FormData) && typeof body !== 'string';
	const response = await fetch(`${server.url}${path}`, {
		method,
		headers: isJson ? { 'Content-Type': 'application/json', ...headers } : headers,
		body: isJson ? JSON.stringify(body) : (body as FormData | string | undefined),
	});
	const text = await response.text();
	let parsed: unknown;
	try {
		parsed = JSON.parse(text);
	} catch {
		parsed = undefined;
	}
	return { status: response.status, headers: response.headers, text, body: parsed };
}

/** A form with these texts, and a picture of 120 x 80 pixels in each of these fields. */
export async function form(
	texts: Record<string, string>,
	...imageFields: string[]
): Promise<FormData> {
	const data = new FormData();
	for (const [name, text] of Object.entries(texts)) data.append(name, text);
	for (const name of imageFields) data.append(name, await pngBlob(), 'input.png');
	return data;
}

async function pngBlob(): Promise<Blob> {
	return new Blob([new Uint8Array(await inputImage(120, 80))], { type: 'image/png' });
}

/** Format and size of a picture that came as Base64. */
export async function decodeBase64(base64: string): Promise<string> {
	return await describeImage(Buffer.from(base64, 'base64'));
}

/** Format and size of the picture behind a link. */
export async function download(url: string): Promise<string> {
	const response = await fetch(url);
	const type = response.headers.get('content-type');
	return `${await describeImage(Buffer.from(await response.arrayBuffer()))} as ${type}`;
}

async function describeImage(bytes: Buffer): Promise<string> {
	const { format, width, height } = await sharp(bytes).metadata();
	return `${format} ${width}x${height}`;
}

export const KEY = { Authorization: 'Bearer local-key' };
export const PROMPT = 'a red fox in the snow';
export const GENERATIONS = 'POST /images/generations';
export const EDITS = 'POST /images/edits';
