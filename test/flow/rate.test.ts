import fc from 'fast-check';
import t from 'tap';
import { RateLimit } from '../../src/flow/rate.js';
import { SharedTable } from '../../src/pool/table.js';
import { inThreads } from '../fixtures/threads.js';

t.test('a burst, then one token a period', async t => {
  const limit = new RateLimit(10);
  let taken = 0;
  for (let i = 0; i < 50; i++) if (limit.take(1_000)) taken++;
  t.equal(taken, 10);
  t.notOk(limit.take(1_099));
  t.ok(limit.take(1_100));
  t.notOk(limit.take(1_100));
});

t.test('0 is no limit', async t => {
  const limit = new RateLimit(0);
  for (let i = 0; i < 10_000; i++) if (!limit.take(0)) t.fail('refused');
});

t.test('ten a minute', async t => {
  const limit = new RateLimit(10 / 60);
  t.equal(limit.burst, 1);
  let taken = 0;
  for (let now = 0; now < 60_000; now += 10) if (limit.take(now)) taken++;
  t.equal(taken, 10);
});

t.test('a clock that stands still or goes back gives nothing', async t => {
  const limit = new RateLimit(1);
  t.ok(limit.take(5_000));
  t.notOk(limit.take(0));
  t.notOk(limit.take(5_999));
  t.ok(limit.take(6_000));
});

t.test('never more than burst + rate × t in any window, and never starves', async () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 5_000, noNaN: true }),
      fc.double({ min: 1, max: 50, noNaN: true }),
      fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 2_000, noNaN: true })), { maxLength: 200 }),
      (perSecond, burst, steps) => {
        const limit = new RateLimit(perSecond, burst);
        const period = 1_000 / perSecond;
        const taken: number[] = [];
        let now = 1e6;
        let asked = now;
        for (const step of steps) {
          now += step;
          const ok = limit.take(now);
          if (ok) taken.push(now);
          // Whoever comes a period after the last question always finds a token.
          else if (now - asked >= period * 1.000001) throw new Error('starved');
          asked = now;
        }
        for (let from = 0; from < taken.length; from++) {
          for (let to = from; to < taken.length; to++) {
            const most = burst + (perSecond * (taken[to]! - taken[from]!)) / 1_000;
            if (to - from + 1 > most + 1e-6) throw new Error(`${to - from + 1} in a window for ${most}`);
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});

t.test('one rate for all threads', async t => {
  const { buffers } = SharedTable.create(2);
  const taken = await inThreads<number>(
    2,
    new URL('../../src/flow/rate.js', import.meta.url),
    { buffers, table: new URL('../../src/pool/table.js', import.meta.url).href },
    `const { SharedTable } = await import(data.table);
     const limit = new lib.RateLimit(1_000, 10, new SharedTable(data.buffers, index).rateCell(5));
     let taken = 0;
     ready();
     for (let i = 0; i <= 300_000; i++) if (limit.take(i)) taken++;
     return taken;`,
  );
  const sum = taken[0]! + taken[1]!;
  // Ten at once and one each ms: neither more nor, as both ask all the time, less.
  t.ok(sum <= 300_010 && sum >= 300_000, `${taken.join(' + ')}`);
});

t.test('a changed rate counts what was taken before', async t => {
  const cell = SharedTable.create(1).rateCell(1);
  const taken = (limit: RateLimit, now: number) => {
    let count = 0;
    while (count < 1_000 && limit.take(now)) count++;
    return count;
  };
  t.equal(taken(new RateLimit(100, 100, cell), 0), 100);
  t.equal(taken(new RateLimit(200, 200, cell), 0), 100, 'the larger bucket has the rest');
  t.equal(taken(new RateLimit(2, 2, cell), 0), 0);
  t.equal(taken(new RateLimit(2, 2, cell), 500), 1, 'what was taken beyond the smaller bucket is forgiven');
});
