import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import packageJson from '../../package.json';

const REPOSITORY = resolve(__dirname, '../..');

/** The commands of this repository's own that have no options. */
const WITHOUT_OPTIONS = ['readme', 'screenshots'];

const COMMANDS = Object.entries(packageJson.scripts).filter(
	([name, command]) => command.startsWith('node ') && !WITHOUT_OPTIONS.includes(name),
);

async function run(command: string, option: string) {
	const child = spawn(process.execPath, [...command.split(' ').slice(1), option], {
		cwd: REPOSITORY,
	});
	const [output, error] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		new Promise((resolveExit) => child.once('exit', resolveExit)),
	]);
	return { output, error, exitCode: child.exitCode };
}

describe.each(COMMANDS)('npm run %s', (name, command) => {
	const usage = `Usage: npm run ${name} -- [options]`;

	it('answers an unknown option with its usage', async () => {
		const { error, exitCode } = await run(command, '--unknown');
		expect(error).toMatch(`Unknown option '--unknown'`);
		expect(error).toMatch(usage);
		expect(error).not.toMatch(/^ +at /m);
		expect(exitCode).toBe(1);
	});

	it('prints its usage for --help, and does nothing else', async () => {
		const { output, error, exitCode } = await run(command, '--help');
		expect(output.startsWith(usage)).toBe(true);
		expect([error, exitCode]).toEqual(['', 0]);
	});
});
