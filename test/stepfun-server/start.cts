import { parseArgs } from 'node:util';
import { LOCAL_API_KEY, startStepFunServer } from './server.cts';

const USAGE = `Usage: npm run stepfun-server -- [options]

  --port N                 port of the API (default 8787)
  --result-port N          port of the result URLs (default: a free one)
  --concurrency N          most image requests in flight; over it 429
  --requests-per-minute N  most image requests per minute; over it 429
  --latency MS             time every image request takes
`;

function wholeNumber(name: string, text: string | undefined): number | undefined {
	if (text === undefined) return undefined;
	if (!/^\d+$/.test(text)) throw new Error(`--${name} takes a whole number, not '${text}'`);
	return Number(text);
}

async function main(): Promise<void> {
	const { values } = parseArgs({
		options: {
			port: { type: 'string' },
			'result-port': { type: 'string' },
			concurrency: { type: 'string' },
			'requests-per-minute': { type: 'string' },
			latency: { type: 'string' },
			help: { type: 'boolean' },
		},
	});
	if (values.help) {
		process.stdout.write(USAGE);
		return;
	}
	const perMinute = wholeNumber('requests-per-minute', values['requests-per-minute']);
	const server = await startStepFunServer({
		port: wholeNumber('port', values.port) ?? 8787,
		resultPort: wholeNumber('result-port', values['result-port']),
		concurrency: wholeNumber('concurrency', values.concurrency),
		requestsPer: perMinute === undefined ? undefined : { count: perMinute, windowMs: 60_000 },
		latencyMs: wholeNumber('latency', values.latency),
		// Kept running for days, it should not collect every picture twice.
		recordBodies: false,
		onRequest: ({
			method,
			path,
			status,
			problem,
			unknown,
			receivedAt,
			respondedAt = receivedAt,
		}) => {
			const unknownFields = unknown && `(unknown: ${unknown.join(', ')})`;
			const outcome = [status ?? 'no response', problem, unknownFields].filter(Boolean).join(' ');
			process.stdout.write(`${method} ${path}  ${outcome}  ${respondedAt - receivedAt} ms\n`);
		},
	});
	process.stdout
		.write(`Local stand-in for StepFun's image API. It charges nothing and draws its own pictures.

  Base URL   ${server.url}
  Step Plan  ${server.stepPlanUrl}
  API key    ${LOCAL_API_KEY}
  Results    ${server.resultOrigin}

In n8n, make a StepFun credential with this key and this base URL. Ctrl+C stops the server.

`);
	const stop = () => void server.close();
	process.once('SIGINT', stop);
	process.once('SIGTERM', stop);
}

main().catch((error: unknown) => {
	process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
	process.exitCode = 1;
});
