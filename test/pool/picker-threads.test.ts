import t, { type Test } from 'tap';
import type { Picking } from '../fixtures/picking.js';
import { inThreads } from '../fixtures/threads.js';
import { Fleet } from './fleet.js';

const THREADS = 3;
const MODULE = new URL('../fixtures/picking.js', import.meta.url);

/** How often each backend was picked, by all threads together; they begin at the same time. */
async function pickTogether(
  fleet: Fleet,
  { strategy, picks, release = true }: Pick<Picking, 'strategy' | 'picks'> & { release?: boolean },
): Promise<number[]> {
  const { table, service } = fleet;
  const data: Picking = {
    buffers: table.buffers,
    service,
    strategy,
    backends: fleet.plans(),
    picks,
    release,
  };
  const tallies = await inThreads<number[]>(
    THREADS,
    MODULE,
    data,
    'ready(); return lib.pickMany(index, data);',
  );
  return fleet.backends.map((_, i) => tallies.reduce((sum, tally) => sum + tally[i]!, 0));
}

/** Change the fleet again and again while the threads pick. */
async function disturbed(fleet: Fleet, picking: Promise<unknown>, change: (n: number) => void) {
  let over = false;
  void picking.finally(() => {
    over = true;
  });
  for (let n = 0; !over; n++) {
    change(n);
    await new Promise(resolve => setImmediate(resolve));
  }
  fleet.table.bump();
}

t.test('round-robin is one rotation in all threads', async t => {
  const fleet = new Fleet('round-robin', [{}, {}, {}, {}, {}], THREADS);
  t.strictSame(
    await pickTogether(fleet, { strategy: 'round-robin', picks: 100_000 }),
    [60_000, 60_000, 60_000, 60_000, 60_000],
  );
});

t.test('primaries and backups have a rotation each', async t => {
  const fleet = new Fleet('round-robin', [{}, {}, { backup: true }, { backup: true }], THREADS);
  t.equal(fleet.sequence(1), 'b0');
  for (const backend of fleet.backends.slice(0, 2)) backend.setAdmin('maint', 'test');
  t.equal(fleet.sequence(1), 'b2');
  t.strictSame(
    await pickTogether(fleet, { strategy: 'round-robin', picks: 80_000 }),
    [0, 0, 120_000, 120_000],
  );
  for (const backend of fleet.backends) backend.setAdmin('ready', 'test');
  t.equal(fleet.sequence(1), 'b1', 'the primaries go on where they were');
});

t.test('weighted-round-robin is exact over a cycle of all threads', async t => {
  const fleet = new Fleet('weighted-round-robin', [{ weight: 5 }, { weight: 1 }, { weight: 1 }], THREADS);
  t.strictSame(
    await pickTogether(fleet, { strategy: 'weighted-round-robin', picks: 70_000 }),
    [150_000, 30_000, 30_000],
  );
});

t.test('least-connections is exact', async t => {
  const weights = [1, 2, 3, 4].map(weight => ({ weight }));
  const fleet = new Fleet('least-connections', weights, THREADS);
  const counts = await pickTogether(fleet, { strategy: 'least-connections', picks: 50_000, release: false });
  t.strictSame(counts, [15_000, 30_000, 45_000, 60_000]);
  t.strictSame(
    fleet.backends.map(({ active }) => active),
    counts,
  );
});

for (const strategy of ['round-robin', 'weighted-round-robin'] as const) {
  t.test(`${strategy}: threads that have rebuilt at different moments agree again`, async t => {
    const fleet = new Fleet(
      strategy,
      [1, 1, 2].map(weight => ({ weight })),
      THREADS,
    );
    const turbulent = pickTogether(fleet, { strategy, picks: 60_000 });
    await disturbed(fleet, turbulent, n => {
      fleet.backends[n % 2]!.setHealth(n % 4 < 2 ? 'down' : 'up', 'flap');
      fleet.backends[2]!.setWeight(1 + (n % 5) / 4);
    });
    const before = await turbulent;
    t.equal(
      before.reduce((a, b) => a + b),
      THREADS * 60_000,
    );
    for (const backend of fleet.backends) backend.setHealth('up', 'over');
    fleet.backends[2]!.setWeight(2);
    const share = strategy === 'round-robin' ? [1, 1, 1] : [0.75, 0.75, 1.5];
    near(
      t,
      await pickTogether(fleet, { strategy, picks: 20_000 }),
      share.map(one => one * 20_000),
    );
  });
}

/** A weighted rotation that was left in the middle of a turn may be one turn off. */
function near(t: Test, counts: readonly number[], expected: readonly number[]): void {
  for (const [i, count] of counts.entries()) {
    t.ok(Math.abs(count - expected[i]!) <= 1, `${counts.join(' ')}, expected ${expected.join(' ')}`);
  }
}
