import t from 'tap';
import { IndexHeap } from '../../strategies/heap.js';
import type { Candidate } from '../../strategies/strategy.js';
import { anyone, client, equal, type FakeCandidate, fleet, make, seeded, tally } from './helpers.js';

const CLIENTS = 20_000;

function homes(strategy: ReturnType<typeof make>): Candidate[] {
  return Array.from({ length: CLIENTS }, (_, n) => strategy.pick(client(n), anyone)!);
}

t.test('ip-hash', async t => {
  t.test('a greater weight only draws clients, a smaller one only sends them away', async t => {
    const candidates = fleet([1, 2, 3, 4]);
    const strategy = make('ip-hash');
    strategy.rebuild(candidates);
    const before = homes(strategy);
    candidates[1]!.weight = 5;
    strategy.rebuild(candidates);
    const after = homes(strategy);
    t.ok(after.every((home, n) => home === before[n] || home === candidates[1]));
    t.ok(after.filter(home => home === candidates[1]).length > CLIENTS / 3);
    candidates[1]!.weight = 2;
    strategy.rebuild(candidates);
    t.ok(homes(strategy).every((home, n) => home === before[n]));
  });

  t.test('a refused client goes where it would go if its backend were lost', async t => {
    const candidates = equal(10);
    const strategy = make('ip-hash');
    strategy.rebuild(candidates);
    const before = homes(strategy);
    const refused = before.map((home, n) => strategy.pick(client(n), candidate => candidate !== home));
    let same = 0;
    for (const lost of candidates) {
      strategy.rebuild(candidates.filter(candidate => candidate !== lost));
      for (let n = 0; n < CLIENTS; n++) {
        if (before[n] === lost && strategy.pick(client(n), anyone) === refused[n]) same += 1;
      }
    }
    t.ok(same > 0.999 * CLIENTS, `${same} of ${CLIENTS}`);
  });

  t.test('the clients of a lost backend spread over all the others', async t => {
    const candidates = equal(20);
    const strategy = make('ip-hash');
    strategy.rebuild(candidates);
    const before = homes(strategy);
    strategy.rebuild(candidates.slice(1));
    const moved = homes(strategy).filter((_, n) => before[n] === candidates[0]);
    const heirs = candidates.slice(1).map(heir => moved.filter(home => home === heir).length);
    t.ok(Math.min(...heirs) > moved.length / 19 / 2, heirs.join(' '));
  });

  t.test('extreme weights', async t => {
    const candidates = fleet([1e6, 0.01, 1]);
    for (const name of ['ip-hash', 'maglev'] as const) {
      const strategy = make(name);
      strategy.rebuild(candidates);
      t.ok(tally(strategy, candidates, 5000)[0]! > 4990, name);
    }
  });
});

t.test('load_factor', async t => {
  const crowded = () => client(42);

  t.test('holds for one address behind which everybody sits', async t => {
    for (const factor of [1.1, 1.25, 2]) {
      const weights = [1, 1, 2, 4];
      const candidates = fleet(weights);
      const strategy = make('ip-hash', { load_factor: factor });
      strategy.rebuild(candidates);
      for (let open = 1; open <= 1000; open++) {
        const picked = strategy.pick(crowded(), anyone) as FakeCandidate;
        picked.active += 1;
        const limit = Math.ceil((factor * open * picked.weight) / 8);
        if (picked.active > limit) t.fail(`${picked.active} above ${limit} with ${open} open`);
      }
      t.ok(Math.max(...candidates.map(({ active }) => active)) > 100 * factor, 'and the bound is used');
    }
  });

  t.test('holds with connections that come and go', async t => {
    const candidates = equal(20);
    const strategy = make('ip-hash', { load_factor: 1.25 });
    strategy.rebuild(candidates);
    const random = seeded(5);
    const open: FakeCandidate[] = [];
    let worst = 0;
    for (let n = 0; n < 20_000; n++) {
      const picked = strategy.pick(random() < 0.5 ? crowded() : client(n), anyone) as FakeCandidate;
      picked.active += 1;
      open.push(picked);
      if (open.length > 400) {
        const ended = open.splice(Math.floor(random() * open.length), 1)[0]!;
        ended.active -= 1;
      }
      worst = Math.max(worst, ...candidates.map(({ active }) => active));
    }
    // 25 for everybody's 20, and one more for the five picks between two counts of the total.
    t.ok(worst <= 26, `${worst}`);
  });

  t.test('a pick counts at once, not only when connections are added up again', async t => {
    const candidates = equal(40);
    const strategy = make('ip-hash', { load_factor: 10 });
    strategy.rebuild(candidates);
    for (let n = 0; n < 10; n++) (strategy.pick(crowded(), anyone) as FakeCandidate).active += 1;
    // Room for one at first, for two with 4 open, for three with 8 open.
    t.equal(Math.max(...candidates.map(({ active }) => active)), 3);
  });

  t.test('off by default and with 0', async t => {
    for (const options of [{}, { load_factor: 0 }]) {
      const candidates = equal(4);
      const strategy = make('ip-hash', options);
      strategy.rebuild(candidates);
      for (let n = 0; n < 100; n++) (strategy.pick(crowded(), anyone) as FakeCandidate).active += 1;
      t.equal(Math.max(...candidates.map(({ active }) => active)), 100);
    }
  });

  t.test('is passed over when all within it refuse', async t => {
    const candidates = equal(4);
    for (const candidate of candidates.slice(1)) candidate.active = 1;
    candidates[0]!.active = 100;
    const strategy = make('ip-hash', { load_factor: 1.25 });
    strategy.rebuild(candidates);
    t.equal(
      strategy.pick(crowded(), candidate => candidate === candidates[0]),
      candidates[0],
    );
  });
});

t.test('maglev goes on around the end of its table', async t => {
  const candidates = equal(200);
  const strategy = make('maglev');
  strategy.rebuild(candidates);
  const asked = new Set<Candidate | undefined>();
  for (let n = 0; n < CLIENTS; n++) {
    strategy.pick(client(n), candidate => {
      asked.add(candidate);
      return candidate === candidates[7];
    });
  }
  t.equal(asked.size, 200);
  t.notOk(asked.has(undefined));
});

t.test('maglev spreads evenly', async t => {
  // 65,537 entries over 100 backends differ by one entry at most; what is left is the clients' own randomness.
  const candidates = equal(100);
  const strategy = make('maglev');
  strategy.rebuild(candidates);
  const counts = tally(strategy, candidates, 200_000);
  t.ok(Math.max(...counts) < 2000 + 5 * Math.sqrt(2000), `${Math.max(...counts)}`);
  t.ok(Math.min(...counts) > 2000 - 5 * Math.sqrt(2000), `${Math.min(...counts)}`);
});

t.test('the heap gives numbers back in order of their keys', async t => {
  const random = seeded(11);
  for (let round = 0; round < 50; round++) {
    const heap = new IndexHeap(64);
    const keys = Array.from({ length: 64 }, () => Math.floor(random() * 20));
    for (const [item, key] of keys.entries()) heap.push(item, key);
    const gone = new Set([...keys.keys()].filter(() => random() < 0.4));
    for (const item of gone) heap.remove(item);
    for (const item of gone) heap.remove(item);
    const expected = [...keys.keys()].filter(item => !gone.has(item));
    expected.sort((a, b) => keys[a]! - keys[b]! || a - b);
    const found: number[] = [];
    while (heap.size > 0) {
      t.equal(heap.topKey, keys[heap.top]);
      found.push(heap.top);
      heap.remove(heap.top);
    }
    t.same(found, expected);
  }
});
