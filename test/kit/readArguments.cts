import { parseArgs, type ParseArgsConfig } from 'node:util';

/** Ends a command that was called with wrong options: prints what is wrong and the usage. */
export function endWithUsage(problem: string, usage: string): never {
	process.stderr.write(`${problem}\n\n${usage}`);
	process.exit(1);
}

/** Reads the options of a command. For --help, prints the usage and ends the command. */
export function readArguments<T extends NonNullable<ParseArgsConfig['options']>>(
	usage: string,
	options: T,
) {
	if (process.argv.includes('--help')) {
		process.stdout.write(usage);
		process.exit();
	}
	try {
		return parseArgs({ options }).values;
	} catch (error) {
		return endWithUsage((error as Error).message, usage);
	}
}
