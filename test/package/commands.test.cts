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

describe.each(COMMANDS)('npm run %s', (name, command) => {
	it('answers an unknown option with its usage', async () => {
		const child = spawn(process.execPath, [...command.split(' ').slice(1), '--unknown'], {
			cwd: REPOSITORY,
		});
		const [error] = await Promise.all([
			text(child.stderr),
			new Promise((resolveExit) => child.once('exit', resolveExit)),
		]);
		expect(error).toMatch(`Unknown option '--unknown'`);
		expect(error).toMatch(`Usage: npm run ${name} -- [options]`);
		expect(error).not.toMatch(/^ +at /m);
		expect(child.exitCode).toBe(1);
	});
});
