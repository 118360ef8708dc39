import { OWN, type StrategyMemory } from './memory.js';
import type { Accept, Candidate } from './strategy.js';

/**
 * Whose turn it is in a list. Remembered as the candidate's slot, so that it means the same in every thread, also while
 * one of them has the next list already and another has not.
 */
export class Turn {
  private readonly own: Float64Array;
  private slots = new Int32Array(0);
  /** Where to go on when it is the turn of this slot: one of this list, or of the one before, which others may still have. */
  private indexes = new Map<number, number>();

  constructor({ own }: StrategyMemory) {
    this.own = own;
  }

  /** Goes on at the candidate whose turn it was or, when that one is gone, at the next survivor after it. */
  rebuild(before: readonly Candidate[], after: readonly Candidate[]): void {
    const places = new Map(after.map(({ slot }, index) => [slot, index]));
    const successors = new Map<number, number>();
    let next: number | undefined;
    // Backwards and twice around: those at the end are followed by those at the beginning.
    for (let i = 2 * before.length - 1; i >= 0; i--) {
      const { slot } = before[i % before.length]!;
      const place = places.get(slot);
      if (place !== undefined) next = place;
      else if (next !== undefined) successors.set(slot, next);
    }
    this.slots = Int32Array.from(after, ({ slot }) => slot);
    this.indexes = new Map([...successors, ...places]);
    const index = this.indexes.get(this.own[OWN.turn]!);
    if (index !== undefined) this.own[OWN.turn] = this.slots[index]!;
  }

  /** 0 when nobody of the list, or of the one before, has had a turn. */
  get index(): number {
    return this.indexes.get(this.own[OWN.turn]!) ?? 0;
  }

  /** The turn after this one's. */
  passOn(index: number): void {
    this.own[OWN.turn] = this.slots[index + 1 === this.slots.length ? 0 : index + 1]!;
  }
}

/** The index of the first candidate at or after `from`, around the end, that is accepted; -1 when none is. */
export function firstAccepted(candidates: readonly Candidate[], from: number, accept: Accept): number {
  for (let i = from; i < candidates.length; i++) if (accept(candidates[i]!)) return i;
  for (let i = 0; i < from; i++) if (accept(candidates[i]!)) return i;
  return -1;
}
