import { readArguments, usageError } from '../kit/readArguments.cts';
import { LOCAL_API_KEY, startStepFunServer } from './server.cts';

const USAGE = `Usage: npm run stepfun-server -- [options]

  --port N                 port of the API (default 8787)
  --result-port N          port of the result URLs (default: a free one)
  --concurrency N          maximum number of image requests at once; more get status 429
  --requests-per-minute N  maximum number of image requests per minute; more get status 429
  --latency MS             how long each image request takes
`;

function wholeNumber(name: string, text: string | undefined): number | undefined {
	if (text === undefined) return undefined;
	if (!/^\d+$/.test(text)) throw usageError(`--${name} takes a whole number, not '${text}'`, USAGE);
	return Number(text);
}

async function main(): Promise<void> {
	const values = readArguments(USAGE, {
		port: { type: 'string' },
		'result-port': { type: 'string' },
		concurrency: { type: 'string' },
		'requests-per-minute': { type: 'string' },
		latency: { type: 'string' },
	});
	if (!values) return;
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
		.write(`The StepFun test server checks requests as StepFun's image API does. It charges nothing.

In n8n, create a credential of the type StepFun API:

  Service     Custom
  API Format  StepFun
  Base URL    ${server.url}
  API Key     ${LOCAL_API_KEY}

Base URL of Step Plan: ${server.stepPlanUrl}
Links to images begin with ${server.resultOrigin}

Ctrl+C stops the server.

`);
	const stop = () => void server.close();
	process.once('SIGINT', stop);
	process.once('SIGTERM', stop);
}

main().catch((error: unknown) => {
	process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
	process.exitCode = 1;
});
