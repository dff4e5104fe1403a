import {
	MODELS,
	modelsFor,
	OFFERS,
	OPERATION_NAMES,
	OPERATIONS,
	type ModelCapabilities,
} from '../catalogue/models';

/**
 * Describes a limit of the default models in words: `1 to 10` if it is the same for all operations, otherwise
 * `1 to 50 for Generate and Edit, 1 to 100 for Image to Image`.
 */
export function limitsInWords(limit: (capabilities: ModelCapabilities) => string): string {
	const namesByLimit = new Map<string, string[]>();
	for (const operation of OPERATIONS) {
		const words = limit(modelsFor(operation)[0].capabilities);
		namesByLimit.set(words, [...(namesByLimit.get(words) ?? []), OPERATION_NAMES[operation]]);
	}
	if (namesByLimit.size === 1) return [...namesByLimit.keys()][0];
	return [...namesByLimit]
		.map(([words, names]) => `${words} for ${names.join(' and ')}`)
		.join(', ');
}

/** The values that the service uses if the request lacks a field: `8 for step-image-edit-2, 50 for step-2x-large`. */
export function defaultsInWords(field: 'steps' | 'cfgScale'): string {
	return MODELS.map(({ id, operations }) => {
		const [capabilities] = Object.values(operations);
		return `${capabilities[field].default} for ${id}`;
	}).join(', ');
}

/** The IDs of the models with a capability: `step-2x-large and step-1x-edit`. */
export function modelsWith(capability: keyof ModelCapabilities): string {
	const ids = OFFERS.filter(({ capabilities }) => capabilities[capability]).map(({ id }) => id);
	return [...new Set(ids)].join(' and ');
}
