import type { Live } from './live.js';
import type { StrategyMemory } from './memory.js';
import { Turn } from './rotation.js';
import type { Accept, Candidate } from './strategy.js';

/**
 * Finds the candidate with the least (active + extra) × factor. The scan starts after the last pick and keeps the first
 * of equals, so ties rotate. O(n), on typed arrays where the candidates have them.
 */
export class LeastScan {
  candidates: readonly Candidate[] = [];
  /** One for each candidate; the strategy may change them between picks. */
  factors: Float64Array = new Float64Array(0);
  readonly live: Live;
  private readonly extra: number;
  private readonly turn: Turn;
  /** Where the scan begins. */
  private next = 0;
  /** The least value that `leastIn` found. */
  private least = 0;

  constructor(live: Live, extra: number, memory: StrategyMemory) {
    this.live = live;
    this.extra = extra;
    this.turn = new Turn(memory);
  }

  rebuild(candidates: readonly Candidate[], factors: Float64Array): void {
    this.turn.rebuild(this.candidates, candidates);
    this.candidates = candidates.slice();
    this.live.rebuild(this.candidates);
    this.factors = factors;
  }

  /** The index of the least that is accepted; -1 when all are refused or there are none. */
  pick(accept: Accept): number {
    if (this.candidates.length === 0) return -1;
    this.live.refresh();
    this.next = this.turn.index;
    let index = this.leastOfAll();
    if (!accept(this.candidates[index]!)) index = this.leastAccepted(accept);
    if (index >= 0) this.turn.passOn(index);
    return index;
  }

  /** From `next` around the end, whether accepted or not: nothing is called for each candidate. */
  private leastOfAll(): number {
    const after = this.leastIn(this.next, this.candidates.length, Number.POSITIVE_INFINITY);
    if (this.least === 0) return after;
    const before = this.leastIn(0, this.next, this.least);
    return before < 0 ? after : before;
  }

  /** The first of the least below `limit` from `from` up to `to`; -1 when there is none. */
  private leastIn(from: number, to: number, limit: number): number {
    const { active, slots } = this.live;
    const { factors, extra } = this;
    let best = -1;
    let least = limit;
    for (let i = from; i < to; i++) {
      const value = (active[slots[i]!]! + extra) * factors[i]!;
      if (value >= least) continue;
      least = value;
      best = i;
      if (least === 0) break;
    }
    this.least = least;
    return best;
  }

  /** From `next` around the end, asking `accept` about those that would be the least so far. */
  private leastAccepted(accept: Accept): number {
    const { active, slots } = this.live;
    const count = slots.length;
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let step = 0, i = this.next; step < count; step++) {
      const value = (active[slots[i]!]! + this.extra) * this.factors[i]!;
      if (value < least && accept(this.candidates[i]!)) {
        least = value;
        best = i;
      }
      i = i + 1 === count ? 0 : i + 1;
    }
    return best;
  }
}
