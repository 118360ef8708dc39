import type { Candidate } from './strategy.js';

/**
 * What a strategy remembers from pick to pick, as numbers in memory that its copies in all threads share: so a rotation
 * is one rotation, however many threads pick. Everything is 0 at first, and each number means the same whichever strategy
 * uses it: what another one has left there is out of date at worst.
 */
export interface StrategyMemory {
  /** The strategy's own numbers, at the places that OWN names. */
  readonly own: Float64Array;
  /** Numbers of the candidates, by slot, for slots below `count`. The arrays hold until the next call: ask in each rebuild. */
  columns(count: number): MemoryColumns;
}

/** Places of a strategy's own numbers. */
export const OWN = {
  /** Slot of the candidate whose turn it is. */
  turn: 0,
  /** Turns given out by a weighted rotation: its clock. */
  time: 1,
  /** Picks, where they are counted. */
  picks: 2,
} as const;
export const OWN_NUMBERS = 4;

/** A weighted rotation: each candidate has had `taken` turns since the time `since`, one in every `period` turns. */
export interface MemoryColumns {
  readonly since: Float64Array;
  readonly taken: Float64Array;
  readonly period: Float64Array;
  /** The number of the pick that the candidate got last. */
  readonly pickedAt: Float64Array;
}

export const COLUMNS = ['since', 'taken', 'period', 'pickedAt'] as const satisfies (keyof MemoryColumns)[];

/** How long columns must be for these candidates. */
export function columnLength(candidates: readonly Candidate[]): number {
  return candidates.reduce((most, { slot }) => Math.max(most, slot + 1), 0);
}

/** Memory of one thread alone; it grows with the slots. */
export class LocalMemory implements StrategyMemory {
  readonly own = new Float64Array(OWN_NUMBERS);
  private now: MemoryColumns = {
    since: new Float64Array(0),
    taken: new Float64Array(0),
    period: new Float64Array(0),
    pickedAt: new Float64Array(0),
  };

  columns(count: number): MemoryColumns {
    const { since, taken, period, pickedAt } = this.now;
    if (since.length < count) {
      this.now = {
        since: grown(since, count),
        taken: grown(taken, count),
        period: grown(period, count),
        pickedAt: grown(pickedAt, count),
      };
    }
    return this.now;
  }
}

function grown(before: Float64Array, count: number): Float64Array {
  const after = new Float64Array(count);
  after.set(before);
  return after;
}
