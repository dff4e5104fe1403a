import type { JsonSpelling } from './types.cts';

/** Stands for the Base64 text while a response is spelled, so that megabytes are not copied about. */
const IMAGE_MARK = '\u0001image\u0001';
const SPELLED_MARK = JSON.stringify(IMAGE_MARK).slice(1, -1);

export type ImageField =
	| { name: 'url'; value: string | null }
	| { name: 'b64_json'; value: Buffer | string | null }
	| undefined;

export interface ResponseParts {
	id: string;
	created: number;
	/** Undefined: `data` stays empty. */
	image?: { seed: number; finishReason: string; field: ImageField };
}

/** Spells an image response as the chunks of its body. */
export function spellResponse(parts: ResponseParts, spelling: JsonSpelling): Buffer[] {
	const { id, created, image } = parts;
	const data = image === undefined ? [] : [imageEntry(image, spelling)];
	const value =
		spelling === 'image-first' ? { data, created, id, usage: null } : { id, created, data };
	const text = spell(value, spelling);
	const base64 = image?.field?.value;
	if (!Buffer.isBuffer(base64)) return [Buffer.from(text)];
	const [before, after] = text.split(SPELLED_MARK);
	return [Buffer.from(before), spelledBase64(base64, spelling), Buffer.from(after)];
}

function imageEntry(
	{ seed, finishReason, field }: NonNullable<ResponseParts['image']>,
	spelling: JsonSpelling,
): Record<string, unknown> {
	const rest = { seed, finish_reason: finishReason };
	if (field === undefined) return rest;
	const other = field.name === 'url' ? { b64_json: null } : { url: null };
	const own = { [field.name]: Buffer.isBuffer(field.value) ? IMAGE_MARK : field.value };
	// These two also carry what other servers add: unknown fields, and null for the form not asked for.
	if (spelling === 'image-first') return { ...own, ...rest, ...other, revised_prompt: null };
	if (spelling === 'image-last') return { revised_prompt: 'a "b" \\ c', ...other, ...rest, ...own };
	return { ...rest, ...own };
}

/** Writes a JSON value in the wanted spelling. */
export function spell(value: unknown, spelling: JsonSpelling): string {
	if (spelling === 'pretty') return `${JSON.stringify(value, null, 2)}\n`;
	if (spelling === 'whitespace') return ` \r\n\t${spreadOut(value)}\n\n `;
	const compact = JSON.stringify(value);
	// A slash stands only inside strings, where JSON allows it with and without a backslash.
	return spelling === 'escaped-slashes' ? compact.replaceAll('/', '\\/') : compact;
}

function spreadOut(value: unknown): string {
	if (typeof value !== 'object' || value === null) return JSON.stringify(value);
	if (Array.isArray(value)) return `[ \t${value.map(spreadOut).join('\r\n , ')}\n ]`;
	const members = Object.entries(value).map(
		([name, member]) => `${JSON.stringify(name)}\t :  \n${spreadOut(member)}`,
	);
	return `{\n\t ${members.join(' \n,\t')} \r\n}`;
}

const escapedCopies = new WeakMap<Buffer, Buffer>();

function spelledBase64(base64: Buffer, spelling: JsonSpelling): Buffer {
	if (spelling !== 'escaped-slashes') return base64;
	let escaped = escapedCopies.get(base64);
	if (escaped === undefined) {
		escaped = Buffer.from(base64.toString('latin1').replaceAll('/', '\\/'), 'latin1');
		escapedCopies.set(base64, escaped);
	}
	return escaped;
}
