import { AliasTable } from './alias.js';
import type { BuiltIn } from './builtin.js';
import { firstAccepted } from './rotation.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';
import { weightsOf } from './weights.js';

/** Pairs drawn before the rest is asked one by one. */
const PAIRS = 4;

/**
 * Two different candidates drawn at random by weight; the one with fewer active connections per weight wins, and the
 * first drawn wins a tie, so that idle backends are used by weight. O(1).
 * M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001).
 */
class TwoChoices implements Strategy {
  private candidates: readonly Candidate[] = [];
  private inverse: Float64Array = new Float64Array(0);
  private readonly table = new AliasTable();
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  rebuild(candidates: readonly Candidate[]): void {
    this.candidates = candidates.slice();
    const weights = weightsOf(candidates);
    this.inverse = weights.map(weight => 1 / weight);
    this.table.rebuild(weights);
  }

  pick(_flow: Flow, accept: Accept): Candidate | undefined {
    const { candidates, inverse } = this;
    const count = candidates.length;
    if (count === 0) return undefined;
    for (let pair = 0; pair < PAIRS && count > 1; pair++) {
      const a = this.table.draw(this.random());
      const b = this.drawOther(a, count);
      const first = candidates[a]!;
      const second = candidates[b]!;
      const swap = second.active * inverse[b]! < first.active * inverse[a]!;
      const winner = swap ? second : first;
      if (accept(winner)) return winner;
      const loser = swap ? first : second;
      if (accept(loser)) return loser;
    }
    const index = firstAccepted(candidates, Math.floor(this.random() * count), accept);
    return index < 0 ? undefined : candidates[index];
  }

  /** By weight where two draws suffice; else any other, for lists where one candidate has nearly all the weight. */
  private drawOther(taken: number, count: number): number {
    for (let draw = 0; draw < 2; draw++) {
      const other = this.table.draw(this.random());
      if (other !== taken) return other;
    }
    return (taken + 1 + Math.floor(this.random() * (count - 1))) % count;
  }
}

export const twoChoices: BuiltIn = {
  summary: 'two random candidates, fewer connections per weight wins',
  factory: context => new TwoChoices(context.random),
};
