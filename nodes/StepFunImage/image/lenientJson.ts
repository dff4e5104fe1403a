/** The fields of a response that are picked out of JSON that cannot be repaired. */
const RELEVANT_FIELD =
	/"(id|created|url|b64_json|seed|finish_reason)"\s*:\s*("(?:[^"\\]|\\[^])*"|-?\d+)/g;

/** Parses JSON; `undefined` if it is invalid. */
export function parseJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

/** Parses the relevant parts of JSON that is truncated, has data after its end, or contains NaN or line breaks in texts. */
export function parseBrokenJson(json: string): unknown {
	if (!/^[[{]/.test(json)) return undefined;
	return parseJson(repairJson(json)) ?? pickFields(json);
}

/** Picks the first occurrence of each relevant field, wherever it is. */
function pickFields(json: string): Record<string, unknown> {
	const fields: Record<string, unknown> = {};
	for (const [, name, value] of json.matchAll(RELEVANT_FIELD)) {
		fields[name] ??= parseJson(value.replace(/\p{Cc}+/gu, ' '));
	}
	return fields;
}

/** Extracts the first JSON value of a text, and adds the brackets that are missing at its end. */
function repairJson(text: string): string {
	const closing: string[] = [];
	for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\[^])*"?|[{}[\]]/g)) {
		if (token === '{') closing.push('}');
		else if (token === '[') closing.push(']');
		else if (token === closing.at(-1)) {
			closing.pop();
			if (closing.length === 0) return text.slice(0, index + 1);
		}
	}
	return text.replace(/(?<![\s,\0])[\s,\0]+$/, '') + closing.reverse().join('');
}
