import {
	OPERATION_NAMES,
	sizeValue,
	type ModelCapabilities,
	type Operation,
} from '../catalogue/models';
import { COMMON_FIELDS, type ServerFormat } from '../catalogue/serverFormats';
import { Refusal } from '../errors/nodeErrors';
import type { Field } from './routing';
import type { BodyFields } from './types';
import { parseSize } from './validators';

/** The node's own random seeds stay below this, so that every server accepts them. */
const MAX_RANDOM_SEED = 2 ** 31;

/** Refuses an operation that a server does not offer. */
export function assertOperation(format: ServerFormat, operation: Operation): void {
	if (format.operations.includes(operation)) return;
	throw new Refusal(
		`${format.name} servers do not offer '${OPERATION_NAMES[operation]}'`,
		`Choose another operation. If the server is of another kind, change 'API Format' in the StepFun API credential.`,
	);
}

/**
 * Converts the fields of a request from StepFun's names to those of the server's format, and adds the user's own fields.
 * It never drops a setting silently.
 *
 * @param fields keyed by StepFun's names; `undefined` leaves a field out
 * @param labels the fields' labels, for messages
 * @param additional the user's own fields, which replace those of the same name; `null` removes one
 * @throws Refusal for a setting that the server does not support, or a prompt that it would misread
 */
export function encodeFields(
	format: ServerFormat,
	fields: BodyFields,
	labels: Field[],
	additional: BodyFields = {},
): BodyFields {
	const body: BodyFields = {};
	const inPrompt: BodyFields = {};
	for (const [name, value] of Object.entries(fields)) {
		if (value === undefined) continue;
		if (format.hasStepFunModels || COMMON_FIELDS.includes(name)) {
			// 1024×768 and 1024 * 768 become 1024x768.
			const size = name === 'size' && !format.hasStepFunModels ? parseSize(value) : undefined;
			body[name] = size ? sizeValue(size) : value;
			continue;
		}
		const carrier = format.settings[name];
		const promptCarrier = format.promptSettings?.settings[name];
		if (carrier) for (const path of carrier) setAt(body, path, value);
		else if (promptCarrier) for (const path of promptCarrier) setAt(inPrompt, path, value);
		// Without the setting, the server behaves as if it were off.
		else if (value !== false) {
			const label = labels.find(({ apiField }) => apiField === name)?.label ?? name;
			throw new Refusal(
				`'${label}' cannot be sent to servers of the format ${format.name}`,
				`Remove the option '${label}', or send it in 'Additional Body Fields' under the name that your server uses.`,
			);
		}
	}
	const { bodyFields } = format.promptSettings ?? {};
	const select = (isInBody: boolean) => {
		const isSelected = (name: string) => (bodyFields?.includes(name) ?? true) === isInBody;
		return Object.fromEntries(Object.entries(additional).filter(([name]) => isSelected(name)));
	};
	const settings = mergeFields(inPrompt, select(false));
	const merged = mergeFields(body, select(true));
	if ('prompt' in merged) merged.prompt = withPromptSettings(format, merged.prompt, settings);
	return merged;
}

/** A random seed, if the format needs one so that variations differ and each image can be reproduced. */
export function randomSeed({ needsSeed }: ServerFormat): number | undefined {
	return needsSeed ? Math.floor(Math.random() * MAX_RANDOM_SEED) : undefined;
}

/**
 * The expected size of an image; `undefined` if the `size` in the request only sets the area or says nothing.
 *
 * @param capabilities those of the model; `undefined` for one that the catalogue does not know
 */
export function expectedSize(
	format: ServerFormat,
	capabilities: ModelCapabilities | undefined,
	size: unknown,
): { width: number; height: number } | undefined {
	if (!format.hasStepFunModels) return parseSize(size);
	// With an unknown model, either number may be the width.
	const { sizes = [], sizeIsArea } = capabilities ?? {};
	return sizeIsArea ? undefined : sizes.find(({ apiValue }) => apiValue === size);
}

function setAt(target: BodyFields, path: string, value: unknown): void {
	const names = path.split('.');
	const last = names.pop() as string;
	const parent = names.reduce((inner, name) => (inner[name] ??= {}) as BodyFields, target);
	parent[last] = value;
}

/** Adds the user's own fields, and those within objects. A field that is null removes the field of the same name. */
function mergeFields(fields: BodyFields, additional: BodyFields): BodyFields {
	const entries = Object.entries({ ...fields, ...additional })
		.filter(([name]) => additional[name] !== null)
		.map(([name, value]) => {
			const own = Object.hasOwn(fields, name) ? fields[name] : undefined;
			const isNested = typeof own === 'object' && typeof value === 'object' && own !== value;
			return [name, isNested ? mergeFields(own as BodyFields, value as BodyFields) : value];
		});
	return Object.fromEntries(entries) as BodyFields;
}

function withPromptSettings(
	{ name, promptSettings }: ServerFormat,
	prompt: unknown,
	settings: BodyFields,
): unknown {
	if (!promptSettings) return prompt;
	const { as, before, after } = promptSettings;
	const text = as === 'json' ? JSON.stringify(settings) : Object.values(settings).join(' ');
	for (const [label, part] of [
		['Prompt', String(prompt)],
		['Negative Prompt', text],
	]) {
		const mark = [before, after].find((each) => each !== '' && part.includes(each));
		if (mark === undefined) continue;
		throw new Refusal(
			`'${label}' must not contain ${mark} for ${name} servers`,
			`The server reads ${mark} as the start or the end of settings. Remove it, and use the options of this node instead.`,
		);
	}
	if (Object.keys(settings).length === 0) return prompt;
	return `${String(prompt)}${before}${text}${after}`;
}
