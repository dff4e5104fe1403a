import type { Part } from './part';
import { endurance } from './endurance';
import { memory } from './memory';
import { restart } from './restart';

/** The parts of the end-to-end run, by the names that --only takes, in the order they run. */
export const PARTS: Record<string, Part> = { restart, memory, endurance };
