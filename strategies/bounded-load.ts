import { Live } from './live.js';
import type { Candidate } from './strategy.js';
import { sum } from './weights.js';

/**
 * Keeps every candidate at no more than `factor` times its fair share: with T connections open and one more to come a
 * candidate may have ceil(factor × (T + 1) × weight / all weights). There is always room somewhere, since factor > 1.
 * V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016, arXiv 1608.01350).
 *
 * T is added up once every n / 4 picks and counted on in between, so that a pick stays O(1) on average. In between it
 * may be too high by the connections that closed and too low by what other threads opened.
 */
export class BoundedLoad {
  private readonly factor: number;
  private readonly live = new Live();
  /** factor × weight / all weights. */
  private shares: Float64Array = new Float64Array(0);
  private total = 0;
  private picksLeft = 0;

  constructor(factor: number) {
    this.factor = factor;
  }

  rebuild(candidates: readonly Candidate[], weights: Float64Array): void {
    this.live.rebuild(candidates);
    const scale = this.factor / sum(weights);
    this.shares = weights.map(weight => weight * scale);
    this.picksLeft = 0;
  }

  /** Before each pick. */
  begin(): void {
    if (this.picksLeft-- <= 0) this.refresh();
  }

  /** After a candidate was found: its connection counts from now on. */
  took(): void {
    this.total += 1;
  }

  hasRoom(index: number): boolean {
    const active = this.live.active[this.live.slots[index]!]!;
    return active < Math.ceil(this.shares[index]! * (this.total + 1));
  }

  /** Add up the connections now. O(n). */
  refresh(): void {
    const { active, slots } = this.live;
    this.live.refresh();
    let total = 0;
    for (let i = 0; i < slots.length; i++) total += active[slots[i]!]!;
    this.total = total;
    this.picksLeft = slots.length >> 2;
  }
}
