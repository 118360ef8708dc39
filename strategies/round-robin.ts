import { type BuiltIn, noOptions, parseOptions } from './builtin.js';
import { firstAccepted, keepPosition } from './rotation.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';

/** Strict rotation, weights ignored. A refused candidate loses its turn. O(1). */
class RoundRobin implements Strategy {
  private candidates: readonly Candidate[] = [];
  private next = 0;

  rebuild(candidates: readonly Candidate[]): void {
    this.next = keepPosition(this.candidates, this.next, candidates);
    this.candidates = candidates.slice();
  }

  pick(_flow: Flow, accept: Accept): Candidate | undefined {
    const index = firstAccepted(this.candidates, this.next, accept);
    if (index < 0) return undefined;
    this.next = index + 1 === this.candidates.length ? 0 : index + 1;
    return this.candidates[index];
  }
}

export const roundRobin: BuiltIn<typeof noOptions> = {
  summary: 'strict rotation, weights ignored',
  options: noOptions,
  factory: context => {
    parseOptions(noOptions, context);
    return new RoundRobin();
  },
};
