import type { INodeExecutionData } from 'n8n-workflow';

import { padImage } from '../stepfun-server/imagePadding.cts';
import { inputImage } from '../stepfun-server/testRequests.cts';
import { storeFile } from './runNode.cts';

export { decoded, inputImage } from '../stepfun-server/testRequests.cts';

/** A valid PNG of exactly this many bytes. */
export async function pngOfBytes(bytes: number): Promise<Buffer> {
	return padImage(await inputImage(64, 64), 'png', bytes);
}

/** An item with a file in its binary field `data`, as a node before ours leaves it. */
export async function itemWithFile(
	bytes: Buffer,
	fileName = 'shoe.png',
	mimeType = 'image/png',
): Promise<INodeExecutionData> {
	return { json: {}, binary: { data: await storeFile(bytes, fileName, mimeType) } };
}
