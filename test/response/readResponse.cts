import { RequestFailure } from '../../nodes/StepFunImage/errors/requestFailure';
import { readResponse } from '../../nodes/StepFunImage/image/responseReader';

export async function* inChunks(text: string, size: number): AsyncGenerator<Buffer> {
	const bytes = Buffer.from(text);
	for (let start = 0; start < bytes.length; start += size) {
		yield bytes.subarray(start, start + size);
	}
}

export async function collect(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of bytes) chunks.push(chunk);
	return Buffer.concat(chunks);
}

/** Reads a response that arrives in chunks of a size, in bytes. */
export const read = async (text: string, chunkSize = 1000) => {
	const { response, image } = await readResponse(
		inChunks(text, chunkSize),
		collect,
		() => undefined,
	);
	return { response, image };
};

/** The failure of reading a response, or nothing if it can be read. */
export const failureFrom = async (text: string): Promise<RequestFailure | undefined> =>
	await read(text).then(
		() => undefined,
		(error) => error as RequestFailure,
	);
