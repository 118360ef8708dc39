import type { BuiltIn } from './builtin.js';
import { LocalMemory, type StrategyMemory } from './memory.js';
import { firstAccepted, Turn } from './rotation.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';

/** Strict rotation, weights ignored. A refused candidate loses its turn. O(1). */
class RoundRobin implements Strategy {
  readonly exclusive = true;
  private candidates: readonly Candidate[] = [];
  private readonly turn: Turn;

  constructor(memory: StrategyMemory) {
    this.turn = new Turn(memory);
  }

  rebuild(candidates: readonly Candidate[]): void {
    this.turn.rebuild(this.candidates, candidates);
    this.candidates = candidates.slice();
  }

  pick(_flow: Flow, accept: Accept): Candidate | undefined {
    const index = firstAccepted(this.candidates, this.turn.index, accept);
    if (index < 0) return undefined;
    this.turn.passOn(index);
    return this.candidates[index];
  }
}

export const roundRobin: BuiltIn = {
  summary: 'strict rotation, weights ignored',
  factory: context => new RoundRobin(context.memory ?? new LocalMemory()),
};
