import { seededRandom } from './randomNumbers.cts';
import type { FaultCondition } from './types.cts';

interface Rule<F> {
	when?: FaultCondition;
	times?: number;
	fault: F;
}

export interface FaultSubject {
	path: string;
	/** Absent for requests that are not counted; rules without a `path` pass those by. */
	nth?: number;
	prompt?: string;
}

/** Decides, request by request, which fault of a plan acts. */
export interface FaultPlan<F> {
	next(subject: FaultSubject): F | undefined;
	set(rules: Array<Rule<F>>): void;
	reset(): void;
}

/** Makes a plan from rules: the first rule that fits and is not used up acts. */
export function createFaultPlan<F>(rules: Array<Rule<F>> = [], seed = 1): FaultPlan<F> {
	let current = rules;
	let used = new Map<Rule<F>, number>();
	let random = seededRandom(seed);

	function reset() {
		used = new Map();
		random = seededRandom(seed);
	}
	return {
		next(subject) {
			for (const rule of current) {
				const count = used.get(rule) ?? 0;
				if (count >= (rule.times ?? Infinity)) continue;
				if (!fits(rule.when ?? {}, subject, random)) continue;
				used.set(rule, count + 1);
				return rule.fault;
			}
			return undefined;
		},
		set(newRules) {
			current = newRules;
			reset();
		},
		reset,
	};
}

function fits(when: FaultCondition, subject: FaultSubject, random: () => number): boolean {
	if (when.path === undefined && subject.nth === undefined) return false;
	if (when.path !== undefined && !subject.path.endsWith(when.path)) return false;
	if (when.nth !== undefined && subject.nth !== when.nth) return false;
	if (when.nths !== undefined && !when.nths.includes(subject.nth ?? 0)) return false;
	if (when.promptIncludes !== undefined && !subject.prompt?.includes(when.promptIncludes)) {
		return false;
	}
	return when.probability === undefined || random() < when.probability;
}
