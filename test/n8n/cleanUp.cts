/** Says how to undo something. What was set up last is undone first. */
export type CleanUp = (step: () => Promise<unknown>) => void;

/**
 * Runs a task and undoes what it set up, also when it fails. A step that fails keeps none of the others from being
 * taken, and never hides why the task failed.
 *
 * @param task is given the way to say how to undo something
 * @throws what the task threw; else an error that names every step that failed
 */
export async function withCleanUp<T>(task: (cleanUp: CleanUp) => Promise<T>): Promise<T> {
	const steps: Array<() => Promise<unknown>> = [];
	const [outcome] = await Promise.allSettled([task((step) => void steps.push(step))]);
	const failures: unknown[] = [];
	for (const step of steps.reverse()) {
		try {
			await step();
		} catch (error) {
			failures.push(error);
		}
	}
	if (outcome.status === 'rejected') throw outcome.reason;
	if (failures.length > 0) {
		throw new AggregateError(failures, `Cleaning up failed: ${failures.join('; ')}`);
	}
	return outcome.value;
}
