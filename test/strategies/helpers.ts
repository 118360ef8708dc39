import { Peer } from '../../src/address.js';
import { type StrategyName, strategies } from '../../strategies/index.js';
import type { Accept, Candidate, Flow, Strategy } from '../../strategies/strategy.js';

const SLOTS = 2048;

/** A candidate on a table like the real one: counters and latencies in shared memory. */
export class FakeCandidate implements Candidate {
  readonly id: string;
  readonly key: string;
  readonly slot: number;
  readonly counters: Int32Array;
  readonly latencies: Float64Array;
  weight: number;

  constructor(key: string, weight: number, slot: number, counters: Int32Array, latencies: Float64Array) {
    this.id = key;
    this.key = key;
    this.weight = weight;
    this.slot = slot;
    this.counters = counters;
    this.latencies = latencies;
  }

  get active(): number {
    return this.counters[this.slot]!;
  }

  set active(value: number) {
    this.counters[this.slot] = value;
  }

  get latency(): number {
    return this.latencies[this.slot]!;
  }

  set latency(value: number) {
    this.latencies[this.slot] = value;
  }
}

/** Candidates `10.0.x.y:80` with these weights, all idle, in slots with gaps between them. */
export function fleet(weights: readonly number[]): FakeCandidate[] {
  const counters = new Int32Array(new SharedArrayBuffer(SLOTS * 4));
  const latencies = new Float64Array(new SharedArrayBuffer(SLOTS * 8));
  return weights.map(
    (weight, i) =>
      new FakeCandidate(`10.0.${i >> 8}.${i & 255}:80`, weight, (i * 2 + 1) % SLOTS, counters, latencies),
  );
}

export function equal(count: number): FakeCandidate[] {
  return fleet(new Array<number>(count).fill(1));
}

/** Mulberry32 (T. Ettinger, public domain): a seeded generator of numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function make(name: StrategyName, options: Record<string, unknown> = {}, seed = 1): Strategy {
  return strategies[name].factory({ options, random: seeded(seed) });
}

export const anyone: Accept = () => true;
export const nobody: Accept = () => false;

/** Where the picked one is in the list; -1 for none. */
export function indexOf(candidates: readonly Candidate[], picked: Candidate | undefined): number {
  return picked === undefined ? -1 : candidates.indexOf(picked);
}

/** Client number n, spread over the IPv4 space. */
export function client(n: number): Flow {
  return new Peer().setV4((n * 2654435761) >>> 0, 1024 + (n % 60_000));
}

export function client6(...words: [number, number, number, number]): Flow {
  return new Peer().setV6(...words, 4711);
}

/** How often each candidate is picked in `picks` picks by as many clients; `use` sees each pick. */
export function tally(
  strategy: Strategy,
  candidates: readonly Candidate[],
  picks: number,
  use: (candidate: Candidate) => void = () => {},
): number[] {
  const index = new Map(candidates.map((candidate, i) => [candidate, i]));
  const counts = candidates.map(() => 0);
  for (let n = 0; n < picks; n++) {
    const picked = strategy.pick(client(n), anyone);
    if (picked === undefined) throw new Error('expected a pick, got undefined');
    const i = index.get(picked);
    if (i === undefined) throw new Error(`expected one of the candidates, got ${picked.id}`);
    counts[i]! += 1;
    use(picked);
  }
  return counts;
}
