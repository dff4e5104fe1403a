import { Expression } from 'n8n-workflow';

import { runGenerate } from '../kit/localRuns.cts';
import type { NodeRunResult } from '../kit/runNode.cts';
import { startStepFunServer, type StepFunServer } from '../stepfun-server/server.cts';

const ROWS = 1_000;
/** A turn every 10 ms makes 100 of them where a row takes a millisecond; a fast machine has fewer. */
const MIN_TURNS = 20;

let server: StepFunServer;
let result: NodeRunResult;
/** Each expression that was evaluated, with its value. */
let evaluated: string[];
/** How many expressions had been evaluated whenever the event loop came around. */
const turnsAt = new Set<number>();

beforeAll(async () => {
	server = await startStepFunServer({ drawing: 'once' });
	const evaluate = jest.spyOn(Expression.prototype, 'resolveSimpleParameterValue');
	const { calls, results } = evaluate.mock;
	const expressions = () => calls.filter(([value]) => String(value).startsWith('=')).length;
	let isOver = false;
	const takeTurn = () => {
		if (isOver) return;
		turnsAt.add(expressions());
		setImmediate(takeTurn);
	};
	takeTurn();
	result = await runGenerate(
		server,
		{
			prompt: '={{ $json.prompt }}',
			options: { seed: '={{ $json.row }}', negativePrompt: '=not {{ $json.row }}' },
		},
		{
			// The last row is refused, so that all are read and none is sent.
			items: Array.from({ length: ROWS }, (_, row) => ({
				row,
				prompt: row === ROWS - 1 ? '' : `A shoe of size ${row}`,
			})),
		},
	);
	isOver = true;
	evaluated = calls.flatMap(([value], index) =>
		String(value).startsWith('=') ? [`${String(value)} ${String(results[index].value)}`] : [],
	);
	evaluate.mockRestore();
}, 60_000);

afterAll(async () => await server.close());

test('Reading 1,000 rows evaluates each of three expressions once a row, and sends nothing before the last row is checked', () => {
	expect(result.error?.message).toBe("Row 1000 of 1000: 'Prompt' is empty");
	expect(server.requests).toHaveLength(0);
	expect(evaluated).toHaveLength(3 * ROWS);
	expect(new Set(evaluated).size).toBe(3 * ROWS);
});

test('Reading 1,000 rows does not hold up everything else in n8n', () => {
	const whileReading = [...turnsAt].filter((at) => at > 0 && at < evaluated.length);
	expect(whileReading.length).toBeGreaterThanOrEqual(MIN_TURNS);
});
