import { Lb4Error } from '../src/errors.js';
import { type BuiltIn, withDefaults } from './builtin.js';
import { ClientHash, hashKeys, inAgreedOrder, PREFIX_DEFAULTS } from './hash.js';
import { firstAccepted } from './rotation.js';
import type { Accept, Candidate, Flow, Strategy } from './strategy.js';
import { isUnchanged, weightsOf } from './weights.js';

/** Entries of the table; prime, so that any step visits all of them. */
const SIZE = 65_537;
const NOBODY = 0xffff;
/** Entries looked at before the rest is asked one by one. */
const PROBES = 32;

/**
 * Maglev's look-up table (D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI
 * 2016): every candidate has its own order of the entries and they take turns to claim their next free one. With
 * weights a candidate takes weight / greatest weight turns a round, as in Envoy, and at least one altogether. O(1).
 */
class Maglev implements Strategy {
  private given: readonly Candidate[] = [];
  private givenWeights: Float64Array = new Float64Array(0);
  private candidates: readonly Candidate[] = [];
  private readonly table = new Uint16Array(SIZE);
  private readonly clients: ClientHash;

  constructor(clients: ClientHash) {
    this.clients = clients;
  }

  rebuild(candidates: readonly Candidate[]): void {
    const weights = weightsOf(candidates);
    if (isUnchanged(this.given, this.givenWeights, candidates, weights)) return;
    if (candidates.length > NOBODY) {
      throw new Lb4Error(
        'LB4_LIMIT',
        `maglev: expected at most ${NOBODY} backends, got ${candidates.length}`,
      );
    }
    this.given = candidates.slice();
    this.givenWeights = weights;
    this.candidates = inAgreedOrder(candidates);
    if (candidates.length > 0) fill(this.table, this.candidates);
  }

  pick(flow: Flow, accept: Accept): Candidate | undefined {
    const { candidates, table } = this;
    if (candidates.length === 0) return undefined;
    const hash = this.clients.of(flow);
    let entry = hash % SIZE;
    for (let probe = 0; probe < PROBES; probe++) {
      const candidate = candidates[table[entry]!]!;
      if (accept(candidate)) return candidate;
      entry = entry + 1 === SIZE ? 0 : entry + 1;
    }
    const index = firstAccepted(candidates, hash % candidates.length, accept);
    return index < 0 ? undefined : candidates[index];
  }
}

/**
 * Fill the table. Whose turn it is in a round is kept in a calendar (a list for each round), because asking everybody
 * in every round would be slow where one weight is far above the others.
 */
function fill(table: Uint16Array, ordered: readonly Candidate[]): void {
  const count = ordered.length;
  const weights = weightsOf(ordered);
  const greatest = weights.reduce((a, b) => Math.max(a, b));
  const entries = hashKeys(ordered, 0x6d61676c).map(hash => (hash >>> 0) % SIZE);
  const steps = hashKeys(ordered, 0x65760001).map(hash => ((hash >>> 0) % (SIZE - 1)) + 1);
  // A list's head by round, and the next in the list by candidate. The greatest weight has a turn in every round and
  // each turn fills an entry, so there are at most SIZE rounds.
  const heads = new Int32Array(SIZE + 1).fill(-1);
  const nexts = new Int32Array(count).fill(-1);
  const turns = new Float64Array(count);
  for (let i = count - 1; i >= 0; i--) {
    nexts[i] = heads[0]!;
    heads[0] = i;
  }
  table.fill(NOBODY);
  let filled = 0;
  for (let round = 0; ; round++) {
    for (let i = heads[round]!; i >= 0; ) {
      let entry = entries[i]!;
      const step = steps[i]!;
      while (table[entry] !== NOBODY) {
        entry += step;
        if (entry >= SIZE) entry -= SIZE;
      }
      table[entry] = i;
      entries[i] = entry;
      if (++filled === SIZE) return;
      const following = nexts[i]!;
      turns[i] = turns[i]! + greatest / weights[i]!;
      const due = Math.max(round + 1, Math.round(turns[i]!));
      if (due <= SIZE) {
        nexts[i] = heads[due]!;
        heads[due] = i;
      }
      i = following;
    }
  }
}

export const maglev: BuiltIn = {
  summary: 'Maglev table: a hash of the client address, evenest spread, O(1) at any size',
  factory: context => {
    const { prefix4, prefix6 } = withDefaults(PREFIX_DEFAULTS, context);
    return new Maglev(new ClientHash(prefix4, prefix6));
  },
};
