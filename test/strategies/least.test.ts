import fc from 'fast-check';
import t from 'tap';
import type { Candidate } from '../../strategies/strategy.js';
import { anyone, client, equal, type FakeCandidate, fleet, make, tally } from './helpers.js';

const connect = (candidate: Candidate) => {
  (candidate as FakeCandidate).active += 1;
};

/** The same candidates without the raw arrays, as a user's program might make them. */
function plain(candidates: readonly FakeCandidate[]): Candidate[] {
  return candidates.map(candidate => ({
    id: candidate.id,
    slot: candidate.slot,
    key: candidate.key,
    weight: candidate.weight,
    get active() {
      return candidate.active;
    },
    get latency() {
      return candidate.latency;
    },
  }));
}

t.test('least-connections', async t => {
  t.test('ties rotate', async t => {
    const candidates = equal(4);
    const strategy = make('least-connections');
    strategy.rebuild(candidates);
    t.same(tally(strategy, candidates, 40), [10, 10, 10, 10]);
  });

  t.test('levels unequal backends, by weight', async t => {
    const candidates = fleet([1, 1, 2, 0.5]);
    candidates[0]!.active = 57;
    candidates[2]!.active = 20;
    const strategy = make('least-connections');
    strategy.rebuild(candidates);
    tally(strategy, candidates, 373, connect);
    t.same(
      candidates.map(({ active }) => active),
      [100, 100, 200, 50],
    );
  });

  t.test('always the least of those accepted, with raw counters and with getters', async () => {
    const lists = fc.array(
      fc.record({ active: fc.nat({ max: 9 }), weight: fc.integer({ min: 1, max: 4 }), full: fc.boolean() }),
      { minLength: 1, maxLength: 20 },
    );
    fc.assert(
      fc.property(lists, fc.boolean(), (list, raw) => {
        const fakes = fleet(list.map(({ weight }) => weight));
        for (const [i, { active }] of list.entries()) fakes[i]!.active = active;
        const candidates: readonly Candidate[] = raw ? fakes : plain(fakes);
        const strategy = make('least-connections');
        strategy.rebuild(candidates);
        const full = new Set(candidates.filter((_, i) => list[i]!.full));
        const open = candidates.filter(candidate => !full.has(candidate));
        for (let n = 0; n < 5; n++) {
          const picked = strategy.pick(client(n), candidate => !full.has(candidate));
          if (picked === undefined) return open.length === 0;
          const load = ({ active, weight }: Candidate) => active / weight;
          if (load(picked) > Math.min(...open.map(load)) + 1e-9) return false;
          fakes[candidates.indexOf(picked)]!.active += 1;
        }
        return true;
      }),
    );
  });

  t.test('counters in two different tables', async t => {
    const [one, other] = [equal(2), equal(2)];
    one[0]!.active = 3;
    one[1]!.active = 9;
    other[1]!.active = 2;
    const candidates = [one[0]!, other[1]!];
    const strategy = make('least-connections');
    strategy.rebuild(candidates);
    t.equal(strategy.pick(client(0), anyone), other[1]);
  });

  t.test('a mixed list reads the getters', async t => {
    const fakes = equal(3);
    const candidates = [fakes[0]!, ...plain(fakes.slice(1))];
    fakes[0]!.active = 3;
    fakes[1]!.active = 2;
    const strategy = make('least-connections');
    strategy.rebuild(candidates);
    t.equal(strategy.pick(client(0), anyone), candidates[2]);
  });
});

t.test('least-response-time', async t => {
  const timed = (...latencies: number[]) => {
    const candidates = equal(latencies.length);
    for (const [i, latency] of latencies.entries()) candidates[i]!.latency = latency;
    return candidates;
  };

  t.test('prefers the fast one until its queue costs as much', async t => {
    const candidates = timed(1, 4);
    const strategy = make('least-response-time');
    strategy.rebuild(candidates);
    tally(strategy, candidates, 100, connect);
    t.ok(candidates[0]!.active >= 76 && candidates[0]!.active <= 84, `${candidates[0]!.active} of 100`);
  });

  t.test('weight counts', async t => {
    const candidates = timed(2, 2);
    candidates[1]!.weight = 3;
    const strategy = make('least-response-time');
    strategy.rebuild(candidates);
    tally(strategy, candidates, 100, connect);
    t.ok(candidates[1]!.active >= 72 && candidates[1]!.active <= 78, `${candidates[1]!.active} of 100`);
  });

  t.test('sees a change of response time within a few picks', async t => {
    const candidates = timed(...new Array<number>(100).fill(5));
    const strategy = make('least-response-time');
    strategy.rebuild(candidates);
    tally(strategy, candidates, 50);
    for (const candidate of candidates) candidate.latency = 50;
    candidates[70]!.latency = 1;
    tally(strategy, candidates, 16);
    t.equal(tally(strategy, candidates, 10)[70], 10);
  });

  t.test('an unknown one is tried at once, and does not get everything for ever', async t => {
    const candidates = timed(2, 0, 3);
    const strategy = make('least-response-time');
    strategy.rebuild(candidates);
    const early = tally(strategy, candidates, 4);
    t.ok(early[1]! >= 1, early.join(' '));
    const late = tally(strategy, candidates, 1000);
    t.ok(late[1]! < 600, `idle, never known: ${late.join(' ')}`);
    const held = tally(strategy, candidates, 300, connect);
    t.ok(held[1]! < 150, `held open, never known: ${held.join(' ')}`);
  });

  t.test('all unknown is like least-connections', async t => {
    const candidates = equal(3);
    candidates[0]!.active = 30;
    const strategy = make('least-response-time');
    strategy.rebuild(candidates);
    tally(strategy, candidates, 60, connect);
    // One left out for a while counts as a little faster, hence not 30 each.
    for (const { active } of candidates) t.ok(Math.abs(active - 30) <= 2, `${active}`);
  });

  t.test('a slow one is looked at again, the more seldom the slower it is', async t => {
    const candidates = timed(1, 10, 1000);
    const strategy = make('least-response-time');
    strategy.rebuild(candidates);
    const counts = tally(strategy, candidates, 400_000);
    t.ok(counts[1]! > 50 && counts[1]! < 4000, counts.join(' '));
    t.ok(counts[2]! >= 1 && counts[2]! < 20, counts.join(' '));
  });

  t.test('getters do as well as raw arrays', async t => {
    const fakes = timed(9, 1, 9);
    const strategy = make('least-response-time');
    const candidates = plain(fakes);
    strategy.rebuild(candidates);
    t.same(tally(strategy, candidates, 20), [0, 20, 0]);
  });
});

t.test('two-choices', async t => {
  t.test('keeps loads level, by weight', async t => {
    const candidates = fleet([1, 1, 1, 1, 2, 2, 2, 2]);
    const strategy = make('two-choices');
    strategy.rebuild(candidates);
    tally(strategy, candidates, 12_000, connect);
    for (const { active, weight } of candidates) t.ok(Math.abs(active / weight - 1000) < 12, `${active}`);
  });

  t.test('of two the less loaded always wins', async t => {
    const candidates = fleet([1, 1000]);
    candidates[1]!.active = 5000;
    const strategy = make('two-choices');
    strategy.rebuild(candidates);
    t.same(tally(strategy, candidates, 200), [200, 0]);
  });
});
