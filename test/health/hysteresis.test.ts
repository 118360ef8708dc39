import fc from 'fast-check';
import t from 'tap';
import { CHECKING, DOWN, type Health, step, UP } from '../../src/health/hysteresis.js';

const results = fc.array(fc.boolean(), { maxLength: 200 });
const thresholds = fc.record({ fall: fc.integer({ min: 1, max: 6 }), rise: fc.integer({ min: 1, max: 6 }) });
const start = fc.constantFrom(CHECKING, UP, DOWN);

function run(from: Health, list: readonly boolean[], limits: { fall: number; rise: number }): string[] {
  const states: string[] = [];
  let health = from;
  for (const ok of list) {
    health = step(health, ok, limits);
    states.push(health.state);
  }
  return states;
}

t.test('the first success while checking means up at once', async t => {
  t.strictSame(step(CHECKING, true, { fall: 3, rise: 5 }), { state: 'up', against: 0, flipped: true });
  t.strictSame(run(CHECKING, [false, false, true], { fall: 3, rise: 5 }), ['checking', 'checking', 'up']);
});

t.test('fall failures in a row mean down, from checking and from up', async t => {
  const limits = { fall: 3, rise: 2 };
  t.strictSame(run(CHECKING, [false, false, false], limits), ['checking', 'checking', 'down']);
  t.strictSame(run(UP, [false, false, false, true, false, true, true], limits), [
    ...['up', 'up', 'down'],
    ...['down', 'down', 'down', 'up'],
  ]);
});

t.test('F S F S with fall 3 never goes down, however long', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.constantFrom(CHECKING, UP), (length, from) => {
      const list = Array.from({ length }, (_, i) => i % 2 === 1);
      return !run(from, list, { fall: 3, rise: 2 }).includes('down');
    }),
  );
});

t.test(
  'it goes down exactly at the end of `fall` failures in a row, and up at the end of `rise` successes',
  async () => {
    fc.assert(
      fc.property(start, results, thresholds, (from, list, limits) => {
        let failures = 0;
        let successes = 0;
        let state = from.state;
        run(from, list, limits).forEach((next, i) => {
          failures = list[i] ? 0 : failures + 1;
          successes = list[i] ? successes + 1 : 0;
          // Successes from before it went down, and failures from before it came up, cannot be part of a run.
          if (state === 'down') state = successes >= limits.rise ? 'up' : 'down';
          else if (failures >= limits.fall) state = 'down';
          else if (list[i]) state = 'up';
          if (state !== next) throw new Error(`result ${i}: expected ${state}, got ${next}`);
        });
      }),
      { numRuns: 1_000 },
    );
  },
);

t.test(
  'flipped is said exactly when the state changes, and the counter never reaches its threshold',
  async () => {
    fc.assert(
      fc.property(start, results, thresholds, (from, list, limits) => {
        let health = from;
        for (const ok of list) {
          const next = step(health, ok, limits);
          if (next.flipped !== (next.state !== health.state)) return false;
          if (next.against >= (next.state === 'down' ? limits.rise : limits.fall)) return false;
          health = next;
        }
        return true;
      }),
    );
  },
);

t.test('after a passive failure `rise` successes are needed', async t => {
  t.strictSame(run(DOWN, [true, true], { fall: 3, rise: 2 }), ['down', 'up']);
});

t.test('a smaller threshold after a reload takes effect at the next result', async t => {
  const health = step(step(UP, false, { fall: 5, rise: 2 }), false, { fall: 5, rise: 2 });
  t.equal(step(health, false, { fall: 2, rise: 2 }).state, 'down');
});
