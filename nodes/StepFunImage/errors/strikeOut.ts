import type { ICredentialDataDecryptedObject } from 'n8n-workflow';

import { customHeader } from '../transport/customHeader';

/** Takes a credential's secrets out of what a server says. */
export interface StrikeOut {
	ofText(text: string): string;
	/**
	 * The value of the custom header stays: it may be an address or the name of an organisation, and a
	 * link to a paid image that misses it leads nowhere.
	 */
	ofLink(link: string): string;
}

const MARK = '***';

/** Words such as "none" or "EMPTY" are entered where a server wants any key; they give nothing away. */
const SHORTEST_SECRET = 8;

/** So much of a secret is struck out also without the rest, since texts are cut. */
const TELLING_PART = 16;

/**
 * What takes a credential's secrets out of the words of a server, which may say back what it was sent: the
 * key, the value of the custom header and a password in the Base URL, as they are and in the spellings of
 * JSON, of addresses and of Base64.
 *
 * @param credential the credential's fields
 * @param built what was built before, by its secrets; n8n gives each item a copy of the credential
 */
export function strikeOutSecrets(
	credential: ICredentialDataDecryptedObject,
	built = new Map<string, StrikeOut>(),
): StrikeOut {
	const secrets = [credential.apiKey, passwordIn(credential.baseUrl)];
	const all = [...secrets, customHeader(credential)?.value];
	const id = JSON.stringify(all);
	const strikeOut = built.get(id) ?? { ofText: strikeOutOf(all), ofLink: strikeOutOf(secrets) };
	built.set(id, strikeOut);
	return strikeOut;
}

function strikeOutOf(values: unknown[]): (text: string) => string {
	const secrets = values
		.map((secret) => (typeof secret === 'string' ? secret.trim() : ''))
		.filter(({ length }) => length >= SHORTEST_SECRET);
	const partsByLength = new Map<number, Set<string>>();
	for (const spelling of new Set(secrets.flatMap(spellingsOf))) {
		const length = Math.min(TELLING_PART, spelling.length);
		const parts = partsByLength.get(length) ?? new Set();
		for (let start = 0; start + length <= spelling.length; start++) {
			parts.add(spelling.slice(start, start + length));
		}
		partsByLength.set(length, parts);
	}

	return (text) => {
		let kept = '';
		/** Where the text goes on that is not in `kept` yet, and where the secret before it ends. */
		let from = 0;
		let secretEnd = 0;
		for (let start = 0; start < text.length; start++) {
			for (const [length, parts] of partsByLength) {
				if (!parts.has(text.slice(start, start + length))) continue;
				if (start >= secretEnd) kept += text.slice(from, start) + MARK;
				secretEnd = Math.max(secretEnd, start + length);
				from = secretEnd;
			}
		}
		return kept + text.slice(from);
	};
}

/**
 * Takes secrets out of all texts of a failure or an answer.
 *
 * @param value the object
 * @param strikeOut what takes them out of a text, and out of a link, which stands in `url`
 * @returns a copy
 */
export function withoutSecrets<T extends object>(value: T, strikeOut: StrikeOut): T {
	const entries = Object.entries(value).map(([name, inner]: [string, unknown]) => {
		// The kind of a failure is the node's own word.
		if (name === 'kind') return [name, inner];
		if (typeof inner === 'string') {
			return [name, name === 'url' ? strikeOut.ofLink(inner) : strikeOut.ofText(inner)];
		}
		return [name, isPlainObject(inner) ? withoutSecrets(inner, strikeOut) : inner];
	});
	return Object.fromEntries(entries) as T;
}

function isPlainObject(value: unknown): value is object {
	return (
		typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
	);
}

function spellingsOf(secret: string): string[] {
	const inJson = JSON.stringify(secret).slice(1, -1);
	return [
		secret,
		secret.replace(/\s+/g, ' '),
		// What stands in no header is left out of it on the way.
		secret.replace(/[^\t\x20-\x7e\x80-\xff]/g, ''),
		inJson,
		inJson.replaceAll('/', '\\/'),
		encodeURIComponent(secret),
		...base64Of(secret),
	].filter(({ length }) => length >= SHORTEST_SECRET);
}

/** Base64 writes a text in three ways, which depend on where in a group of three bytes it begins. */
function base64Of(secret: string): string[] {
	return [0, 1, 2].flatMap((shift) => {
		const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)]);
		// The first and the last group depend on what stands around the secret.
		const text = bytes.toString('base64').slice(4, -4);
		return [text, text.replaceAll('+', '-').replaceAll('/', '_')];
	});
}

function passwordIn(url: unknown): string | undefined {
	if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
	const { password } = new URL(url);
	try {
		return decodeURIComponent(password);
	} catch {
		return password;
	}
}
