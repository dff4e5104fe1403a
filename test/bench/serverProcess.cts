/** The StepFun test server in a separate process, which messages control: see server.cts. */
import { randomBytes } from 'node:crypto';
import { ServerResponse } from 'node:http';
import {
	LOCAL_API_KEY,
	startStepFunServer,
	type StepFunServer,
	type StepFunServerOptions,
} from '../stepfun-server/server.cts';

let server: StepFunServer | undefined;

/** Longer than anything but an image. */
const IMAGE_TEXT_BYTES = 8_000;

/**
 * Makes every image another one, by a few characters in the padding. n8n stores equal texts of an execution once, so
 * that a server which sends one image again and again would flatter clients that keep images as text.
 */
function makeImagesDiffer(): void {
	type Write = (chunk: Buffer, done?: () => void) => boolean;
	const write = ServerResponse.prototype.write as Write;
	const differing: Write = function (this: ServerResponse, chunk, done) {
		if (chunk.length < IMAGE_TEXT_BYTES) return write.call(this, chunk, done);
		// Near the end, which is padding even in the smallest images; whole groups of Base64.
		const at = ((chunk.length - 200) >> 2) << 2;
		const own = Buffer.from(randomBytes(6).toString('base64'));
		write.call(this, chunk.subarray(0, at));
		write.call(this, own);
		return write.call(this, chunk.subarray(at + own.length), done);
	};
	ServerResponse.prototype.write = differing as typeof ServerResponse.prototype.write;
}

makeImagesDiffer();

async function handle(message: { start?: StepFunServerOptions; reset?: true }): Promise<object> {
	if (message.start) {
		await server?.close();
		server = await startStepFunServer({
			...message.start,
			drawing: 'once',
			recordBodies: false,
			balance: 1e9,
		});
		await drawAhead(server);
		server.reset();
	}
	if (message.reset) server?.reset();
	return {
		url: server?.url,
		billed: server?.billed.length,
		rejected429: server?.rejected429,
		maxInFlight: server?.maxInFlight,
	};
}

/** The first picture takes time to draw, which belongs to no client's measurement. */
async function drawAhead({ url }: StepFunServer): Promise<void> {
	const response = await fetch(`${url}/images/generations`, {
		method: 'POST',
		headers: { 'content-type': 'application/json', authorization: `Bearer ${LOCAL_API_KEY}` },
		body: JSON.stringify({ model: 'step-image-edit-2', prompt: 'warm up' }),
	});
	await response.arrayBuffer();
}

process.on('message', (message: { id: number; start?: StepFunServerOptions; reset?: true }) => {
	handle(message).then(
		(result) => process.send?.({ id: message.id, ...result }),
		(error: unknown) => process.send?.({ id: message.id, error: String(error) }),
	);
});
process.on('disconnect', () => void server?.close());
