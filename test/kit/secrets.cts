import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { StepFunServer } from '../stepfun-server/types.cts';

/** A key that occurs nowhere by chance. */
export function makeKey(): string {
	return `sk-e2e-${randomBytes(18).toString('hex')}`;
}

/** The forms of a secret in a Base64 text: it may start at any of three positions in Base64's groups. */
export function base64SpellingsOf(secret: string): string[] {
	return [0, 1, 2].map((shift) =>
		Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)])
			.toString('base64')
			.slice(4, -4),
	);
}

async function containsAny(file: string, needles: Buffer[]): Promise<boolean> {
	const overlap = Math.max(...needles.map(({ length }) => length));
	let before = Buffer.alloc(0);
	for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
		const text = Buffer.concat([before, chunk]);
		if (needles.some((needle) => text.includes(needle))) return true;
		before = text.subarray(Math.max(0, text.length - overlap));
	}
	return false;
}

/**
 * Looks for the key in everything below these folders, which means in n8n's database (execution data, exports), its
 * log and its binary data, and in all that the result server was sent. The credential itself is encrypted.
 *
 * @param key the key
 * @param folders where to look
 * @param servers what was asked of servers
 * @param mustBeFound for some of the files, or of the folders in these folders, a text that stands there as the key
 * would, such as a prompt: it shows that the search looks there and finds
 * @returns how many files were searched
 * @throws when the key is anywhere, or one of the texts is not where it must be
 */
export async function checkKeyIsNowhere(
	key: string,
	folders: string[],
	servers: StepFunServer[],
	mustBeFound: Record<string, string>,
): Promise<number> {
	const needles = [key, ...base64SpellingsOf(key)].map((text) => Buffer.from(text));
	const controls = new Map(Object.entries(mustBeFound));
	if (controls.size === 0) throw new Error('Nothing says whether the search finds');
	let searched = 0;
	for (const folder of folders) {
		for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
			if (!entry.isFile() || entry.parentPath.includes('node_modules')) continue;
			const file = join(entry.parentPath, entry.name);
			if (await containsAny(file, needles)) throw new Error(`The key stands in ${file}`);
			for (const [place, text] of controls) {
				const isThere = file === place || file.startsWith(place + sep);
				if (isThere && (await containsAny(file, [Buffer.from(text)]))) controls.delete(place);
			}
			searched++;
		}
	}
	for (const [place, text] of controls) {
		throw new Error(`The search does not find "${text}" in ${place}, so it proves nothing`);
	}
	for (const { resultRequests, requests } of servers) {
		for (const { path, headers } of resultRequests) {
			if (JSON.stringify({ path, headers }).includes(key) || headers.authorization !== undefined) {
				throw new Error(`The result server was sent the key: ${path}`);
			}
		}
		const told = requests.find(({ path }) => path.includes(key));
		if (told) throw new Error(`The key stands in an address: ${told.path}`);
	}
	return searched;
}
