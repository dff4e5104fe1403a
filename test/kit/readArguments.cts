import { parseArgs, type ParseArgsConfig } from 'node:util';

/** The error of a command that was called with wrong options: what is wrong, and the usage. */
export function usageError(problem: string, usage: string): Error {
	return new Error(`${problem}\n\n${usage}`);
}

/**
 * Reads the options of a command.
 *
 * @returns `undefined` for --help, after it has printed the usage
 * @throws the error of wrong options, whose message contains the usage
 */
export function readArguments<T extends NonNullable<ParseArgsConfig['options']>>(
	usage: string,
	options: T,
) {
	if (process.argv.includes('--help')) {
		process.stdout.write(usage);
		return undefined;
	}
	try {
		return parseArgs({ options }).values;
	} catch (error) {
		throw usageError((error as Error).message, usage);
	}
}
