import { type BuiltIn, noOptions, parseOptions } from './builtin.js';
import { IndexHeap } from './heap.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';
import { isUnchanged, sum, weightsOf } from './weights.js';

/** Turns that refused candidates may lose in one pick before all are asked at once. */
const TURNS = 16;

/**
 * Smooth weighted rotation in O(log n) by fair queueing: WF2Q (J. Bennett, H. Zhang, "WF2Q: Worst-case Fair Weighted
 * Fair Queueing", INFOCOM 1996), where the packets are turns of length 1.
 *
 * A candidate with share s of the weight is owed one turn in every 1/s. Its turn number k may be taken from time k/s
 * on and is due at (k+1)/s; of the turns that may be taken the one due first is. So nobody is ever more than one turn
 * ahead or behind: 5,1,1 goes a b a a c a a, and after a whole cycle counts are exact. Weights may be fractions.
 *
 * A refused candidate loses its turn, as if it had been picked, so that it does not get a burst later.
 */
class WeightedRoundRobin implements Strategy {
  private candidates: readonly Candidate[] = [];
  private weights: Float64Array = new Float64Array(0);
  private total = 0;
  /** Turns given out: the clock. */
  private time = 0;
  /** Candidate i has had `taken[i]` turns since `since[i]`. Multiplied, not added up, so that no error builds up. */
  private since: Float64Array = new Float64Array(0);
  private taken: Float64Array = new Float64Array(0);
  /** Candidates whose next turn may be taken, by when it is due; and the others, by when it may be taken. */
  private ready = new IndexHeap(0);
  private waiting = new IndexHeap(0);

  rebuild(candidates: readonly Candidate[]): void {
    const weights = weightsOf(candidates);
    if (isUnchanged(this.candidates, this.weights, candidates, weights)) return;
    const phases = new Map(this.candidates.map((candidate, i) => [candidate, this.phase(i)]));
    this.candidates = candidates.slice();
    this.weights = weights;
    this.total = sum(weights);
    this.time = 0;
    this.taken = new Float64Array(candidates.length);
    this.since = Float64Array.from(
      candidates,
      (candidate, i) => (phases.get(candidate) ?? 0) * this.period(i),
    );
    this.ready = new IndexHeap(candidates.length);
    this.waiting = new IndexHeap(candidates.length);
    for (let i = 0; i < candidates.length; i++) this.enqueue(i);
  }

  pick(_flow: Flow, accept: Accept): Candidate | undefined {
    const { candidates } = this;
    if (candidates.length === 0) return undefined;
    for (let turn = 0; turn < TURNS; turn++) {
      const index = this.dueFirst();
      this.take(index);
      const candidate = candidates[index]!;
      if (accept(candidate)) return candidate;
    }
    const index = this.dueFirstAccepted(accept);
    if (index < 0) return undefined;
    // Those in between lose their turns at once.
    this.time = Math.max(this.time, Math.ceil(this.startOf(index)));
    this.take(index);
    return candidates[index];
  }

  /** The ready candidate whose turn is due first. */
  private dueFirst(): number {
    const { ready, waiting } = this;
    // After a rebuild everybody may be ahead: then time moves on.
    if (ready.size === 0 && waiting.topKey > this.time) this.time = Math.ceil(waiting.topKey);
    while (waiting.size > 0 && waiting.topKey <= this.time) {
      const index = waiting.top;
      waiting.remove(index);
      ready.push(index, this.dueOf(index));
    }
    return ready.top;
  }

  /** The accepted candidate whose turn is due first, ready or not; -1 when all are refused. */
  private dueFirstAccepted(accept: Accept): number {
    let best = -1;
    for (let i = 0; i < this.candidates.length; i++) {
      if ((best < 0 || this.dueOf(i) < this.dueOf(best)) && accept(this.candidates[i]!)) best = i;
    }
    return best;
  }

  private take(index: number): void {
    this.ready.remove(index);
    this.waiting.remove(index);
    this.taken[index] = this.taken[index]! + 1;
    this.time += 1;
    // Two turns behind is only possible for one that was refused for long: it is owed one turn, not all of them.
    if (this.dueOf(index) < this.time) {
      this.since[index] = this.time - this.period(index);
      this.taken[index] = 0;
    }
    this.enqueue(index);
  }

  private enqueue(index: number): void {
    const start = this.startOf(index);
    if (start <= this.time) this.ready.push(index, this.dueOf(index));
    else this.waiting.push(index, start);
  }

  /** Turns from one to the next of its own. */
  private period(index: number): number {
    return this.total / this.weights[index]!;
  }

  private startOf(index: number): number {
    return this.since[index]! + (this.taken[index]! * this.total) / this.weights[index]!;
  }

  private dueOf(index: number): number {
    return this.since[index]! + ((this.taken[index]! + 1) * this.total) / this.weights[index]!;
  }

  /** How far off its next turn is, in periods of its own: within about -1 to 1. Survives a change of weights. */
  private phase(index: number): number {
    return (this.startOf(index) - this.time) / this.period(index);
  }
}

export const weightedRoundRobin: BuiltIn<typeof noOptions> = {
  summary: 'smooth weighted rotation: 5,1,1 never sends five in a row',
  options: noOptions,
  factory: context => {
    parseOptions(noOptions, context);
    return new WeightedRoundRobin();
  },
};
