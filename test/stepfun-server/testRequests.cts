import sharp from 'sharp';
import { LOCAL_API_KEY } from './server.cts';

/** Where a test's request goes; the server under test, or a part of it. */
export interface Target {
	url: string;
}

export interface Reply {
	status: number;
	headers: Headers;
	/** The parsed body; image responses and errors share this loose form. */
	body: {
		id?: string;
		created?: number;
		data?: Array<{
			seed: number;
			finish_reason: string;
			b64_json?: string | null;
			url?: string | null;
		}>;
		error?: { message: string; type: string };
	};
}

export type Fields = Record<string, string | Blob>;

/** The smallest valid generation: a model, a prompt and Base64 back. */
export const GENERATION = {
	model: 'step-image-edit-2',
	prompt: 'a red fox in the snow',
	response_format: 'b64_json',
};

const authorization = { Authorization: `Bearer ${LOCAL_API_KEY}` };

/** Waits for what the server under test is about to do. */
export async function until(condition: () => boolean): Promise<void> {
	const deadline = Date.now() + 4_000;
	while (!condition()) {
		if (Date.now() > deadline) throw new Error('The condition did not come true');
		await new Promise((resolve) => setTimeout(resolve, 5));
	}
}

async function reply(response: Response): Promise<Reply> {
	const { status, headers } = response;
	return { status, headers, body: (await response.json()) as Reply['body'] };
}

/** Posts JSON to a path below the base URL. */
export async function postJson(
	target: Target,
	path: string,
	body: unknown,
	headers: Record<string, string> = {},
): Promise<Reply> {
	return await reply(
		await fetch(`${target.url}/${path}`, {
			method: 'POST',
			headers: { ...authorization, 'Content-Type': 'application/json', ...headers },
			body: typeof body === 'string' ? body : JSON.stringify(body),
			redirect: 'manual',
		}),
	);
}

/** Posts the small valid generation with some fields changed; undefined leaves a field out. */
export async function generate(
	target: Target,
	changes: Record<string, unknown> = {},
): Promise<Reply> {
	return await postJson(target, 'images/generations', { ...GENERATION, ...changes });
}

/** Posts an edit as multipart/form-data; `changes` replaces or (undefined) removes parts. */
export async function edit(
	target: Target,
	changes: Record<string, string | Blob | undefined>,
): Promise<Reply> {
	const form = new FormData();
	const fields = {
		model: 'step-image-edit-2',
		prompt: 'turn it blue',
		response_format: 'b64_json',
		...changes,
	};
	for (const [name, value] of Object.entries(fields)) {
		if (value === undefined) continue;
		if (typeof value === 'string') form.append(name, value);
		else form.append(name, value, 'input.png');
	}
	return await postForm(target, form);
}

/** Posts a form to images/edits. */
export async function postForm(target: Target, form: FormData): Promise<Reply> {
	return await reply(
		await fetch(`${target.url}/images/edits`, {
			method: 'POST',
			headers: authorization,
			body: form,
		}),
	);
}

/** Gets a path below the base URL with the local key. */
export async function get(target: Target, path: string): Promise<Response> {
	return await fetch(`${target.url}/${path}`, { headers: authorization });
}

/** A picture to upload: one colour, in the wanted format. */
export async function inputImage(
	width: number,
	height: number,
	format: 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff' = 'png',
): Promise<Buffer> {
	return await sharp({ create: { width, height, channels: 3, background: '#d08040' } })
		.toFormat(format)
		.toBuffer();
}

/** Bytes as a multipart file part. */
export function filePart(bytes: Buffer, type = 'image/png'): Blob {
	return new Blob([new Uint8Array(bytes)], { type });
}

/** The picture of a Base64 response. */
export function pictureOf({ body }: Reply): Buffer {
	return Buffer.from(body.data?.[0]?.b64_json ?? '', 'base64');
}

/** Format, width and height of a picture, found by decoding all of it. */
export async function decoded(
	picture: Buffer,
): Promise<{ format: string; width: number; height: number }> {
	await sharp(picture, { failOn: 'warning' }).stats();
	const { format, width, height } = await sharp(picture).metadata();
	return { format, width, height };
}
