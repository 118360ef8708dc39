import type { BuiltIn } from './builtin.js';
import { IndexHeap } from './heap.js';
import { columnLength, LocalMemory, type MemoryColumns, OWN, type StrategyMemory } from './memory.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';
import { isUnchanged, sum, weightsOf } from './weights.js';

/** Turns that refused candidates may lose in one pick before all are asked at once. */
const TURNS = 16;
/** How far off a turn may be, in periods: rounding included. Further off is somebody who was not there for a while. */
const FURTHEST = 1.01;

/**
 * Smooth weighted rotation in O(log n) by fair queueing: WF2Q (J. Bennett, H. Zhang, "WF2Q: Worst-case Fair Weighted
 * Fair Queueing", INFOCOM 1996), where the packets are turns of length 1.
 *
 * A candidate with share s of the weight is owed one turn in every 1/s. Its turn number k may be taken from time k/s
 * on and is due at (k+1)/s; of the turns that may be taken the one due first is. So nobody is ever more than one turn
 * ahead or behind: 5,1,1 goes a b a a c a a, and after a whole cycle counts are exact. Weights may be fractions.
 *
 * A refused candidate loses its turn, as if it had been picked, so that it does not get a burst later.
 *
 * Turns and time are in the memory that all threads share. Each thread has its own heaps over them, whose keys may be out
 * of date: turns that other threads give out only ever move a candidate back, so a key that comes to the top is
 * compared with the memory, and put right, before it is believed.
 */
class WeightedRoundRobin implements Strategy {
  readonly exclusive = true;
  private readonly memory: StrategyMemory;
  private columns: MemoryColumns;
  private candidates: readonly Candidate[] = [];
  private slots = new Int32Array(0);
  private weights: Float64Array = new Float64Array(0);
  private total = 0;
  /** Candidates whose next turn may be taken, by when it is due; and the others, by when it may be taken. */
  private ready = new IndexHeap(0);
  private waiting = new IndexHeap(0);

  constructor(memory: StrategyMemory) {
    this.memory = memory;
    this.columns = memory.columns(0);
  }

  rebuild(candidates: readonly Candidate[]): void {
    const weights = weightsOf(candidates);
    if (isUnchanged(this.candidates, this.weights, candidates, weights)) return;
    this.candidates = candidates.slice();
    this.slots = Int32Array.from(candidates, ({ slot }) => slot);
    this.weights = weights;
    this.total = sum(weights);
    this.columns = this.memory.columns(columnLength(candidates));
    this.ready = new IndexHeap(candidates.length);
    this.waiting = new IndexHeap(candidates.length);
    for (let i = 0; i < candidates.length; i++) {
      this.carryOver(i);
      this.enqueue(i);
    }
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
    for (;;) {
      while (waiting.size > 0 && waiting.topKey <= this.time) this.enqueue(waiting.top);
      if (ready.size > 0) {
        const index = ready.top;
        if (ready.topKey === this.dueOf(index)) return index;
        this.enqueue(index);
      } else if (waiting.topKey === this.startOf(waiting.top)) {
        // After a rebuild everybody may be ahead: then time moves on.
        this.time = Math.ceil(waiting.topKey);
      } else {
        this.enqueue(waiting.top);
      }
    }
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
    this.columns.taken[this.slots[index]!]! += 1;
    this.time += 1;
    // Two turns behind is only possible for one that was refused for long: it is owed one turn, not all of them.
    if (this.dueOf(index) < this.time) this.restart(index, -1);
    this.enqueue(index);
  }

  /** Into the heap where it belongs now. */
  private enqueue(index: number): void {
    this.ready.remove(index);
    this.waiting.remove(index);
    const start = this.startOf(index);
    if (start <= this.time) this.ready.push(index, this.dueOf(index));
    else this.waiting.push(index, start);
  }

  /**
   * Take a candidate's place over into a list with other weights: its phase stays, which is how far off its next turn is in
   * periods of its own. Another thread may have done so already. Who is new, or was away for long, starts now.
   */
  private carryOver(index: number): void {
    const { since, taken, period } = this.columns;
    const slot = this.slots[index]!;
    const before = period[slot]!;
    const phase = before === 0 ? 0 : (since[slot]! + taken[slot]! * before - this.time) / before;
    const isThere = Math.abs(phase) <= FURTHEST;
    const now = this.total / this.weights[index]!;
    if (isThere && before === now) return;
    period[slot] = now;
    this.restart(index, isThere ? phase : 0);
  }

  /** Begin to count anew, with the next turn so many periods from now. */
  private restart(index: number, phase: number): void {
    const { since, taken, period } = this.columns;
    const slot = this.slots[index]!;
    // In this order: a thread that dies in between leaves a turn that is overdue, not one that is never due.
    taken[slot] = 0;
    since[slot] = this.time + phase * period[slot]!;
  }

  // Multiplied, not added up, so that no error builds up.
  private startOf(index: number): number {
    const slot = this.slots[index]!;
    const { since, taken } = this.columns;
    return since[slot]! + (taken[slot]! * this.total) / this.weights[index]!;
  }

  private dueOf(index: number): number {
    const slot = this.slots[index]!;
    const { since, taken } = this.columns;
    return since[slot]! + ((taken[slot]! + 1) * this.total) / this.weights[index]!;
  }

  /** Turns given out: the clock. */
  private get time(): number {
    return this.memory.own[OWN.time]!;
  }

  private set time(turns: number) {
    this.memory.own[OWN.time] = turns;
  }
}

export const weightedRoundRobin: BuiltIn = {
  summary: 'smooth weighted rotation: 5,1,1 never sends five in a row',
  factory: context => new WeightedRoundRobin(context.memory ?? new LocalMemory()),
};
