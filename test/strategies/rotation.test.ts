import fc from 'fast-check';
import t from 'tap';
import type { Strategy } from '../../strategies/strategy.js';
import { anyone, client, equal, fleet, indexOf, make, tally } from './helpers.js';

function sequence(strategy: Strategy, length: number): string {
  let text = '';
  for (let n = 0; n < length; n++) text += strategy.pick(client(n), anyone)!.id.charAt(7);
  return text;
}

t.test('round-robin', async t => {
  t.test('rotates strictly and ignores weights', async t => {
    const strategy = make('round-robin');
    strategy.rebuild(fleet([9, 1, 1]));
    t.equal(sequence(strategy, 7), '0120120');
  });

  t.test('goes on after a loss and a return', async t => {
    const [a, b, c] = equal(3) as [never, never, never];
    const strategy = make('round-robin');
    strategy.rebuild([a, b, c]);
    t.equal(sequence(strategy, 2), '01');
    strategy.rebuild([b, c]);
    t.equal(sequence(strategy, 1), '2');
    strategy.rebuild([a, b, c]);
    t.equal(sequence(strategy, 1), '1', 'where it would have gone on without the returned one');
    strategy.rebuild([a, b]);
    t.equal(sequence(strategy, 1), '0', 'the one whose turn it was is gone: the next survivor');
  });

  t.test('a refused candidate loses its turn only', async t => {
    const candidates = equal(3);
    const strategy = make('round-robin');
    strategy.rebuild(candidates);
    t.equal(
      strategy.pick(client(0), c => c !== candidates[0]),
      candidates[1],
    );
    t.equal(sequence(strategy, 3), '201');
  });
});

t.test('first', async t => {
  const candidates = fleet([1, 9, 5]).reverse();
  const strategy = make('first');
  strategy.rebuild(candidates);
  t.same(tally(strategy, candidates, 10), [10, 0, 0], 'in the order given, not by key or weight');
  t.equal(
    strategy.pick(client(0), c => c !== candidates[0]),
    candidates[1],
  );
});

t.test('weighted-round-robin', async t => {
  t.test('5,1,1 is smooth and exact', async t => {
    const strategy = make('weighted-round-robin');
    strategy.rebuild(fleet([5, 1, 1]));
    t.equal(sequence(strategy, 21), '0100200'.repeat(3));
  });

  t.test('equal weights rotate in order', async t => {
    const strategy = make('weighted-round-robin');
    strategy.rebuild(fleet([0.1, 0.1, 0.1, 0.1]));
    t.equal(sequence(strategy, 12), '012301230123');
  });

  t.test('exact over any whole cycle of whole weights', async () => {
    const wholes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(wholes, fc.nat({ max: 500 }), (weights, skip) => {
        const candidates = fleet(weights);
        const strategy = make('weighted-round-robin');
        strategy.rebuild(candidates);
        tally(strategy, candidates, skip);
        const cycle = weights.reduce((a, b) => a + b);
        const counts = tally(strategy, candidates, cycle);
        return counts.every((count, i) => count === weights[i]);
      }),
    );
  });

  t.test('never more than one turn ahead or behind, fractions included', async () => {
    const fractions = fc.array(fc.double({ min: 0.05, max: 9, noNaN: true }), {
      minLength: 2,
      maxLength: 12,
    });
    fc.assert(
      fc.property(fractions, weights => {
        const candidates = fleet(weights);
        const total = weights.reduce((a, b) => a + b);
        const strategy = make('weighted-round-robin');
        strategy.rebuild(candidates);
        const counts = weights.map(() => 0);
        for (let n = 1; n <= 400; n++) {
          const picked = strategy.pick(client(n), anyone);
          counts[indexOf(candidates, picked)]! += 1;
          if (counts.some((count, i) => Math.abs(count - (n * weights[i]!) / total) > 1.000001)) return false;
        }
        return true;
      }),
    );
  });

  t.test('a long run does not drift', async t => {
    const weights = [0.1, 0.2, 0.7];
    const candidates = fleet(weights);
    const strategy = make('weighted-round-robin');
    strategy.rebuild(candidates);
    t.same(tally(strategy, candidates, 1_000_000), [100_000, 200_000, 700_000]);
  });

  t.test('keeps its proportions while a weight ramps up in a thousand rebuilds', async t => {
    const candidates = fleet([1, 1, 1, 0.01]);
    const strategy = make('weighted-round-robin');
    let expected = 0;
    const counts = candidates.map(() => 0);
    for (let step = 1; step <= 1000; step++) {
      candidates[3]!.weight = step / 1000;
      strategy.rebuild(candidates);
      for (const [i, count] of tally(strategy, candidates, 3).entries()) counts[i]! += count;
      expected += (3 * candidates[3]!.weight) / (3 + candidates[3]!.weight);
    }
    t.ok(Math.abs(counts[3]! - expected) < 0.05 * expected, `${counts[3]} picks, expected ${expected}`);
    t.ok(Math.max(...counts.slice(0, 3)) - Math.min(...counts.slice(0, 3)) < 20, counts.join(' '));
  });

  t.test('one that was full for long gets no burst', async t => {
    const candidates = fleet([1, 2, 1]);
    const strategy = make('weighted-round-robin');
    strategy.rebuild(candidates);
    for (let n = 0; n < 1000; n++) strategy.pick(client(n), c => c !== candidates[1]);
    const counts = tally(strategy, candidates, 12);
    t.ok(counts[1]! >= 5 && counts[1]! <= 8, counts.join(' '));
  });

  t.test('those left keep their proportions while the heaviest is full', async t => {
    const candidates = fleet([1000, 3, 1]);
    const strategy = make('weighted-round-robin');
    strategy.rebuild(candidates);
    const counts = [0, 0, 0];
    for (let n = 0; n < 400; n++) {
      const picked = strategy.pick(client(n), c => c !== candidates[0]);
      counts[indexOf(candidates, picked)]! += 1;
    }
    t.ok(Math.abs(counts[1]! - 300) < 10, counts.join(' '));
    const after = tally(strategy, candidates, 2008);
    t.ok(after[0]! > 1990, `no burst for the others: ${after.join(' ')}`);
    t.ok(after[1]! >= 4 && after[2]! >= 1, `nor for the heaviest: ${after.join(' ')}`);
  });
});
