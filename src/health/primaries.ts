import type { Backend } from '../pool/backend.js';
import { Election, type ElectionState, type SplitBrainPolicy } from './election.js';
import type { Finding } from './finding.js';

/** Several servers say that they are the primary; or (`primaries` empty) no longer. */
export interface SplitBrain {
  /** Ids of those that say so. */
  readonly primaries: readonly string[];
  /** Ids of those among them that get connections. */
  readonly kept: readonly string[];
}

export interface PrimariesHooks {
  policy(): SplitBrainPolicy;
  /** Ask this one again now: what it said may be old. */
  hurry(backend: Backend): void;
  /** This one is not to be taken for the primary any more. */
  object(backend: Backend, reason: string): void;
  onSplitBrain(split: SplitBrain): void;
}

export interface PrimariesState {
  readonly election: ElectionState<number>;
  /** What was told of last. */
  readonly told: string;
}

/** The primaries of one service: there should be one. Follows what its servers say and tells who is not to be taken. */
export class Primaries {
  private readonly election = new Election<Backend>();
  private readonly hooks: PrimariesHooks;
  private told = '';

  constructor(hooks: PrimariesHooks) {
    this.hooks = hooks;
  }

  /** What is known, with the servers by their slots. */
  get state(): PrimariesState {
    return { election: relabel(this.election.state, ({ slot }) => slot), told: this.told };
  }

  /** Know what another process knew; `find` has the servers that are still there. */
  restore({ election, told }: PrimariesState, find: (slot: number) => Backend | undefined): void {
    this.election.restore(relabel(election, find));
    this.told = told;
  }

  /** A server answered. Returns why it is not to be taken for the primary, if it says that it is; else nothing. */
  heard(backend: Backend, { role, claim = {} }: Finding): string {
    if (role !== 'primary') {
      this.election.resign(backend);
      this.tell();
      return '';
    }
    for (const other of this.election.claim(backend, claim)) this.hooks.hurry(other);
    this.review(backend);
    return this.election.objection(backend, this.hooks.policy());
  }

  /** A server does not answer, or is not looked at. */
  lost(backend: Backend): void {
    this.election.lose(backend);
    this.tell();
  }

  /** A server is no longer one of the service's. */
  removed(backend: Backend): void {
    this.election.resign(backend);
    this.tell();
  }

  /** The operator brought a server back: what was before does not count against it. */
  vouched(): void {
    this.election.forget();
  }

  /** Look at all but `except` again: another one has spoken, or the policy is another one. */
  review(except?: Backend): void {
    const policy = this.hooks.policy();
    for (const backend of this.election.claimants) {
      const objection = backend === except ? '' : this.election.objection(backend, policy);
      if (objection !== '') this.hooks.object(backend, objection);
    }
    this.tell();
  }

  private tell(): void {
    const policy = this.hooks.policy();
    const { rivals } = this.election;
    const primaries = rivals.map(({ id }) => id).sort();
    const told = primaries.join(' ');
    if (told === this.told) return;
    this.told = told;
    const kept = rivals.filter(rival => this.election.objection(rival, policy) === '').map(({ id }) => id);
    this.hooks.onSplitBrain({ primaries, kept });
  }
}

/** The same about other names for the servers, without those that have none. */
function relabel<A, B>(
  { entries, last }: ElectionState<A>,
  name: (who: A) => B | undefined,
): ElectionState<B> {
  const known = entries.flatMap(({ who, ...entry }) => {
    const found = name(who);
    return found === undefined ? [] : [{ who: found, ...entry }];
  });
  const who = last === undefined ? undefined : name(last.who);
  return { entries: known, last: last === undefined || who === undefined ? undefined : { ...last, who } };
}
