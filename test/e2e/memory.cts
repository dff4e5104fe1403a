import { deepStrictEqual, ok } from 'node:assert';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { forkServer } from '../bench/server.cts';
import { FinishedRun } from '../kit/finishedRun.cts';
import { createStepFunCredential } from '../kit/stepFunCredential.cts';
import type { FinishedExecution } from '../n8n/instance.cts';
import { LOCAL_API_KEY } from '../stepfun-server/server.cts';
import {
	chain,
	IMAGES,
	imagesStep,
	PROMPT_START,
	promptSteps,
	TRIGGER,
} from '../kit/workflowBuilder.cts';
import { startInspectedN8n } from './inspector.cts';
import type { Suite } from './suite.cts';
import { forgetPeak, readPeakBytes, readResidentBytes } from '../kit/processFigures.cts';
import { checkKeyIsNowhere, makeKey } from '../kit/secrets.cts';

const IMAGES_MADE = 200;
const IMAGE_BYTES = 3_000_000;
const HEAP_MEGABYTES = 512;
const TIMEOUT_MS = 300_000;

/** The length of the picture that the server sends, asked of it without n8n. */
async function askForOne(baseUrl: string, key: string): Promise<Buffer> {
	const response = await fetch(`${baseUrl}/images/generations`, {
		method: 'POST',
		headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
		body: JSON.stringify({
			model: 'step-image-edit-2',
			prompt: 'Asked without n8n',
			response_format: 'b64_json',
		}),
	});
	const { data } = (await response.json()) as { data: [{ b64_json: string }] };
	return Buffer.from(data[0].b64_json, 'base64');
}

/** Opens every image in n8n's binary store; fails unless each is whole and no image came twice. */
async function checkFiles(
	execution: FinishedExecution,
	userFolder: string,
	expectedBytes: number,
): Promise<number> {
	const run = new FinishedRun(execution, userFolder);
	const items = run.items(IMAGES);
	const hashes = new Set<string>();
	await run.checkPictures(items, (picture, { json }) => {
		deepStrictEqual([picture.length, json.fileSize], [expectedBytes, expectedBytes]);
		hashes.add(createHash('sha256').update(picture).digest('hex'));
	});
	// The server makes every picture another one.
	deepStrictEqual([items.length, hashes.size], [IMAGES_MADE, IMAGES_MADE]);
	return items.length;
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

/** Makes images that together weigh more than the heap that n8n is held to. */
export const memorySuite: Suite = {
	title: `${IMAGES_MADE} images of 3 MB in one execution, n8n's heap held to ${HEAP_MEGABYTES} MB`,
	async run(testContext) {
		const { folder, log, cleanUp } = testContext;
		const key = makeKey();
		const server = forkServer();
		cleanUp(() => server.stop());
		const baseUrl = await server.start({
			keys: [key, LOCAL_API_KEY],
			image: { bytes: IMAGE_BYTES },
		});
		const { length: pictureBytes } = await askForOne(baseUrl, key);
		ok(pictureBytes >= IMAGE_BYTES);

		const { n8n, inspector } = await startInspectedN8n(testContext, folder, {
			nodeArguments: [`--max-old-space-size=${HEAP_MEGABYTES}`],
		});
		const heapLimit = await inspector.readHeapLimit();
		// The limit is that of the old generation; the young one comes on top of it.
		ok(heapLimit < 1.5 * HEAP_MEGABYTES * 2 ** 20, `the heap may hold ${megabytes(heapLimit)}`);

		const credential = await createStepFunCredential(
			n8n,
			{ url: baseUrl },
			{ apiKey: key, concurrentRequests: 5 },
		);
		const runOf = async (count: number) => {
			const steps = [TRIGGER, ...promptSteps(count), imagesStep(credential)];
			const workflowId = await n8n.createWorkflow(chain(`${count} images`, steps));
			return await n8n.executeWorkflow(workflowId, TRIGGER, TIMEOUT_MS);
		};
		/** A run's own peak: garbage of what was before would be counted to it. */
		const measure = async (count: number) => {
			await inspector.collectGarbage();
			await forgetPeak(n8n.pid);
			const before = await readResidentBytes(n8n.pid);
			const execution = await runOf(count);
			return { execution, before, peak: await readPeakBytes(n8n.pid) };
		};

		// The first run loads code that every other one uses.
		await runOf(1);
		const few = await measure(IMAGES_MADE / 10);
		await server.reset();
		const { execution, before, peak } = await measure(IMAGES_MADE);
		await inspector.collectGarbage();
		const heap = await inspector.readHeap();
		deepStrictEqual(execution.status, 'success');
		deepStrictEqual((await server.counts()).billed, IMAGES_MADE);
		const delivered = await checkFiles(execution, folder, pictureBytes);
		const total = delivered * pictureBytes;
		// Images held until the end would be all of these bytes, and a third more as the text they came in. What is
		// allowed leaves room for garbage, which V8 collects when it likes.
		const growth = peak - before;
		ok(growth < 0.75 * total, `memory grew by ${megabytes(growth)}`);
		log(
			`${delivered} images of ${pictureBytes} bytes (${megabytes(total)}) in the binary store; V8's heap limit ` +
				`${megabytes(heapLimit)}; resident memory of n8n's process ${megabytes(before)} before, ${megabytes(peak)} at ` +
				`its peak, ${megabytes(growth)} more; with ${IMAGES_MADE / 10} images ${megabytes(few.peak - few.before)} more; ` +
				`afterwards the heap holds ${megabytes(heap.usedBytes)}, buffers ${megabytes(heap.bufferBytes)}`,
		);

		// n8n would wait for it to leave.
		inspector.close();
		await n8n.stop();
		const searched = await checkKeyIsNowhere(key, [folder], [], {
			[join(folder, '.n8n')]: PROMPT_START,
		});
		log(`the key is in none of ${searched} files`);
	},
};
