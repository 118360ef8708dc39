import { mix } from './hash.js';
import { sum } from './weights.js';

/** 2^16 groups of clients: the upper half of a client's hash is its group. */
export const GROUPS = 65_536;
const NOBODY = 0xffff;
/** More candidates than this are not told apart. */
export const MAX_CANDIDATES = NOBODY;
/** Steps of a sequence that visits the 32-bit integers evenly (2^32 / golden ratio), mixed afterwards. */
const STEP = 0x9e3779b9;

/** Working space of `build`, which is not re-entrant: one for the thread. When each group was reached first, and second. */
const firstTime = new Float64Array(GROUPS);
const secondTime = new Float64Array(GROUPS);

/**
 * Weighted rendezvous hashing over 2^16 groups of clients.
 *
 * Rendezvous hashing (Thaler, Ravishankar 1998) lets every candidate bid for every group, and the best bid wins; with
 * weights a bid is an exponential random time divided by the weight, and the earliest wins (Schindelhauer, Schomaker
 * 2005). So a lost candidate moves only its own clients, back to where they were once it returns, and a weight that
 * grows only draws clients to that candidate. Done naively that is n × 2^16 bids. Here each candidate instead visits
 * random groups (from its key alone) at a pace given by its weight, which is the same race with the late bids
 * left out: about 2^16 × ln 2^16 visits, whatever n is.
 */
export class RendezvousTable {
  /** The candidate that owns each group. */
  readonly first = new Uint16Array(GROUPS);
  /** The one that would own it if the owner were lost; the owner itself where nobody else came by in time. */
  readonly second = new Uint16Array(GROUPS);

  /** Hashes and weights (> 0) of the candidates; at least one, at most MAX_CANDIDATES. */
  build(hashes: Int32Array, weights: Float64Array): void {
    this.first.fill(hashes.length === 1 ? 0 : NOBODY);
    this.second.fill(hashes.length === 1 ? 0 : NOBODY);
    if (hashes.length === 1) return;
    firstTime.fill(Number.POSITIVE_INFINITY);
    secondTime.fill(Number.POSITIVE_INFINITY);
    const visits = new Float64Array(hashes.length);
    // After ln(groups) + 3 visits to each group on average one in e^3 tables still has a gap.
    const round = (GROUPS * (Math.log(GROUPS) + 3)) / sum(weights);
    for (let until = round; this.first.includes(NOBODY); until += round / 4) {
      for (let i = 0; i < hashes.length; i++) {
        visits[i] = this.visit(i, hashes[i]!, weights[i]!, visits[i]!, until);
      }
    }
    for (let g = 0; g < GROUPS; g++) if (this.second[g] === NOBODY) this.second[g] = this.first[g]!;
  }

  /** Candidate `i` goes on from its visit number `visit` up to the time `until`; returns the next visit's number. */
  private visit(i: number, hash: number, weight: number, visit: number, until: number): number {
    const { first, second } = this;
    const offset = (mix(hash ^ STEP) >>> 0) / 2 ** 32;
    const pace = 1 / weight;
    for (;;) {
      const time = (visit + offset) * pace;
      if (time >= until) return visit;
      const group = mix((hash + Math.imul(visit, STEP)) | 0) >>> 16;
      visit += 1;
      if (time >= secondTime[group]! || first[group] === i) continue;
      if (time < firstTime[group]!) {
        secondTime[group] = firstTime[group]!;
        second[group] = first[group]!;
        firstTime[group] = time;
        first[group] = i;
      } else {
        secondTime[group] = time;
        second[group] = i;
      }
    }
  }
}
