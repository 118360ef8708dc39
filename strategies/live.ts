import type { Candidate } from './strategy.js';

/**
 * The live numbers of a list of candidates as typed arrays: candidate i is at `active[slots[i]]`, `latency[slots[i]]`.
 *
 * Where all candidates name the same shared arrays these are read in place with plain loads: a value may be a few
 * nanoseconds old, never torn. Otherwise `refresh` copies from the getters, O(n).
 */
export class Live {
  active: Int32Array = new Int32Array(0);
  /** Filled only when asked for in the constructor. */
  latency: Float64Array = new Float64Array(0);
  slots = new Int32Array(0);
  private readonly withLatency: boolean;
  private candidates: readonly Candidate[] = [];
  private copied = false;

  constructor(withLatency = false) {
    this.withLatency = withLatency;
  }

  rebuild(candidates: readonly Candidate[]): void {
    const counters = candidates[0]?.counters;
    const latencies = candidates[0]?.latencies;
    const shared = candidates.every(
      candidate =>
        candidate.counters === counters && (!this.withLatency || candidate.latencies === latencies),
    );
    this.candidates = candidates;
    this.copied = !shared || counters === undefined || (this.withLatency && latencies === undefined);
    const room = this.copied ? candidates.length : 0;
    this.active = this.copied || counters === undefined ? new Int32Array(room) : counters;
    this.latency = this.copied || latencies === undefined ? new Float64Array(room) : latencies;
    this.slots = Int32Array.from(candidates, ({ slot }, index) => (this.copied ? index : slot));
  }

  /** Call before a scan. */
  refresh(): void {
    if (!this.copied) return;
    for (let i = 0; i < this.candidates.length; i++) {
      this.active[i] = this.candidates[i]!.active;
      if (this.withLatency) this.latency[i] = this.candidates[i]!.latency;
    }
  }
}
