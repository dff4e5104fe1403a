/** Much longer than any name, but short enough to read at once. */
const MAX_READ_CHARACTERS = 10_000;
const MAX_SUBJECT_CHARACTERS = 48;
const MAX_NAME_CHARACTERS = 120;
/** File systems allow 255 bytes, and a Chinese character takes three. The rest is for the number and the extension. */
const MAX_NAME_BYTES = 220;

const KNOWN_EXTENSION = /\.(png|jpe?g|webp|gif|bmp|tiff?|hei[cf]|avif|svg)$/i;
/** Names that Windows reserves for devices, with or without an extension. */
const DEVICE_NAME = /^(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])\s*(\.|$)/i;

/**
 * A file name, without extension, that describes the image. It contains only letters with their marks, digits and
 * hyphens, which are valid in every file system.
 *
 * @param subject the prompt, or the input image's name; a long one is cut at the end of a word
 * @param suffix follows the subject, such as what was done with the input image; may be empty
 * @param itemIndex makes the names of a run unique
 */
export function descriptiveName(subject: string, suffix: string, itemIndex: number): string {
	const words = subject
		.slice(0, MAX_READ_CHARACTERS)
		.normalize('NFC')
		.toLowerCase()
		.split(/[^\p{Letter}\p{Mark}\p{Number}]+/u)
		.filter((word) => word !== '');
	let base = [...(words[0] ?? 'image')].slice(0, MAX_SUBJECT_CHARACTERS).join('');
	for (const word of words.slice(1)) {
		if ([...base, ...word].length >= MAX_SUBJECT_CHARACTERS) break;
		base += `-${word}`;
	}
	return `${base}${suffix}-${itemIndex + 1}`;
}

/**
 * Makes the user's own file name safe: without a path, characters that file systems refuse or that disguise the name,
 * halves of surrogate pairs, Windows device names and the extension of an image, and not too long.
 *
 * @returns `undefined` if nothing is left of the name
 */
export function safeName(name: string): string | undefined {
	const characters = [
		...name
			.slice(0, MAX_READ_CHARACTERS)
			.normalize('NFC')
			.replace(KNOWN_EXTENSION, '')
			.replace(/[\\/:*?"<>|\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, '-'),
	].slice(0, MAX_NAME_CHARACTERS);
	while (Buffer.byteLength(characters.join('')) > MAX_NAME_BYTES) characters.pop();
	const safe = characters.join('').replace(/^[.\s-]+|[.\s-]+$/g, '');
	if (safe === '') return undefined;
	return DEVICE_NAME.test(safe) ? `_${safe}` : safe;
}
