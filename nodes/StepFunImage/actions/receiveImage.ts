import type { IN8nHttpFullResponse } from 'n8n-workflow';

import { FILTERED_HEADERS } from '../catalogue/errorCodes';
import { resolveLink } from '../catalogue/services';
import { RequestFailure, statusMeant, type FailureDetails } from '../errors/requestFailure';
import { truncate } from '../errors/truncate';
import { formatOf } from '../image/formats';
import { readHeader } from '../image/measure';
import type { ImageResponse } from '../image/responseFields';
import { readImage, readResponse } from '../image/responseReader';
import { storeImage, type StoredImage } from '../image/store';
import { toRequestFailure } from '../transport/networkFailure';
import {
	assertOk,
	headerText,
	readChunks,
	retryAfterIn,
	type ByteStream,
} from '../transport/response';
import { toStorageTimeout, type Progress } from '../transport/timeLimits';
import type { ImageResult } from './outputItems';
import type { ImageTask } from './runState';

/** Enough for several signed links. Messages are searched for secrets, which takes longer in longer texts. */
const MAX_SHOWN_CHARACTERS = 8_000;

/** The result of one try. */
export type AttemptResult = Omit<ImageResult, 'tries'>;

/** Reads a response, and puts its image into n8n's binary store. */
export async function receiveImage(
	task: ImageTask,
	response: IN8nHttpFullResponse,
	progress: Progress,
	isLate: boolean,
): Promise<AttemptResult> {
	const traceId = headerText(response.headers['x-trace-id']);
	const isFiltered = FILTERED_HEADERS.some((name) => response.headers[name] === 'true');
	let whole: ImageResponse = {};
	/** If n8n cannot store the image, it may still be available at its link. */
	const withDetails = (error: unknown) => {
		const failure = toRequestFailure(error).with({ traceId, isLate });
		return failure.kind === 'storage' ? failure.with({ ...linksIn(whole), id: whole.id }) : failure;
	};
	const toAddress = (link?: string) => link && resolveLink(link, task.request.credential.baseUrl);
	try {
		await assertOk(response);
		const stream = response.body as ByteStream;
		const chunks = readChunks(stream, progress, (limit) => withDetails(toStorageTimeout(limit)));
		const storeBytes = async (bytes: AsyncIterable<Buffer>) => await store(task, bytes, stream);
		const { header, bytes } = await readHeader(chunks);
		// Some servers return the image itself, and not all of them give its type.
		if (formatOf(header) || /^image\//i.test(headerText(response.headers['content-type']) ?? '')) {
			return { response: {}, image: await readImage(bytes, storeBytes), traceId };
		}
		const validate = (received: ImageResponse) => {
			const { url, others, finishReason, seed = task.request.seed, id } = received;
			whole = { ...received, url: toAddress(url), others: others?.map(toAddress) };
			if (finishReason !== 'content_filtered' && !isFiltered) return;
			throw new RequestFailure('contentFiltered', { seed, id });
		};
		const { image, beginning, response: parsed } = await readResponse(bytes, storeBytes, validate);
		if (!image && !whole.url) {
			const { error, errorCodes = [], id, taskId } = whole;
			const status = statusMeant(200, errorCodes);
			throw new RequestFailure(status === undefined ? 'noImage' : 'status', {
				status,
				errorCodes,
				retryAfterMs: retryAfterIn(response.headers),
				text: error ?? (parsed.url && truncate(parsed.url)),
				url: parsed.url,
				beginning,
				id,
				taskId,
			});
		}
		return { response: whole, image, traceId };
	} catch (error) {
		throw withDetails(error);
	}
}

/** Puts an image into n8n's store under the name of its request. */
export async function store(
	{ item, request: { fileName, variation } }: ImageTask,
	bytes: AsyncIterable<Buffer>,
	source: ByteStream,
): Promise<StoredImage> {
	return await storeImage(item.functions, bytes, source, fileName, variation !== undefined);
}

/** The links of a response, for an error. */
export function linksIn({ url, others = [] }: ImageResponse): FailureDetails {
	const otherUrls = others.filter((each) => each !== undefined).join(', ');
	return { url, otherUrls: truncate(otherUrls, MAX_SHOWN_CHARACTERS) };
}
