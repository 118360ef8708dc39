import { AliasTable } from './alias.js';
import type { BuiltIn } from './builtin.js';
import { firstAccepted } from './rotation.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';
import { weightsOf } from './weights.js';

/** Draws before the rest is asked one by one. */
const DRAWS = 8;

/** Random by weight, by the alias method. O(1). */
class Random implements Strategy {
  private candidates: readonly Candidate[] = [];
  private readonly table = new AliasTable();
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  rebuild(candidates: readonly Candidate[]): void {
    this.candidates = candidates.slice();
    this.table.rebuild(weightsOf(candidates));
  }

  pick(_flow: Flow, accept: Accept): Candidate | undefined {
    const count = this.candidates.length;
    if (count === 0) return undefined;
    for (let draw = 0; draw < DRAWS; draw++) {
      const candidate = this.candidates[this.table.draw(this.random())]!;
      if (accept(candidate)) return candidate;
    }
    const index = firstAccepted(this.candidates, Math.floor(this.random() * count), accept);
    return index < 0 ? undefined : this.candidates[index];
  }
}

export const random: BuiltIn = {
  summary: 'uniform by weight',
  factory: context => new Random(context.random),
};
