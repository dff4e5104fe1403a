import type { IExecuteFunctions, NodeExecutionHint } from 'n8n-workflow';

import type { RunState } from '../../nodes/StepFunImage/actions/runState';
import { addSummaryHint, createSummary } from '../../nodes/StepFunImage/actions/summary';

// Prices are known for StepFun's own addresses alone, which are out of reach for a test.
function hintsAfter(costs: RunState['costs']): string[] {
	const hints: NodeExecutionHint[] = [];
	const functions = {
		addExecutionHints: (hint: NodeExecutionHint) => void hints.push(hint),
	} as unknown as IExecuteFunctions;
	addSummaryHint(functions, {
		summary: { ...createSummary(), made: costs.length },
		costs,
	} as RunState);
	return hints.map(({ message }) => message);
}

test('The hint at the end of a run sums up what images of different models cost', () => {
	const cheap = { amount: 0.02, currency: 'CNY' };
	const dear = { amount: 0.1, currency: 'CNY' };
	expect(hintsAfter([cheap, dear, cheap])).toEqual(['Made 3 images. Estimated cost: 0.14 CNY.']);
});

test('A run with unknown prices shows no hint about its cost', () => {
	expect(hintsAfter([undefined, undefined])).toEqual([]);
});
