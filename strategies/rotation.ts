import type { Accept, Candidate } from './strategy.js';

/**
 * Where a rotation goes on in a new list: at the candidate whose turn it was, or, when that one is gone, at the next
 * survivor after it. 0 when nobody survived. For `rebuild`: it allocates.
 */
export function keepPosition(
  before: readonly Candidate[],
  position: number,
  after: readonly Candidate[],
): number {
  const indexes = new Map<Candidate, number>();
  for (const [index, candidate] of after.entries()) indexes.set(candidate, index);
  for (let i = 0; i < before.length; i++) {
    const index = indexes.get(before[(position + i) % before.length]!);
    if (index !== undefined) return index;
  }
  return 0;
}

/** The index of the first candidate at or after `from`, around the end, that is accepted; -1 when none is. */
export function firstAccepted(candidates: readonly Candidate[], from: number, accept: Accept): number {
  for (let i = from; i < candidates.length; i++) if (accept(candidates[i]!)) return i;
  for (let i = 0; i < from; i++) if (accept(candidates[i]!)) return i;
  return -1;
}
