import fc from 'fast-check';
import type { Test } from 'tap';
import { Peer } from '../../src/address.js';
import type { StrategyName } from '../../strategies/index.js';
import type { Candidate, Flow } from '../../strategies/strategy.js';
import {
  anyone,
  client,
  client6,
  equal,
  type FakeCandidate,
  fleet,
  indexOf,
  make,
  nobody,
  seeded,
  tally,
} from './helpers.js';

/** What holds for a strategy beyond what holds for all of them. */
export interface Traits {
  /** Picks are in proportion to the weights while the backends are idle (`idle`) or equally loaded (`loaded`). */
  readonly weights: 'idle' | 'loaded' | 'ignored';
  /** The same client gets the same backend; a lost backend moves no more than this share of other clients. */
  readonly affinity?: { readonly collateral: number };
  /** Everybody gets something. */
  readonly everybody: boolean;
  /** Goes on where it was after a rebuild: the sequence without rebuilds is the same. */
  readonly position: boolean;
}

const RUNS = { numRuns: 40 };
const weightList = fc.array(fc.double({ min: 0.01, max: 50, noNaN: true }), { minLength: 1, maxLength: 40 });

/** The tests that every strategy must pass. */
export function suite(
  t: Test,
  name: StrategyName,
  traits: Traits,
  options: Record<string, unknown> = {},
): void {
  t.test('an empty list, before the first rebuild and after one', async t => {
    const strategy = make(name, options);
    t.equal(strategy.pick(client(1), anyone), undefined);
    strategy.rebuild([]);
    t.equal(strategy.pick(client(1), anyone), undefined);
    strategy.rebuild(equal(3));
    t.ok(strategy.pick(client(1), anyone));
    strategy.rebuild([]);
    t.equal(strategy.pick(client(1), anyone), undefined);
  });

  t.test('a single candidate gets everything', async t => {
    const candidates = fleet([0.3]);
    const strategy = make(name, options);
    strategy.rebuild(candidates);
    t.same(tally(strategy, candidates, 100), [100]);
  });

  t.test('all refused is undefined, and the next pick is fine', async () => {
    fc.assert(
      fc.property(weightList, weights => {
        const strategy = make(name, options);
        strategy.rebuild(fleet(weights));
        for (let n = 0; n < 5; n++) if (strategy.pick(client(n), nobody) !== undefined) return false;
        return strategy.pick(client(9), anyone) !== undefined;
      }),
      RUNS,
    );
  });

  t.test('finds the only one that is accepted', async t => {
    fc.assert(
      fc.property(weightList, fc.nat(), (weights, which) => {
        const candidates = fleet(weights);
        const only = candidates[which % candidates.length]!;
        const strategy = make(name, options, which);
        strategy.rebuild(candidates);
        for (let n = 0; n < 20; n++) {
          only.active += 1;
          if (strategy.pick(client(n), candidate => candidate === only) !== only) return false;
        }
        return true;
      }),
      RUNS,
    );
    const candidates = equal(1000);
    const strategy = make(name, options);
    strategy.rebuild(candidates);
    for (const only of [candidates[0], candidates[499], candidates[999]]) {
      t.equal(
        strategy.pick(client(7), candidate => candidate === only),
        only,
        '1 of 1,000',
      );
    }
  });

  t.test('only current candidates that are accepted, whatever happens to the list', async () => {
    const steps = fc.array(fc.record({ present: fc.nat(), full: fc.nat(), seed: fc.nat() }), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(weightList, steps, (weights, list) => {
        const candidates = fleet(weights);
        const strategy = make(name, options);
        for (const { present, full, seed } of list) {
          const among = seeded(present);
          const current = new Set<Candidate>(candidates.filter(() => among() < 0.7));
          for (const candidate of current) (candidate as FakeCandidate).weight = 0.01 + among() * 9;
          strategy.rebuild([...current]);
          const some = seeded(full);
          const taken = new Set<Candidate>(candidates.filter(() => some() < 0.5));
          for (let n = 0; n < 10; n++) {
            const picked = strategy.pick(client(seed + n), candidate => !taken.has(candidate));
            if (picked === undefined) {
              if ([...current].some(candidate => !taken.has(candidate))) return false;
            } else if (!current.has(picked) || taken.has(picked)) return false;
          }
        }
        return true;
      }),
      RUNS,
    );
  });

  t.test('does not change the list that it is given', async t => {
    const candidates = fleet([3, 1, 2]).reverse();
    const before = [...candidates];
    const strategy = make(name, options);
    strategy.rebuild(Object.freeze(candidates));
    tally(strategy, candidates, 10);
    t.ok(candidates.every((candidate, i) => candidate === before[i]));
  });

  if (traits.everybody) {
    t.test('nobody starves, by weight or by number', async t => {
      for (const candidates of [fleet([20, 1, 1, 0.5]), equal(100)]) {
        const strategy = make(name, options);
        strategy.rebuild(candidates);
        const counts = tally(strategy, candidates, 4000, use);
        t.ok(Math.min(...counts) > 0, counts.join(' '));
      }
    });
  }

  if (traits.weights !== 'ignored') {
    t.test('in proportion to the weights', async t => {
      for (const weights of [[1, 1, 1], [5, 1, 1], [3, 2.5, 0.5, 4], new Array<number>(50).fill(2)]) {
        const candidates = fleet(weights);
        const strategy = make(name, options);
        strategy.rebuild(candidates);
        const picks = 40_000;
        const counts = tally(strategy, candidates, picks, traits.weights === 'loaded' ? use : undefined);
        const total = weights.reduce((a, b) => a + b);
        for (const [i, weight] of weights.entries()) {
          const share = weight / total;
          // Five standard deviations of a binomial, plus as much for tables with 65,536 random entries.
          const slack = 5 * Math.sqrt(picks * share) + 5 * picks * Math.sqrt(share / 65_536);
          t.ok(
            Math.abs(counts[i]! - picks * share) < slack,
            `${counts[i]} of ${picks}, weight ${weight}/${total}`,
          );
        }
      }
    });
  }

  if (traits.position) {
    t.test('a rebuild with the same list changes nothing', async t => {
      const weights = [5, 1, 1, 2.5];
      const [left, right] = [fleet(weights), fleet(weights)];
      const still = make(name, options, 3);
      const rebuilt = make(name, options, 3);
      still.rebuild(left);
      for (let n = 0; n < 200; n++) {
        rebuilt.rebuild(right);
        t.equal(rebuilt.pick(client(n), anyone)?.id, still.pick(client(n), anyone)?.id);
      }
    });

    t.test('a flap at every pick does not favour the first backend', async t => {
      const candidates = equal(5);
      const strategy = make(name, options);
      strategy.rebuild(candidates);
      const counts = candidates.map(() => 0);
      for (let n = 0; n < 500; n++) {
        strategy.rebuild(candidates.filter((_, i) => i !== 4));
        strategy.rebuild(candidates);
        const picked = strategy.pick(client(n), anyone)!;
        counts[indexOf(candidates, picked)]! += 1;
      }
      const steady = counts.slice(0, 4);
      t.ok(Math.max(...steady) - Math.min(...steady) <= 5, counts.join(' '));
    });
  }

  if (traits.affinity) affinity(t, name, traits.affinity.collateral, options);
}

function use(candidate: Candidate): void {
  (candidate as FakeCandidate).active += 1;
}

function affinity(t: Test, name: StrategyName, collateral: number, options: Record<string, unknown>): void {
  const clients = 20_000;
  const picks = (candidates: readonly Candidate[]) => {
    const strategy = make(name, options, Math.trunc(Math.random() * 1e9));
    strategy.rebuild(candidates);
    return Array.from({ length: clients }, (_, n) => strategy.pick(client(n), anyone)!.id);
  };

  t.test('a client stays where it is, whatever its port', async t => {
    const candidates = fleet([1, 2, 3, 4]);
    const strategy = make(name, options);
    strategy.rebuild(candidates);
    for (let n = 0; n < 200; n++) {
      const flow = client(n);
      t.equal(strategy.pick(flow, anyone), strategy.pick({ ...flow, port: 1, address: '' }, anyone));
    }
  });

  t.test('two instances given the list in another order agree', async t => {
    const candidates = fleet(Array.from({ length: 30 }, (_, i) => 1 + (i % 7) / 2));
    const shuffled = [...candidates].reverse();
    shuffled.push(...shuffled.splice(3, 11));
    const there = picks(shuffled);
    t.ok(picks(candidates).every((id, n) => id === there[n]));
  });

  t.test('a lost backend moves its own clients, and they come back', async t => {
    for (const weights of [[1, 1, 1], [1, 5, 2, 0.25], new Array<number>(100).fill(3)]) {
      for (const lost of [0, 1]) {
        const candidates = fleet(weights);
        const before = picks(candidates);
        const strategy = make(name, options);
        strategy.rebuild(candidates);
        strategy.rebuild(candidates.filter((_, i) => i !== lost));
        let moved = 0;
        let dead = 0;
        for (let n = 0; n < clients; n++) {
          const now = strategy.pick(client(n), anyone)!.id;
          if (now === candidates[lost]!.id) dead += 1;
          if (before[n] !== candidates[lost]!.id && now !== before[n]) moved += 1;
        }
        t.equal(dead, 0, 'nobody is sent to the lost one');
        t.ok(moved <= clients * collateral, `${moved} of ${clients} others moved`);
        strategy.rebuild([...candidates.slice(1), candidates[0]!]);
        const after = Array.from({ length: clients }, (_, n) => strategy.pick(client(n), anyone)!.id);
        t.ok(
          after.every((id, n) => id === before[n]),
          'all are back',
        );
      }
    }
  });

  t.test('prefixes group networks', async t => {
    const candidates = equal(50);
    const wide = make(name, { ...options, prefix4: 24, prefix6: 48 });
    const usual = make(name, options);
    wide.rebuild(candidates);
    usual.rebuild(candidates);
    const spread = (strategy: typeof wide, flows: readonly Flow[]) =>
      new Set(flows.map(flow => strategy.pick(flow, anyone))).size;
    const range = Array.from({ length: 100 }, (_, i) => i);
    const neighbours4 = range.map(i => new Peer().setV4(0x0a000100 + i, 4711));
    const hosts6 = range.map(i => client6(0x20010db8, 0x00010002, i * 77, i));
    const subnets6 = range.map(i => client6(0x20010db8, 0x00010000 + i, 0, 1));
    t.equal(spread(wide, neighbours4), 1, 'one /24');
    t.ok(spread(usual, neighbours4) > 30, 'by default every IPv4 address for itself');
    t.equal(spread(usual, hosts6), 1, 'by default one /64');
    t.ok(spread(usual, subnets6) > 30, 'by default every /64 for itself');
    t.equal(spread(wide, subnets6), 1, 'one /48');
    const all = make(name, { ...options, prefix4: 0, prefix6: 0 });
    all.rebuild(candidates);
    t.equal(spread(all, range.map(client)), 1, 'prefix4 = 0');
  });

  t.test('two backends with one address both get their share', async t => {
    const candidates = fleet([1, 1, 1]);
    const twin = { ...candidates[0]!, key: candidates[1]!.key, id: 'twin', weight: 1, active: 0, latency: 0 };
    const strategy = make(name, options);
    const list = [...candidates.slice(1), twin];
    strategy.rebuild(list);
    t.ok(Math.min(...tally(strategy, list, 6000)) > 1500);
  });
}
