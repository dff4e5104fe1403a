import type { Part } from './part';
import { security } from './security';

/** The parts of the end-to-end run, by the names that --only takes, in the order they run. */
export const PARTS: Record<string, Part> = { security };
