import { setPriority } from 'node:os';

/**
 * This thread leaves the processors to others: a flood comes from other machines, and must not take from the well-behaved what they
 * need to ask. On Linux priorities are a thread's own.
 */
export function stepBack(): void {
  if (process.platform === 'linux') setPriority(0, 19);
}
