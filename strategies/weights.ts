import type { Candidate } from './strategy.js';

/** Weights are > 0 by contract; this floor keeps a user's 0 from becoming a division by zero or an endless loop. */
const MIN_WEIGHT = 1e-6;

/** The weights of a list, each at least 0.000001. */
export function weightsOf(candidates: readonly Candidate[]): Float64Array {
  return Float64Array.from(candidates, candidate => Math.max(candidate.weight, MIN_WEIGHT));
}

export function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/**
 * True when a list is the one that a table was built from: the same candidates in the same order with the same weights.
 * A change elsewhere in the process rebuilds every service's strategy; costly tables are then kept.
 */
export function isUnchanged(
  before: readonly Candidate[],
  weights: Float64Array,
  after: readonly Candidate[],
  newWeights: Float64Array,
): boolean {
  if (before.length !== after.length) return false;
  for (let i = 0; i < after.length; i++) {
    if (before[i] !== after[i] || weights[i] !== newWeights[i]) return false;
  }
  return true;
}
