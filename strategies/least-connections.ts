import type { BuiltIn } from './builtin.js';
import { LeastScan } from './least-scan.js';
import { Live } from './live.js';
import { LocalMemory, type StrategyMemory } from './memory.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';
import { weightsOf } from './weights.js';

/**
 * Fewest active connections (dialling counts) divided by weight; ties rotate. O(n): exact over all threads because the
 * counters themselves are read.
 */
class LeastConnections implements Strategy {
  readonly exclusive = true;
  private readonly scan: LeastScan;

  constructor(memory: StrategyMemory) {
    this.scan = new LeastScan(new Live(), 0, memory);
  }

  rebuild(candidates: readonly Candidate[]): void {
    this.scan.rebuild(
      candidates,
      weightsOf(candidates).map(weight => 1 / weight),
    );
  }

  pick(_flow: Flow, accept: Accept): Candidate | undefined {
    const index = this.scan.pick(accept);
    return index < 0 ? undefined : this.scan.candidates[index];
  }
}

export const leastConnections: BuiltIn = {
  summary: 'fewest active connections divided by weight; ties rotate',
  factory: context => new LeastConnections(context.memory ?? new LocalMemory()),
};
