/**
 * The baseline: undici and nothing else, streaming responses to files as fast as the server's limits, which it knows,
 * allow. With `decode` it writes the images instead of the JSON around their Base64 text.
 */
import { createWriteStream, openAsBlob } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, FormData, request } from 'undici';

interface Job {
	url: string;
	apiKey: string;
	items: number;
	folder: string;
	decode: boolean;
	/** Edits these files, in turn. */
	inputs: string[];
	concurrency: number;
	perWindow?: number;
	windowMs?: number;
}

const IMAGE_FIELD = '"b64_json":"';

/** Knows the one spelling that the local server sends, in which the field's name is in the first chunk. */
function decoder(): Transform {
	let carry = '';
	let state: 'before' | 'image' | 'after' = 'before';
	return new Transform({
		transform(chunk: Buffer, _encoding, done) {
			let text = chunk.toString('latin1');
			if (state === 'before') {
				const at = (carry += text).indexOf(IMAGE_FIELD);
				if (at === -1) return done();
				text = carry.slice(at + IMAGE_FIELD.length);
				carry = '';
				state = 'image';
			}
			if (state === 'after') return done();
			const end = text.indexOf('"');
			if (end !== -1) {
				text = text.slice(0, end);
				state = 'after';
			}
			text = carry + text;
			const whole = end === -1 ? text.length & ~3 : text.length;
			carry = text.slice(whole);
			done(null, Buffer.from(text.slice(0, whole), 'base64'));
		},
	});
}

async function fetchOne(job: Job, dispatcher: Agent, index: number): Promise<number> {
	const fields = { model: 'step-image-edit-2', prompt: 'A photo', response_format: 'b64_json' };
	const input = job.inputs[index % (job.inputs.length || 1)];
	const headers = { authorization: `Bearer ${job.apiKey}` };
	let body: string | FormData = JSON.stringify(fields);
	if (input) {
		body = new FormData();
		for (const [name, value] of Object.entries(fields)) body.append(name, value);
		body.append('image', await openAsBlob(input, { type: 'image/png' }), 'input.png');
	}
	const response = await request(`${job.url}/images/${input ? 'edits' : 'generations'}`, {
		method: 'POST',
		headers: input ? headers : { ...headers, 'content-type': 'application/json' },
		body,
		dispatcher,
	});
	if (response.statusCode !== 200)
		throw new Error(`${response.statusCode} ${await response.body.text()}`);
	const file = join(job.folder, `response-${index}`);
	const sink = createWriteStream(file);
	await (job.decode ? pipeline(response.body, decoder(), sink) : pipeline(response.body, sink));
	return (await stat(file)).size;
}

async function work(job: Job): Promise<number> {
	const dispatcher = new Agent({ connections: job.concurrency });
	const startedAt = performance.now();
	let next = 0;
	let delivered = 0;
	const worker = async () => {
		while (next < job.items) {
			const index = next++;
			if (job.perWindow && job.windowMs) {
				// A little late, so that the server's window, which starts with its first request, has ended.
				const window = Math.floor(index / job.perWindow);
				const dueAt = startedAt + window * (job.windowMs + 50);
				await sleep(Math.max(0, dueAt - performance.now()));
			}
			if ((await fetchOne(job, dispatcher, index)) > 0) delivered++;
		}
	};
	await Promise.all(Array.from({ length: job.concurrency }, worker));
	await dispatcher.close();
	return delivered;
}

async function peak(): Promise<number> {
	const status = await readFile('/proc/self/status', 'utf8');
	return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

async function main(): Promise<void> {
	const job = JSON.parse(process.argv[2]) as Job;
	await writeFile('/proc/self/clear_refs', '5');
	const peakBefore = await peak();
	const cpuBefore = process.cpuUsage();
	const startedAt = performance.now();
	const delivered = await work(job);
	const wallMs = performance.now() - startedAt;
	const { user, system } = process.cpuUsage(cpuBefore);
	const peakBytes = (await peak()) - peakBefore;
	const cpuSeconds = (user + system) / 1e6;
	process.stdout.write(JSON.stringify({ delivered, wallMs, peakBytes, cpuSeconds }));
}

void main();
