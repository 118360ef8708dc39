import { Lb4Error } from '../src/errors.js';
import { BoundedLoad } from './bounded-load.js';
import { type BuiltIn, withDefaults } from './builtin.js';
import { ClientHash, hashKeys, inAgreedOrder, mix, PREFIX_DEFAULTS } from './hash.js';
import { MAX_CANDIDATES, RendezvousTable } from './rendezvous.js';
import { firstAccepted } from './rotation.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';
import { isUnchanged, weightsOf } from './weights.js';

const SEED = 0x6c623421;
/** Groups looked at before the rest is asked one by one. */
const PROBES = 16;

/**
 * Consistent hash of the client address by weight: see RendezvousTable. A refused client goes to the candidate that
 * would own it if its own were lost, then on through other groups in an order given by its hash. O(1).
 */
class IpHash implements Strategy {
  private given: readonly Candidate[] = [];
  private givenWeights: Float64Array = new Float64Array(0);
  private candidates: readonly Candidate[] = [];
  private readonly table = new RendezvousTable();
  private readonly clients: ClientHash;
  private readonly bound: BoundedLoad | undefined;

  constructor(clients: ClientHash, bound: BoundedLoad | undefined) {
    this.clients = clients;
    this.bound = bound;
  }

  rebuild(candidates: readonly Candidate[]): void {
    const weights = weightsOf(candidates);
    if (isUnchanged(this.given, this.givenWeights, candidates, weights)) return;
    if (candidates.length > MAX_CANDIDATES) {
      throw new Lb4Error(
        'LB4_LIMIT',
        `ip-hash: expected at most ${MAX_CANDIDATES} backends, got ${candidates.length}`,
      );
    }
    this.given = candidates.slice();
    this.givenWeights = weights;
    this.candidates = inAgreedOrder(candidates);
    const ordered = weightsOf(this.candidates);
    if (candidates.length > 0) this.table.build(hashKeys(this.candidates, SEED), ordered);
    this.bound?.rebuild(this.candidates, ordered);
  }

  pick(flow: Flow, accept: Accept): Candidate | undefined {
    const { candidates, bound } = this;
    if (candidates.length === 0) return undefined;
    const hash = this.clients.of(flow);
    if (bound !== undefined) {
      bound.begin();
      const index = this.find(hash, accept, bound);
      if (index >= 0) {
        bound.took();
        return candidates[index];
      }
    }
    // No bound, or everyone within it refuses: a connection beyond the bound is better than none.
    const index = this.find(hash, accept, undefined);
    return index < 0 ? undefined : candidates[index];
  }

  private find(hash: number, accept: Accept, bound: BoundedLoad | undefined): number {
    const { first, second } = this.table;
    const { candidates } = this;
    let probe = hash;
    for (let i = 0; i < PROBES; i++) {
      const group = probe >>> 16;
      const owner = first[group]!;
      if ((bound === undefined || bound.hasRoom(owner)) && accept(candidates[owner]!)) return owner;
      const next = second[group]!;
      if ((bound === undefined || bound.hasRoom(next)) && accept(candidates[next]!)) return next;
      probe = mix(probe + SEED);
    }
    if (bound === undefined) return firstAccepted(candidates, hash % candidates.length, accept);
    bound.refresh();
    for (let i = 0, at = hash % candidates.length; i < candidates.length; i++) {
      if (bound.hasRoom(at) && accept(candidates[at]!)) return at;
      at = at + 1 === candidates.length ? 0 : at + 1;
    }
    return -1;
  }
}

export const IP_HASH_DEFAULTS = { ...PREFIX_DEFAULTS, load_factor: 0 };

export const ipHash: BuiltIn = {
  summary: 'consistent hash of the client address by weight',
  factory: context => {
    const { prefix4, prefix6, load_factor } = withDefaults(IP_HASH_DEFAULTS, context);
    return new IpHash(
      new ClientHash(prefix4, prefix6),
      load_factor > 0 ? new BoundedLoad(load_factor) : undefined,
    );
  },
};
