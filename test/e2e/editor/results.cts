import { deepStrictEqual, match, ok } from 'node:assert';
import type { RecordedRequest } from '../../stepfun-server/server.cts';
import type { Session } from './session.cts';

/** The last request for an image that reached the server. */
export function lastImageRequest({ server }: Session): RecordedRequest {
	const request = server.requests.findLast(({ path }) => path.includes('/images/'));
	ok(request, 'the server was asked for no image');
	return request;
}

/** How many images the server was asked for. */
export function countImageRequests({ server }: Session): number {
	return server.requests.filter(({ path }) => path.includes('/images/')).length;
}

/**
 * Looks at the picture in the output panel and downloads it with the panel's button. Fails unless the browser draws
 * it in this size and the file is, byte for byte, what the server sent last.
 */
export async function checkResult(session: Session, size: string, picture: string): Promise<void> {
	const { editor, server, shoot, log } = session;
	const { width, height } = await editor.viewFirstImage('output');
	deepStrictEqual(`${width}x${height}`, size);
	await shoot(picture);
	const { name, bytes } = await editor.downloadFirstFile();
	match(name, /\.png$/);
	ok(server.sentImages.at(-1)?.equals(bytes), `${name} is not the image that the server sent`);
	log(`${name}: ${size}, ${bytes.length} bytes, the very bytes that the server sent`);
}
