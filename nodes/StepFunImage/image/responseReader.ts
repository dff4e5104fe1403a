import { RequestFailure, type FailureKind } from '../errors/requestFailure';
import { truncate } from '../errors/truncate';
import { createJsonImageScanner, tooLarge } from './jsonImageScanner';
import { hasResult, parseResponse, type ImageResponse } from './responseFields';

/** Enough for the largest image as Base64, with line breaks or escaped slashes. */
const MAX_RESPONSE_BYTES = 400 * 1024 * 1024;

/** How an image fails that is useless although n8n's storage works. */
const USELESS_KINDS: FailureKind[] = ['notAnImage', 'truncated'];

/**
 * Reads a response of the API as it arrives. It decodes the Base64 text of the image on the way and passes it on piece
 * by piece. It parses everything else as JSON at the end.
 *
 * A complete image has been paid for, so the node accepts it even if the response is invalid or incomplete after it.
 *
 * @param body the response's bytes. The image is decoded into the chunks themselves, so they must not be used again.
 * @param storeImage called with the image's bytes when they start to arrive. They end only after the whole response has
 * arrived and is valid, because n8n's store cannot delete a file.
 * @param validate throws if the response is useless whatever its image is
 * @returns the response's fields and its beginning, and the result of `storeImage` if there was an image
 * @throws RequestFailure of kind `truncated`, `invalidJson` or `tooLarge`, and the errors of `storeImage`. If the
 * response is complete but its image is not, the kind is `notAnImage`.
 */
export async function readResponse<Stored>(
	body: AsyncIterable<Buffer>,
	storeImage: (image: AsyncIterable<Buffer>) => Promise<Stored>,
	validate: (response: ImageResponse) => void,
): Promise<{ response: ImageResponse; beginning: string; image?: Stored }> {
	const chunks = body[Symbol.asyncIterator]();
	const scanner = createJsonImageScanner();
	let bytes = 0;
	let validated: ImageResponse | undefined;
	let image: { stored: Stored } | undefined;

	const readChunk = async (): Promise<boolean> => {
		const next = await chunks.next().catch((error: unknown) => {
			// A broken connection does not matter after a complete image, a complete link to one, or complete JSON.
			const isPaidFor = scanner.imageIsComplete() || hasResult(scanner.envelope());
			if (!(error instanceof RequestFailure) || !isPaidFor) throw error as Error;
			return { done: true as const, value: undefined };
		});
		if (next.done) return false;
		bytes += next.value.length;
		if (bytes > MAX_RESPONSE_BYTES) throw tooLarge();
		scanner.scan(next.value);
		return true;
	};

	const beginning = () => truncate(scanner.envelope().trim());

	const parseAndValidate = (): ImageResponse => {
		// A stored image is complete, even if the end of its text has not arrived.
		const hasImage = image !== undefined || scanner.imageIsComplete();
		const response = parseResponse(scanner.envelope(), hasImage);
		validate(response);
		return response;
	};

	async function* imageBytes(): AsyncGenerator<Buffer> {
		yield* scanner.takeImageBytes();
		while (!scanner.imageIsComplete()) {
			if (!(await readChunk())) {
				const text = 'The response ended in the middle of the image';
				throw new RequestFailure('truncated', { text });
			}
			yield* scanner.takeImageBytes();
		}
		while (await readChunk());
		validated = parseAndValidate();
	}

	/** Reads the rest of a response whose image is useless; `undefined` if that fails. */
	const readRejected = async (): Promise<ImageResponse | undefined> => {
		try {
			while (await readChunk()) scanner.takeImageBytes();
			return parseResponse(scanner.envelope(), false);
		} catch (error) {
			// An endless response is the more important failure.
			if (error instanceof RequestFailure && error.kind === 'tooLarge') throw error as Error;
			return undefined;
		}
	};

	do {
		if (image || !scanner.hasImageBytes()) continue;
		try {
			image = { stored: await storeImage(imageBytes()) };
		} catch (error) {
			const rejection = toRejection(error, validated !== undefined);
			if (!USELESS_KINDS.includes(rejection.kind)) throw rejection;
			// Reads the rest of the response, for its ID and a link to the image, only if the response is at fault.
			const response = await readRejected();
			if (response) validate(response);
			if (response?.url) return { response, beginning: beginning() };
			throw rejection.with({ id: response?.id });
		}
	} while (await readChunk());
	const response = validated ?? parseAndValidate();
	return { response, beginning: beginning(), image: image?.stored };
}

/** Reads a response that is the image itself. Throws as `readResponse` does. */
export async function readImage<Stored>(
	body: AsyncIterable<Buffer>,
	storeImage: (image: AsyncIterable<Buffer>) => Promise<Stored>,
): Promise<Stored> {
	let isWhole = false;
	async function* imageBytes(): AsyncGenerator<Buffer> {
		yield* body;
		isWhole = true;
	}
	try {
		return await storeImage(imageBytes());
	} catch (error) {
		throw toRejection(error, isWhole);
	}
}

/** Why an image was not stored. If the response is complete, the server itself sent an incomplete image. */
function toRejection(error: unknown, responseIsWhole: boolean): RequestFailure {
	if (!(error instanceof RequestFailure)) {
		const text = error instanceof Error ? error.message : String(error);
		return new RequestFailure('storage', { text });
	}
	const isIncomplete = error.kind === 'truncated' && responseIsWhole;
	return isIncomplete ? new RequestFailure('notAnImage', error.details) : error;
}
