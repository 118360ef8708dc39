import fc from 'fast-check';
import t from 'tap';
import { Checker, type CheckResult } from '../../src/health/checker.js';
import { FakeClock } from './fake-clock.js';
import { FakeProbe } from './helpers.js';

const schedule = { interval: 2_000, fast: 200, timeout: 1_000, jitter: 0 };

function setUp(options: { jitter?: number; random?: () => number } = {}) {
  const clock = new FakeClock();
  const probe = new FakeProbe();
  const results: CheckResult[] = [];
  const checker = new Checker(
    probe,
    { ...schedule, jitter: options.jitter ?? 0 },
    clock,
    options.random ?? Math.random,
    result => results.push(result),
  );
  return { clock, probe, results, checker };
}

t.test('the first probe goes out at once, then one every interval', async t => {
  const { clock, probe, results, checker } = setUp();
  checker.start();
  t.equal(probe.asked, 1);
  await clock.advance(1_999);
  t.equal(probe.asked, 1);
  await clock.advance(1);
  t.equal(probe.asked, 2);
  await clock.advance(20_000);
  t.equal(probe.asked, 12);
  t.strictSame(results[0], { result: 'ok', reason: '', finding: {}, durationMs: 0 });
  checker.stop();
});

t.test('gaps stay within the jitter and use all of it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 0, max: 0.999999, noNaN: true }), async u => {
      const { clock, probe, checker } = setUp({ jitter: 0.1, random: () => u });
      checker.start();
      await clock.advance(0);
      const gap = 2_000 * (0.9 + 0.2 * u);
      await clock.advance(gap - 0.01);
      const before = probe.asked;
      await clock.advance(0.02);
      checker.stop();
      return before === 1 && probe.asked === 2;
    }),
    { numRuns: 30 },
  );
});

t.test(
  'never two at a time: a probe that outlasts the interval is followed by the next when it ends',
  async t => {
    const { clock, probe, results, checker } = setUp();
    probe.answer = 'hang';
    checker.start();
    await clock.advance(5_000);
    t.equal(probe.asked, 1);
    probe.finish();
    await clock.advance(0);
    t.equal(probe.asked, 2);
    t.equal(probe.mostInFlight, 1);
    t.equal(results[0]?.durationMs, 5_000);
    checker.stop();
  },
);

t.test('failures carry their reason; a shortage on this side is inconclusive', async t => {
  const { clock, probe, results, checker } = setUp();
  probe.answer = 'refused';
  checker.start();
  await clock.advance(0);
  probe.answer = 'local';
  await clock.advance(2_000);
  t.strictSame(
    results.map(({ result, reason }) => `${result} ${reason}`),
    ['failed connection refused', 'inconclusive too many open files'],
  );
  checker.stop();
});

t.test('after stop there is no probe, no timer and no result, not even of a probe on its way', async t => {
  const { clock, probe, results, checker } = setUp();
  probe.answer = 'hang';
  checker.start();
  checker.stop();
  await clock.advance(10_000);
  t.equal(probe.asked, 1);
  t.equal(probe.inFlight, 0, 'the probe was told to stop');
  t.strictSame(results, []);
  t.equal(clock.pending, 0);
});
