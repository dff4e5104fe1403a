import type { Part } from './part';
import { versions } from './versions';

/** The parts of the end-to-end run, by the names that --only takes, in the order they run. */
export const PARTS: Record<string, Part> = { versions };
