const MAX_SUBJECT_CHARACTERS = 48;
const MAX_NAME_CHARACTERS = 120;
/** Disks take 255 bytes, in which a Chinese character counts as three; the extension and a number come on top. */
const MAX_NAME_BYTES = 220;

const KNOWN_EXTENSION = /\.(png|jpe?g|webp|gif|bmp|tiff?|hei[cf]|avif)$/i;
/** Names that Windows keeps for devices, with or without an extension. */
const DEVICE_NAME = /^(con|prn|aux|nul|conin\$|conout\$|com[\d¹²³]|lpt[\d¹²³])\s*(\.|$)/i;

/**
 * A file name, without extension, that says what the picture is. Only letters, digits and hyphens are
 * left, so that it is safe on every disk and no path.
 *
 * @param subject the prompt, or the input's name; long ones end at a word
 * @param suffix what was done with it, if that should be said
 * @param itemIndex the item's index in its run, which keeps the files of one run apart
 */
export function describingName(subject: string, suffix: string, itemIndex: number): string {
	const words = subject
		.normalize('NFC')
		.toLowerCase()
		.split(/[^\p{Letter}\p{Number}]+/u)
		.filter((word) => word !== '');
	let base = [...(words[0] ?? 'image')].slice(0, MAX_SUBJECT_CHARACTERS).join('');
	for (const word of words.slice(1)) {
		if ([...base, ...word].length >= MAX_SUBJECT_CHARACTERS) break;
		base += `-${word}`;
	}
	return `${base}${suffix}-${itemIndex + 1}`;
}

/**
 * The user's own file name, without extension, made safe: no path, no character that a disk refuses or
 * that hides what the name is, no half of a character, no device of Windows, not too long.
 *
 * @param name what the user entered; may end in an extension, which the image's own replaces
 * @returns `undefined` when nothing of it can be kept
 */
export function safeName(name: string): string | undefined {
	const characters = [
		...name
			.normalize('NFC')
			.replace(KNOWN_EXTENSION, '')
			.replace(/[\\/:*?"<>|\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu, '-'),
	].slice(0, MAX_NAME_CHARACTERS);
	while (Buffer.byteLength(characters.join('')) > MAX_NAME_BYTES) characters.pop();
	const safe = characters.join('').replace(/^[.\s-]+|[.\s-]+$/g, '');
	if (safe === '') return undefined;
	return DEVICE_NAME.test(safe) ? `_${safe}` : safe;
}
