import {
	modelsFor,
	OPERATION_NAMES,
	OPERATIONS,
	type ModelCapabilities,
} from '../catalogue/models';

/**
 * Describes a limit of the default models in words: `1 to 10` if it is the same for all operations, otherwise
 * `1 to 50 for Generate and Edit, 1 to 100 for Image to Image`.
 *
 * @param limit returns the limit in words
 */
export function limitsInWords(limit: (capabilities: ModelCapabilities) => string): string {
	const operationsByLimit = new Map<string, string[]>();
	for (const operation of OPERATIONS) {
		const words = limit(modelsFor(operation)[0].capabilities);
		operationsByLimit.set(words, [
			...(operationsByLimit.get(words) ?? []),
			OPERATION_NAMES[operation],
		]);
	}
	const [[common]] = operationsByLimit;
	if (operationsByLimit.size === 1) return common;
	return [...operationsByLimit]
		.map(([words, operations]) => `${words} for ${operations.join(' and ')}`)
		.join(', ');
}
