import { type Claim, isFurther, isNewer } from './claim.js';

export type SplitBrainPolicy = 'newest' | 'refuse' | 'all';

interface Entry {
  claim: Claim;
  /** Said again since there are several. */
  confirmed: boolean;
}

/** What an election knows, as plain data but for who the servers are. */
export interface ElectionState<T> {
  readonly entries: readonly { readonly who: T; readonly claim: Claim; readonly confirmed: boolean }[];
  readonly last: { readonly who: T; readonly claim: Claim } | undefined;
}

interface Named {
  readonly id: string;
}

/**
 * Who of those that say that they are the primary is to be taken for it. Pure: told what each server says, asked for
 * objections.
 *
 * A server that another one was promoted after is out of date, and stays so when the other goes away: what it takes
 * then would be lost. Among those that cannot be told apart so, whoever was taken before stays, else who has written most.
 */
export class Election<T extends Named> {
  private readonly entries = new Map<T, Entry>();
  /** Who was taken last, and what it showed; it may be gone. */
  private last: { readonly who: T; readonly claim: Claim } | undefined;

  /** `who` says that it is a primary. Returns those who have to be asked again before it can be called a split brain. */
  claim(who: T, claim: Claim): readonly T[] {
    const known = this.entries.get(who);
    const others = [...this.entries.keys()].filter(other => other !== who);
    this.entries.set(who, { claim, confirmed: true });
    const winner = this.winner();
    if (winner !== undefined) this.last = { who: winner, claim: this.entries.get(winner)!.claim };
    // Only the second one makes it two: what the first said may be from before the second was promoted.
    if (known !== undefined || others.length !== 1) return [];
    this.entries.get(others[0]!)!.confirmed = false;
    return others;
  }

  /** `who` says that it is a replica: whatever it was promoted to is over. */
  resign(who: T): void {
    this.entries.delete(who);
    if (this.last?.who === who) this.last = undefined;
  }

  /** `who` does not answer any more, or is not looked at. What it was promoted to may well go on without us. */
  lose(who: T): void {
    this.entries.delete(who);
  }

  /** The operator vouches for who is there now: what was before does not count. */
  forget(): void {
    this.last = undefined;
  }

  /** Everything that is known. */
  get state(): ElectionState<T> {
    return {
      entries: [...this.entries].map(([who, { claim, confirmed }]) => ({ who, claim, confirmed })),
      last: this.last,
    };
  }

  /** Know what another process knew. */
  restore({ entries, last }: ElectionState<T>): void {
    for (const { who, ...entry } of entries) this.entries.set(who, entry);
    this.last = last;
  }

  /** Those who say, or said last, that they are the primary. */
  get claimants(): readonly T[] {
    return [...this.entries.keys()];
  }

  /** Those who have said that they are the primary since there were several; empty when there are not. */
  get rivals(): readonly T[] {
    const sure = [...this.entries].filter(([, { confirmed }]) => confirmed).map(([who]) => who);
    return sure.length > 1 ? sure : [];
  }

  /** Who is taken; undefined when nobody says that it is a primary, or those who do are out of date. */
  winner(): T | undefined {
    const current = [...this.entries].filter(([who]) => this.newerThan(who) === undefined);
    const incumbent = current.find(([who]) => who === this.last?.who);
    let best = incumbent ?? current[0];
    if (incumbent === undefined) {
      for (const one of current) if (best !== undefined && isFurther(one[1].claim, best[1].claim)) best = one;
    }
    return best?.[0];
  }

  /** Why `who`, which says that it is a primary, is not to be taken for one; empty when it is. */
  objection(who: T, policy: SplitBrainPolicy): string {
    if (policy === 'all' || !this.entries.has(who)) return '';
    const newer = this.newerThan(who);
    if (newer !== undefined) return `it is out of date: ${newer.id} was promoted after it`;
    const { rivals } = this;
    if (policy === 'refuse' && rivals.includes(who)) {
      return `split brain: ${rivals.map(({ id }) => id).join(' and ')} say that they are the primary`;
    }
    const winner = this.winner();
    return winner === who || winner === undefined ? '' : `${winner.id} is the primary already`;
  }

  /** Who was promoted after `who`. */
  private newerThan(who: T): T | undefined {
    const { claim } = this.entries.get(who)!;
    for (const [other, entry] of this.entries) if (isNewer(entry.claim, claim)) return other;
    const { last } = this;
    return last !== undefined && last.who !== who && isNewer(last.claim, claim) ? last.who : undefined;
  }
}
