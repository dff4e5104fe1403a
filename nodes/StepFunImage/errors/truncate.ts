/** Shows that a text was cut. The redactor looks for the beginning of a secret before it. */
export const CUT_MARK = '…';

/** Limits a text from a server to a number of characters, and marks where it was cut. */
export function truncate(text: string, maxCharacters = 300): string {
	return text.length > maxCharacters ? `${text.slice(0, maxCharacters)}${CUT_MARK}` : text;
}
