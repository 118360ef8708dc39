import type { BuiltIn } from './builtin.js';
import { LeastScan } from './least-scan.js';
import { Live } from './live.js';
import { columnLength, LocalMemory, type MemoryColumns, OWN, type StrategyMemory } from './memory.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';
import { weightsOf } from './weights.js';

/** A candidate left out for this many rounds (a round is one pick for each candidate) counts as twice as fast. */
const ROUNDS_TO_HALVE = 64;
/** Response times are looked at again every so many picks, a part of them at each pick. */
const SWEEP = 16;

/**
 * Least expected wait: response time × (active + 1) / weight, as in Finagle's Peak EWMA balancer; the moving average
 * itself is kept by whoever measures. Equals rotate. O(n).
 *
 * A response time that is not known yet counts as the fastest known one: the backend gets its share at once, and no
 * more than that when it never answers in a way that can be measured. And since an average is only renewed by new
 * connections, the longer a candidate has been left out the cheaper it counts (the strategy has no clock, so this is
 * counted in picks): one slow minute does not shut a backend out for ever.
 */
class LeastResponseTime implements Strategy {
  readonly exclusive = true;
  private readonly live = new Live(true);
  private readonly scan: LeastScan;
  private readonly memory: StrategyMemory;
  private columns: MemoryColumns;
  private slots = new Int32Array(0);
  private inverse: Float64Array = new Float64Array(0);
  /** 1 / the picks after which a candidate that was left out counts as twice as fast. */
  private rate = 0;
  /** Where the sweep goes on, and the smallest known response time that it has met. */
  private swept = 0;
  private smallest = Number.POSITIVE_INFINITY;
  /** The smallest known response time of the last sweep, in ms; 1 while none is known, when it cancels out. */
  private fastest = 1;

  constructor(memory: StrategyMemory) {
    this.memory = memory;
    this.columns = memory.columns(0);
    this.scan = new LeastScan(this.live, 1, memory);
  }

  rebuild(candidates: readonly Candidate[]): void {
    const known = new Set(this.scan.candidates);
    this.slots = Int32Array.from(candidates, ({ slot }) => slot);
    this.columns = this.memory.columns(columnLength(candidates));
    this.inverse = weightsOf(candidates).map(weight => 1 / weight);
    // Nobody has been left out while it was not there.
    for (const candidate of candidates) {
      if (!known.has(candidate)) this.columns.pickedAt[candidate.slot] = this.picks;
    }
    this.scan.rebuild(candidates, this.inverse.slice());
    this.live.refresh();
    this.rate = 1 / (ROUNDS_TO_HALVE * candidates.length);
    this.swept = 0;
    // The first sweep finds the smallest, the second uses it.
    this.sweep(candidates.length);
    this.sweep(candidates.length);
  }

  pick(_flow: Flow, accept: Accept): Candidate | undefined {
    const { candidates } = this.scan;
    this.sweep(Math.ceil(candidates.length / SWEEP));
    const index = this.scan.pick(accept);
    if (index < 0) return undefined;
    this.memory.own[OWN.picks] = this.picks + 1;
    this.columns.pickedAt[this.slots[index]!] = this.picks;
    this.price(index, this.live.latency[this.live.slots[index]!]!);
    return candidates[index];
  }

  /** Bring the factors of the next `count` candidates up to date. */
  private sweep(count: number): void {
    const { latency, slots } = this.live;
    for (let left = count; left > 0; ) {
      const from = this.swept;
      const to = Math.min(slots.length, from + left);
      let smallest = this.smallest;
      for (let i = from; i < to; i++) {
        const wait = latency[slots[i]!]!;
        if (wait > 0 && wait < smallest) smallest = wait;
        this.price(i, wait);
      }
      this.smallest = smallest;
      this.swept = to;
      left -= to - from;
      if (to < slots.length) return;
      this.swept = 0;
      this.fastest = smallest === Number.POSITIVE_INFINITY ? 1 : smallest;
      this.smallest = Number.POSITIVE_INFINITY;
    }
  }

  /** Set the factor by which (active + 1) is multiplied; `known` is the response time, 0 while it is not known. */
  private price(i: number, known: number): void {
    const wait = known > 0 ? known : this.fastest;
    const rounds = (this.picks - this.columns.pickedAt[this.slots[i]!]!) * this.rate;
    this.scan.factors[i] = (wait * this.inverse[i]!) / (1 + rounds);
  }

  /** Picks so far, in all threads. */
  private get picks(): number {
    return this.memory.own[OWN.picks]!;
  }
}

export const leastResponseTime: BuiltIn = {
  summary: 'least response time × (active + 1) / weight',
  factory: context => new LeastResponseTime(context.memory ?? new LocalMemory()),
};
