import fc from 'fast-check';
import t from 'tap';
import { excess, type Load, nextToClose } from '../../src/control/rebalance.js';

const INF = Number.POSITIVE_INFINITY;
const loads = (...list: [active: number, weight: number, room?: number][]): Load[] =>
  list.map(([active, weight, room = INF], slot) => ({ slot, active, weight, room }));
const over = (...list: Parameters<typeof loads>) => Object.fromEntries(excess(loads(...list)));

t.test('examples', async t => {
  t.strictSame(over([10, 1], [10, 1]), {}, 'level');
  t.strictSame(over([10, 1], [0, 1]), { 0: 5 }, 'a recovered backend gets half');
  t.strictSame(over([10, 1], [10, 1], [0, 1]), { 0: 3, 1: 3 }, '20 over 3 is 7, 7 and 6');
  t.strictSame(over([7, 1], [7, 1], [6, 1]), {}, 'as level as whole numbers are');
  t.strictSame(over([6, 1], [6, 1], [8, 1]), { 2: 1 });
  t.strictSame(over([9, 2], [0, 1]), { 0: 3 }, 'by weight');
  t.strictSame(over([10, 1, 100], [0, 1, 2]), { 0: 2 }, 'no more than there is room for');
  t.strictSame(over([10, 1, 4], [0, 1, 4]), { 0: 4 }, 'a limit lowered below what is open');
  t.strictSame(over([0, 1], [6, 0]), { 1: 6 }, 'a weight of 0 is for none: backups once primaries are back');
  t.strictSame(over([1, 1]), {});
  t.strictSame(over(), {});
  t.strictSame(over([3, 0]), {}, 'nowhere to go');
});

const arbitrary = fc
  .array(
    fc.record({
      active: fc.integer({ min: 0, max: 200 }),
      weight: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.double({ min: 0.01, max: 10, noNaN: true })),
      room: fc.oneof(fc.constant(INF), fc.integer({ min: 1, max: 100 })),
    }),
    { maxLength: 8 },
  )
  .map(list => list.map((load, slot) => ({ ...load, slot })));

/** Clients come back one by one to where there is least for its weight, as least-connections has it. */
function moved(list: readonly Load[], closed: ReadonlyMap<number, number>): Load[] {
  const after = list.map(load => ({ ...load, active: load.active - (closed.get(load.slot) ?? 0) }));
  let coming = [...closed.values()].reduce((sum, one) => sum + one, 0);
  while (coming-- > 0) {
    const free = after.filter(({ weight, active, room }) => weight > 0 && active < room);
    const best = free.reduce<(typeof after)[number] | undefined>(
      (a, b) => (a === undefined || (b.active + 1) / b.weight < (a.active + 1) / a.weight ? b : a),
      undefined,
    );
    if (best === undefined) throw new Error('nowhere to go');
    best.active++;
  }
  return after;
}

t.test('it never closes more than there are, nor what has nowhere to go', async () => {
  fc.assert(
    fc.property(arbitrary, list => {
      const closed = excess(list);
      moved(list, closed);
      return [...closed].every(([slot, count]) => count > 0 && count <= list[slot]!.active);
    }),
    { numRuns: 2000 },
  );
});

t.test('without limits everybody ends at its share, rounded; and nothing less would do', async () => {
  const unlimited = arbitrary
    .map(list => list.map(load => ({ ...load, room: INF, weight: Math.max(load.weight, 0.01) })))
    .filter(list => list.length > 0);
  fc.assert(
    fc.property(unlimited, list => {
      const closed = excess(list);
      const total = list.reduce((sum, { active }) => sum + active, 0);
      const weights = list.reduce((sum, { weight }) => sum + weight, 0);
      const share = ({ weight }: Load) => (total * weight) / weights;
      const left = list.map(load => load.active - (closed.get(load.slot) ?? 0));
      const isLow = list.every((load, i) => left[i]! <= Math.ceil(share(load) - 1e-6) + 1e-6);
      // Fewest: whoever is closed ends at its share rounded down, or up while such places last.
      const count = [...closed.values()].reduce((sum, one) => sum + one, 0);
      const above = list.reduce(
        (sum, load) => sum + Math.max(0, load.active - Math.ceil(share(load) - 1e-6)),
        0,
      );
      const below = list.reduce(
        (sum, load) => sum + Math.max(0, Math.floor(share(load) + 1e-6) - load.active),
        0,
      );
      return isLow && count === Math.max(above, below);
    }),
    { numRuns: 3000 },
  );
});

t.test('once it was done there is nothing left to do', async () => {
  const equal = arbitrary.map(list => list.map(load => ({ ...load, room: INF, weight: 1 })));
  fc.assert(
    fc.property(equal, list => excess(moved(list, excess(list))).size === 0),
    { numRuns: 1000 },
  );
});

t.test('the next to close are of all that have too many, in proportion', async t => {
  const next = (over: [number, number][], count: number) =>
    Object.fromEntries(nextToClose(new Map(over), count));
  t.strictSame(
    next(
      [
        [1, 3],
        [2, 9],
      ],
      4,
    ),
    { 1: 1, 2: 3 },
  );
  t.strictSame(
    next(
      [
        [1, 3],
        [2, 9],
      ],
      1,
    ),
    { 2: 1 },
  );
  t.strictSame(next([[1, 1]], 4), { 1: 1 });
  t.strictSame(next([], 4), {});
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 99 })),
      fc.integer({ min: 0, max: 999 }),
      (list, count) => {
        const chosen = nextToClose(new Map(list.entries()), count);
        const total = list.reduce((sum, one) => sum + one, 0);
        const all = [...chosen.values()].reduce((sum, one) => sum + one, 0);
        return all === Math.min(count, total) && [...chosen].every(([slot, n]) => n > 0 && n <= list[slot]!);
      },
    ),
  );
});
